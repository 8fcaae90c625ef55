package eventlog

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/eventlog/embedded"
	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// witnessEvery is how often an append also writes the witness (one fsync).
const witnessEvery = 5 * time.Second

// reconnectWait is the pause between attempts to reach an external store; as much again is
// added at random.
const reconnectWait = 250 * time.Millisecond

// reviewTimeout bounds one look at the epochs.
const reviewTimeout = 30 * time.Second

// Log is an open event log.
type Log struct {
	cfg    Config
	server *embedded.Server // nil with an external store
	nc     *nats.Conn
	store  *stream.Store
	meta   *stream.Meta // nil with an embedded store
	keys   keyCache
	synced stream.Synced
	hub    *hub
	notes  notes
	places places
	// mending is of an embedded store only.
	mending mending
	// replaying bounds the replays under way.
	replaying chan struct{}

	epochs      atomic.Pointer[stream.Table]
	reviewMu    sync.Mutex
	witnessAt   atomic.Int64 // unix nanoseconds of the last witness
	witnessLost atomic.Bool  // a failed write was logged

	// closing is cancelled by Close; calls in flight are counted so that Close can wait.
	closing   context.Context
	close     context.CancelCauseFunc
	mu        sync.Mutex // guards calls.Add against Close's Wait
	calls     sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// Open starts or connects to the store and waits until it can be used. After an unclean
// shutdown, or when the store's last sequence is below the known one, it opens a new epoch.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	cfg = cfg.withDefaults()
	l := &Log{cfg: cfg, replaying: make(chan struct{}, replays())}
	l.keys = keyCache{load: cfg.Keys, find: cfg.Find, keys: make(map[fleet.AccountID]cipher.AEAD)}
	l.synced = stream.Synced{Interval: cfg.SyncInterval, Always: cfg.SyncAlways}
	l.closing, l.close = context.WithCancelCause(context.Background())
	l.hub = newHub(l)
	open := l.openEmbedded
	if cfg.URL != "" {
		open = l.openExternal
	}
	if err := open(ctx); err != nil {
		l.close(ErrClosed)
		l.stop()
		return nil, err
	}
	return l, nil
}

func (l *Log) storeDir() string { return filepath.Join(l.cfg.Dir, "nats") }

func (l *Log) openEmbedded(ctx context.Context) error {
	var err error
	l.server, err = embedded.Start(ctx, embedded.Config{
		Dir: l.storeDir(), SyncInterval: l.cfg.SyncInterval, SyncAlways: l.cfg.SyncAlways, Logger: l.cfg.Logger,
	})
	if errors.Is(err, embedded.ErrInUse) {
		return fmt.Errorf("open event log: %w: %w", ErrInUse, err)
	}
	if err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	if l.nc, err = l.server.Connect(nats.Name("eventlog")); err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	if err = l.openStore(ctx); err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	return l.startEpoch(ctx)
}

func (l *Log) openStore(ctx context.Context) (err error) {
	prefix := "ev."
	if l.cfg.Name != "EVENTS" {
		prefix = "ev_" + strings.ToLower(l.cfg.Name) + "."
	}
	l.store, err = stream.Open(ctx, l.nc, prefix, jetstream.StreamConfig{
		Name: l.cfg.Name, Description: "events of all accounts; written by the orchestrator only",
		MaxAge: l.cfg.MaxAge, MaxBytes: l.cfg.MaxBytes, MaxMsgsPerSubject: max(l.cfg.MaxPerAccount, 0),
		MaxMsgSize: MaxRecordBytes + 4096, // headers
		Replicas:   l.cfg.Replicas,
	})
	return err
}

