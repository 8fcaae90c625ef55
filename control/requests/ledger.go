package requests

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/fleet"
)

const (
	// maxConflicts bounds the tries of one write. A conflict means that another attempt got in
	// between, or that a replica which answers reads is behind.
	maxConflicts = 16
	// conflictWait grows with each conflict, so that such a replica catches up.
	conflictWait = 5 * time.Millisecond
	// finishTimeout bounds the write of an outcome, which goes on when the caller is gone.
	finishTimeout = 5 * time.Second
)

// Config of a Ledger.
type Config struct {
	// Store keeps the sealed values.
	Store Store
	// Keys gives the data key of an account.
	Keys func(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error)
	// Token is the token under which this node owns the account now; an error when it does not.
	Token func(ctx context.Context, account fleet.AccountID) (fleet.FencingToken, error)
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log gets warnings; default none.
	Log hclog.Logger
}

// Ledger knows the commands of the last day.
type Ledger struct {
	cfg Config

	mu      sync.Mutex
	running map[Key]chan struct{} // attempts of this process; closed at their end
}

// New makes a Ledger.
func New(cfg Config) (*Ledger, error) {
	if cfg.Store == nil || cfg.Keys == nil || cfg.Token == nil {
		return nil, errors.New("requests: Store, Keys and Token are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	return &Ledger{cfg: cfg, running: map[Key]chan struct{}{}}, nil
}

// Command is a request with its name.
type Command struct {
	// Account is the one whose owner carries the command out, or fleet.Fleetwide for a command
	// that any node does: no token fences those.
	Account fleet.AccountID
	// ID is the request_id: 1 to 64 of A-Z, a-z, 0-9, _ and -.
	ID string
	// Method and Request tell whether a repetition is one: Request is any encoding that is the
	// same for the same request. Only its hash is stored.
	Method  string
	Request []byte
	// Again says that the command may be carried out once more when nobody knows whether an earlier
	// attempt took effect: it leads to one state, or what it sends has the random_ids of the
	// Attempt. Otherwise Begin then fails with OUTCOME_UNKNOWN.
	Again bool
}

// State is what Begin found.
type State uint8

const (
	// Fresh: nobody tried before; the intent is stored.
	Fresh State = iota
	// Resumed: an earlier attempt ended without a known outcome; it may have taken effect.
	Resumed
	// Finished: the outcome is known; there is nothing to do.
	Finished
)

// String names the state.
func (s State) String() string { return [...]string{"fresh", "resumed", "finished"}[s] }

// Attempt is one try of a command. Close it.
type Attempt struct {
	ledger    *Ledger
	key       Key
	aead      cipher.AEAD
	randomIDs func(string, int) int64
	state     State
	record    record
	revision  uint64
	release   func()
}

// Begin finds the command's outcome or stores the intent to carry it out. A repetition of a
// command that runs on this node waits for its end.
func (l *Ledger) Begin(ctx context.Context, c Command) (*Attempt, error) {
	key := Key{c.Account, c.ID}
	if err := key.validate(); err != nil {
		return nil, err
	}
	release, err := l.enter(ctx, key)
	if err != nil {
		return nil, err
	}
	a, err := l.begin(ctx, key, c)
	if err != nil {
		release()
		return nil, err
	}
	a.release = sync.OnceFunc(release)
	if a.state == Finished {
		a.Close()
	}
	return a, nil
}

// enter makes attempts of one command follow each other within this process.
func (l *Ledger) enter(ctx context.Context, key Key) (release func(), err error) {
	for {
		l.mu.Lock()
		other, busy := l.running[key]
		if !busy {
			mine := make(chan struct{})
			l.running[key] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.running, key)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *Ledger) begin(ctx context.Context, key Key, c Command) (*Attempt, error) {
	aead, err := l.key(ctx, key.Account)
	if err != nil {
		return nil, unavailable(key, err)
	}
	a := &Attempt{ledger: l, key: key, aead: aead, randomIDs: deriveRandomIDs(aead)}
	hash := sha256.Sum256(c.Request)
	for i := range maxConflicts {
		if err := pause(ctx, time.Duration(i)*conflictWait); err != nil {
			return nil, err
		}
		// Read again each time: ownership may have been lost since.
		token, err := l.token(ctx, key.Account)
		if err != nil {
			return nil, err
		}
		err = a.take(ctx, token, c, hash)
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, unavailable(key, err)
		}
	}
	return nil, unavailable(key, fmt.Errorf("%d conflicts in a row", maxConflicts))
}

// token is that under which this node carries out commands of the account.
func (l *Ledger) token(ctx context.Context, account fleet.AccountID) (fleet.FencingToken, error) {
	if account == fleet.Fleetwide {
		return 0, nil
	}
	return l.cfg.Token(ctx, account)
}

// take is one try to find the outcome or to own the intent.
func (a *Attempt) take(ctx context.Context, token fleet.FencingToken, c Command, hash [sha256.Size]byte) error {
	store := a.ledger.cfg.Store
	sealed, revision, err := store.Get(ctx, a.key)
	if errors.Is(err, ErrNotFound) {
		a.state = Fresh
		a.record = record{Token: token, Method: c.Method, Hash: hash, Since: a.ledger.cfg.Now().UTC(), Attempt: 1}
		if sealed, err = a.record.seal(a.aead, a.key); err != nil {
			return err
		}
		a.revision, err = store.Create(ctx, a.key, sealed)
		return err
	}
	if err != nil {
		return err
	}
	found, err := open(a.aead, a.key, sealed)
	if err != nil {
		return fleet.Errorf(fleet.CodeDataLoss, "REQUEST_CORRUPT", "request_id %s: its stored value cannot be read: %w", a.key.ID, err).
			WithRemedy("look whether the command took effect, then repeat it with another request_id")
	}
	switch {
	case found.Method != c.Method || found.Hash != hash:
		return fleet.Errorf(fleet.CodeInvalidArgument, "REQUEST_ID_REUSED",
			"request_id: %s was used for another request, a %s of %s", a.key.ID, found.Method, found.Since.Format(time.RFC3339)).
			WithRemedy("repeat a command unchanged, and draw a new request_id for each other one")
	case found.Outcome != nil:
		a.state, a.record, a.revision = Finished, *found, revision
		return nil
	case found.Token > token:
		return notOwner(a.key.Account)
	case !c.Again: // not touched: an attempt that still runs elsewhere may yet store its outcome
		return fleet.Errorf(fleet.CodeAborted, "OUTCOME_UNKNOWN",
			"request_id %s: nobody knows whether the %s of %s took effect: its node ended, or is still at it",
			a.key.ID, c.Method, found.Since.Format(time.RFC3339)).
			WithRemedy("look whether it took effect before you give it under another request_id; an outcome that comes late is found under this one")
	}
	found.Token = token
	found.Attempt++
	a.state, a.record = Resumed, *found
	if sealed, err = a.record.seal(a.aead, a.key); err != nil {
		return err
	}
	// Written even when the token is ours: that a read was stale shows at this write only.
	a.revision, err = store.Update(ctx, a.key, sealed, revision)
	return err
}

// State is what Begin found.
func (a *Attempt) State() State { return a.state }

// Resumed reports whether an earlier attempt may have taken effect.
func (a *Attempt) Resumed() bool { return a.record.Attempt > 1 }

// Since is when the command's first attempt began.
func (a *Attempt) Since() time.Time { return a.record.Since }

// RandomID is the n-th random_id of the command, the same for each attempt on any node.
func (a *Attempt) RandomID(n int) int64 { return a.randomIDs(a.key.ID, n) }

// Outcome is that of a Finished attempt; lost says that the command was done, with a reply that
// was too large to keep.
func (a *Attempt) Outcome() (reply []byte, lost bool, err error) {
	o := a.record.Outcome
	switch {
	case o == nil:
		return nil, false, errors.New("requests: the attempt has no outcome")
	case o.Error != nil:
		return nil, false, o.Error.err()
	}
	return o.Reply, o.Lost, nil
}

// Finish stores the outcome: the reply, or what made the command fail for good. It does so even
// when ctx has ended. NOT_OWNER says that another node took the command over, which does not
// undo what this one did.
func (a *Attempt) Finish(ctx context.Context, reply []byte, refused *fleet.Error) error {
	defer a.Close()
	if a.state == Finished {
		return nil
	}
	err := a.finish(ctx, reply, refused)
	if err != nil {
		a.ledger.cfg.Log.Warn("the outcome of a request is not stored: a repetition finds it out again",
			"account", string(a.key.Account), "error", err)
	}
	return err
}

func (a *Attempt) finish(ctx context.Context, reply []byte, refused *fleet.Error) error {
	a.record.Outcome = &outcome{Reply: reply}
	if refused != nil {
		a.record.Outcome = &outcome{Error: refusalOf(refused)}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	aead, err := a.ledger.key(ctx, a.key.Account) // the command may have renewed it: a sign-out
	if err != nil {
		return fmt.Errorf("finish request %s: %w", a.key.ID, err)
	}
	sealed, err := a.record.seal(aead, a.key)
	if err == nil && len(sealed) > MaxValue {
		a.record.Outcome = &outcome{Lost: true}
		sealed, err = a.record.seal(aead, a.key)
	}
	if err != nil {
		return fmt.Errorf("finish request %s: %w", a.key.ID, err)
	}
	_, err = a.ledger.cfg.Store.Update(ctx, a.key, sealed, a.revision)
	switch {
	case errors.Is(err, ErrConflict):
		return notOwner(a.key.Account)
	case err != nil:
		return fmt.Errorf("finish request %s: %w", a.key.ID, err)
	}
	a.state = Finished
	return nil
}

// Drop forgets a Fresh attempt that sent nothing, so that its id can be used again. One that was
// Resumed stays: an earlier attempt may have sent.
func (a *Attempt) Drop(ctx context.Context) {
	defer a.Close()
	if a.state != Fresh {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if err := a.ledger.cfg.Store.Delete(ctx, a.key, a.revision); err != nil {
		a.ledger.cfg.Log.Debug("a request's intent stays", "account", string(a.key.Account), "error", err)
	}
}

// Close ends the attempt; without Finish or Drop its outcome stays unknown, and a repetition
// resumes it. It may be called more than once.
func (a *Attempt) Close() {
	if a.release != nil {
		a.release()
	}
}

// Forget removes all commands of an account that is deleted.
func (l *Ledger) Forget(ctx context.Context, account fleet.AccountID) error {
	return l.cfg.Store.Purge(ctx, account)
}

func notOwner(account fleet.AccountID) error {
	return fleet.Errorf(fleet.CodeUnavailable, "NOT_OWNER", "account %s moved to another node", account).
		WithRemedy("repeat the command with the same request_id")
}

// unavailable types what is not typed yet.
func unavailable(key Key, err error) error {
	var own *fleet.Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fleet.Errorf(fleet.CodeUnavailable, "REQUESTS_UNAVAILABLE", "request_id %s: the store of requests does not answer; nothing was sent now: %w", key.ID, err).
		WithRemedy("repeat the command with the same request_id in a moment")
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