// startEpoch decides whether the embedded store goes on in its epoch, and takes away the clean
// marker before anything can be appended.
func (l *Log) startEpoch(ctx context.Context) error {
	var st stream.Epochs
	found, err := stream.ReadFile(l.cfg.Dir, stream.EpochsFile, &st)
	if err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	var w stream.Witness
	if _, err := stream.ReadFile(l.cfg.Dir, stream.WitnessFile, &w); err != nil {
		l.cfg.Logger.Warn("event log: witness is unreadable", "error", err)
		st.Clean = nil
	}
	now, err := l.store.State(ctx)
	if err != nil {
		return err
	}
	switch {
	case !found && now.Last == 0:
		st.Epochs = stream.Table{{Epoch: max(1, w.Epoch+1), Start: 1}}
	case !found || len(st.Epochs) == 0:
		// The table is gone but records are not: a number that no earlier epoch can have.
		st.Epochs = stream.Table{{Epoch: max(uint64(l.cfg.Now().Unix()), w.Epoch+1), Start: now.Last + 1}}
	case st.Clean == nil || st.Clean.Last != now.Last || w.Last > now.Last:
		if w.Last > now.Last {
			l.cfg.Logger.Warn("event log: the tail was lost", "last", now.Last, "known", w.Last, "lost_at_least", w.Last-now.Last)
		}
		st.Epochs = st.Epochs.With(st.Epochs.Current()+1, now.Last)
	}
	if st.Clean == nil {
		if err := stream.SyncBlocks(l.storeDir()); err != nil {
			return fmt.Errorf("open event log: %w", err)
		}
	}
	st.Clean = nil
	if err := stream.WriteFile(l.cfg.Dir, stream.EpochsFile, st); err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	l.epochs.Store(&st.Epochs)
	l.synced.Reset(now.Last, now.Last, l.cfg.Now())
	return l.writeWitness()
}

func (l *Log) openExternal(ctx context.Context) error {
	opts := []nats.Option{
		nats.Name("eventlog"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.cfg.Logger.Warn("event log: connection", "error", err)
		}),
		nats.ReconnectHandler(func(*nats.Conn) { l.reviewAfterReconnect() }),
	}
	if l.cfg.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(l.cfg.CredentialsFile))
	}
	if l.cfg.TLS != nil {
		opts = append(opts, nats.Secure(l.cfg.TLS))
	}
	var err error
	if l.nc, err = nats.Connect(l.cfg.URL, opts...); err != nil {
		return fmt.Errorf("open event log: connect to nats: %w", err)
	}
	if err = l.openStore(ctx); err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	if l.meta, err = stream.OpenMeta(ctx, l.store.JS, l.cfg.Name+"_META", l.cfg.Replicas); err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	var w stream.Witness
	if l.cfg.Dir != "" {
		if _, err := stream.ReadFile(l.cfg.Dir, stream.WitnessFile, &w); err != nil {
			return fmt.Errorf("open event log: %w", err)
		}
	}
	return l.review(ctx, Cursor{Epoch: w.Epoch, Seq: w.Last})
}

// review compares the external store's end with the known one and opens or adopts an epoch. It
// waits for a connection that is down and for a leader.
func (l *Log) review(ctx context.Context, known Cursor) error {
	l.reviewMu.Lock()
	defer l.reviewMu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	err := l.reviewOnce(ctx, known)
	for stream.Unsent(err) && stream.Sleep(ctx, stream.NoLeaderWait) {
		err = l.reviewOnce(ctx, known)
	}
	return err
}

func (l *Log) reviewOnce(ctx context.Context, known Cursor) error {
	for {
		table, revision, err := l.meta.Load(ctx)
		if err != nil {
			return err
		}
		now, err := l.store.State(ctx)
		if err != nil {
			return err
		}
		next := table
		switch {
		case len(table) == 0 && now.Last == 0 && known.IsZero():
			next = stream.Table{{Epoch: 1, Start: 1}}
		case len(table) == 0:
			next = stream.Table{{Epoch: max(uint64(l.cfg.Now().Unix()), known.Epoch+1), Start: now.Last + 1}}
		case known.Epoch > table.Current() || table.Resolve(known.Epoch, known.Seq) > now.Last:
			next = table.With(max(table.Current(), known.Epoch)+1, now.Last)
		}
		if len(next) != len(table) || next.Current() != table.Current() {
			switch saved, err := l.meta.Save(ctx, next, revision); {
			case err != nil:
				return err
			case !saved:
				continue
			}
		}
		if old := l.epochs.Load(); old == nil || old.Current() != next.Current() {
			l.synced.Reset(0, now.Last, l.cfg.Now())
			l.epochs.Store(&next)
			l.hub.restart()
		}
		return l.writeWitness()
	}
}

func (l *Log) reviewAfterReconnect() {
	done, err := l.enter()
	if err != nil {
		return
	}
	defer done()
	ctx := l.closing
	known := Cursor{Seq: l.synced.Known()}
	if t := l.epochs.Load(); t == nil {
		return // Open itself is still at it
	} else {
		known.Epoch = t.Current()
	}
	err = l.review(ctx, known)
	l.hub.restart() // its consumer may be gone, which would show only by missing heartbeats
	if err != nil {
		l.cfg.Logger.Warn("event log: cannot review the epochs after a reconnect", "error", err)
	}
}

func (l *Log) writeWitness() error {
	if l.cfg.Dir == "" {
		return nil
	}
	l.witnessAt.Store(l.cfg.Now().UnixNano())
	w := stream.Witness{Epoch: l.epochs.Load().Current(), Last: l.synced.Known()}
	if err := stream.WriteFile(l.cfg.Dir, stream.WitnessFile, w); err != nil {
		return fmt.Errorf("event log: %w", err)
	}
	return nil
}

// acked notes an acknowledged append and now and then writes the witness. A failed witness is
// logged, not returned: the record is stored, and an unclean start opens a new epoch anyway.
func (l *Log) acked(seq uint64) {
	now := l.cfg.Now()
	l.synced.Acked(seq, now)
	at := l.witnessAt.Load()
	if now.UnixNano()-at < int64(witnessEvery) || !l.witnessAt.CompareAndSwap(at, now.UnixNano()) {
		return
	}
	if err := l.writeWitness(); err != nil && !l.witnessLost.Swap(true) {
		l.cfg.Logger.Warn("event log: cannot write the witness", "error", err)
	}
}

// enter counts a call in flight; after Close it returns ErrClosed.
func (l *Log) enter() (done func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing.Err() != nil {
		return nil, ErrClosed
	}
	l.calls.Add(1)
	return l.calls.Done, nil
}

// Close ends all iterators with ErrClosed, waits for calls in flight, stops the embedded server
// and marks the shutdown as clean. ctx bounds only the question for the last sequence; when
// that fails the shutdown counts as unclean. A second Close returns what the first did.
func (l *Log) Close(ctx context.Context) error {
	l.closeOnce.Do(func() {
		l.mu.Lock()
		l.close(ErrClosed)
		l.mu.Unlock()
		l.calls.Wait()
		l.hub.stop()
		if l.server == nil {
			l.stop()
			l.closeErr = l.writeWitness()
			return
		}
		last, err := l.store.State(ctx)
		l.stop()
		if err == nil {
			err = stream.SyncBlocks(l.storeDir())
		}
		if err == nil {
			l.synced.Reset(last.Last, last.Last, l.cfg.Now())
			err = l.writeWitness()
		}
		if err == nil {
			st := stream.Epochs{Epochs: *l.epochs.Load(), Clean: &stream.Clean{Last: last.Last}}
			err = stream.WriteFile(l.cfg.Dir, stream.EpochsFile, st)
		}
		if err != nil {
			l.closeErr = fmt.Errorf("close event log: %w", err)
		}
	})
	return l.closeErr
}

// stop closes connection and server, without marking anything.
func (l *Log) stop() {
	if l.nc != nil {
		l.nc.Close()
	}
	if l.server != nil {
		l.server.Shutdown()
	}
}

// JetStream is the log's connection, for stores that share it. It ends with the log.
func (l *Log) JetStream() jetstream.JetStream { return l.store.JS }

// Epoch is the current epoch.
func (l *Log) Epoch() uint64 { return l.epochs.Load().Current() }

// Durable is the last place that is surely synced to disk, as far as this process knows: what
// it saw acknowledged two sync intervals ago. A checkpoint must not cover later records.
func (l *Log) Durable() Cursor {
	return Cursor{Epoch: l.Epoch(), Seq: l.synced.Durable(l.cfg.Now())}
}

// IsDurable reports whether the record at c is surely synced to disk.
func (l *Log) IsDurable(c Cursor) bool {
	d := l.Durable()
	return c.Epoch <= d.Epoch && l.epochs.Load().Resolve(c.Epoch, c.Seq) == c.Seq && c.Seq <= d.Seq
}

// Last is the current end of the log.
func (l *Log) Last(ctx context.Context) (Cursor, error) {
	done, err := l.enter()
	if err != nil {
		return Cursor{}, err
	}
	defer done()
	st, err := l.store.State(ctx)
	if err != nil {
		return Cursor{}, err
	}
	return Cursor{Epoch: l.Epoch(), Seq: st.Last}, nil
}

// Status is for operators.
type Status struct {
	// First is the oldest sequence kept, Last the end, Durable what is surely synced.
	First   uint64
	Last    Cursor
	Durable uint64
	// Bytes the stream uses; Free bytes of its disk, -1 when unknown.
	Bytes uint64
	Free  int64
}

// Status asks the store for its numbers.
func (l *Log) Status(ctx context.Context) (Status, error) {
	done, err := l.enter()
	if err != nil {
		return Status{}, err
	}
	defer done()
	st, err := l.store.State(ctx)
	if err != nil {
		return Status{}, err
	}
	out := Status{First: st.First, Last: Cursor{l.Epoch(), st.Last}, Durable: l.Durable().Seq, Bytes: st.Bytes, Free: -1}
	if l.cfg.Dir != "" {
		if free, err := l.cfg.FreeSpace(l.cfg.Dir); err == nil {
			out.Free = int64(min(free, math.MaxInt64))
		}
	}
	return out, nil
}

// Purge removes an account's records and dead letters and drops its cached key. The account's
// owner must have stopped. Shredding the key itself is the caller's part.
func (l *Log) Purge(ctx context.Context, account fleet.AccountID) error {
	if err := account.Validate(); err != nil {
		return fmt.Errorf("purge events: %w", err)
	}
	done, err := l.enter()
	if err != nil {
		return err
	}
	defer done()
	return l.purge(ctx, account)
}

func (l *Log) purge(ctx context.Context, account fleet.AccountID, which ...jetstream.StreamPurgeOpt) error {
	l.keys.drop(account)
	if err := l.store.Stream.Purge(ctx, append(which, jetstream.WithPurgeSubject(l.store.Subject(account)))...); err != nil {
		return fmt.Errorf("purge events of %s: %w", account, err)
	}
	l.hub.forget(account)
	return l.purgeDead(ctx, account)
}

// Forget drops an account's key from memory, for when its deletion was seen, or when it has another
// one: whoever creates the account again makes another key.
func (l *Log) Forget(account fleet.AccountID) { l.keys.drop(account) }

// decode reads and places a stored record; its payload is still sealed.
func (l *Log) decode(raw stream.Raw) (Record, error) {
	r, err := decodeRecord(raw.Account, raw.Data)
	if err != nil {
		r = Record{Account: raw.Account}
	}
	if raw.Seq != 0 {
		r.Seq, r.Epoch = raw.Seq, l.epochs.Load().At(raw.Seq)
	}
	return r, err
}

// unseal opens the payload in place. The error is ErrCorrupt or ErrNoKey for a payload that can
// never be read, else the key source's own.
func (l *Log) unseal(ctx context.Context, r *Record) (err error) {
	r.Payload, err = l.keys.open(ctx, r.Account, r.Kind, r.ID, r.Payload)
	return err
}

// fromStore is decode and unseal.
func (l *Log) fromStore(ctx context.Context, raw stream.Raw) (Record, error) {
	r, err := l.decode(raw)
	if err == nil {
		err = l.unseal(ctx, &r)
	}
	return r, err
}

// unreadable tells errors that concern one record for good from those worth a retry.
func unreadable(err error) bool { return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNoKey) }
