package eventlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/telefleet/orchestrator/eventlog/stream"

	"github.com/telefleet/orchestrator/fleet"
)

// maxAttempts bounds the tries of one append; each try after the first follows a timeout, a
// refused sequence or an election.
const maxAttempts = 8

// Writer appends an account's records under one fencing token.
//
//	           stored                      higher token, or a later claim
//	claimed ──────────▶ claimed      any ───────────────▶ ended (ErrFenced)
//	   │ mismatch, lower token or nothing     │ own records gone ▶ ended (ErrTailLost)
//	   └▶ claim again, repeat                 │ nothing known    ▶ ended (ErrUnknownOutcome)
type Writer struct {
	log     *Log
	account fleet.AccountID
	token   fleet.FencingToken
	claimed Cursor
	before  uint64 // the account's last sequence before the claim, 0 when it had none

	busy  atomic.Bool // one Append at a time; it guards the rest
	ended error
	// expected is the subject's last sequence as far as we know; prev the account's previous
	// one. They differ once the subject expired: then 0 is expected.
	expected, prev uint64
	appended       bool // something beyond the claim was stored
}

// Claim appends OwnerChanged{token} and returns the account's Writer. From then on the log
// refuses appends of every former Writer of the account. A subject that holds a higher token
// gives ErrFenced; claiming again with the same token is allowed and fences the former Writer.
func (l *Log) Claim(ctx context.Context, account fleet.AccountID, token fleet.FencingToken) (*Writer, error) {
	if err := account.Validate(); err != nil {
		return nil, fmt.Errorf("claim events: %w", err)
	}
	done, err := l.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	w := &Writer{log: l, account: account, token: token}
	if err := w.claim(ctx, KindOwnerChanged); err != nil {
		return nil, fmt.Errorf("claim events of %s: %w", account, err)
	}
	return w, nil
}

// Erase removes what the account has in the log, dead letters included, and makes every node that
// follows the log drop it from memory. A record of KindErased goes first and stays, so that the log
// refuses former owners as before. It may be repeated. The owner then gives the account another data
// key, and calls Log.Forget before anything else is appended.
func (w *Writer) Erase(ctx context.Context) error {
	if !w.busy.CompareAndSwap(false, true) {
		return fmt.Errorf("erase events of %s: %w", w.account, ErrBusy)
	}
	defer w.busy.Store(false)
	if w.ended != nil {
		return fmt.Errorf("erase events of %s: %w: %w", w.account, ErrWriterEnded, w.ended)
	}
	done, err := w.log.enter()
	if err != nil {
		return err
	}
	defer done()
	if err := w.claim(ctx, KindErased); err != nil {
		return fmt.Errorf("erase events of %s: %w", w.account, err)
	}
	return w.log.purge(ctx, w.account, jetstream.WithPurgeSequence(w.claimed.Seq))
}

// Claimed is the place of the OwnerChanged record: the end of Replay.
func (w *Writer) Claimed() Cursor { return w.claimed }

// Token is the fencing token of the Writer.
func (w *Writer) Token() fleet.FencingToken { return w.token }

// Append appends recs in order and returns the sequence of the last one. It waits for the
// store's acknowledgement of each (not for the sync to disk, see Log.Durable); a cancelled ctx
// takes effect between records. A failure is an *AppendError. Unless it wraps ErrLowSpace,
// ErrBusy, ErrTooLarge, ErrInvalid or ErrNoKey the Writer may have ended: then every later
// call returns ErrWriterEnded, and the owner claims and replays again.
func (w *Writer) Append(ctx context.Context, recs ...Record) (lastSeq uint64, err error) {
	if !w.busy.CompareAndSwap(false, true) {
		return 0, &AppendError{Err: ErrBusy}
	}
	defer w.busy.Store(false)
	if w.ended != nil {
		return 0, &AppendError{Err: fmt.Errorf("%w: %w", ErrWriterEnded, w.ended)}
	}
	done, err := w.log.enter()
	if err != nil {
		return 0, &AppendError{Err: err}
	}
	defer done()
	sealed, err := w.prepare(ctx, recs)
	if err != nil {
		return 0, &AppendError{Err: fmt.Errorf("%s: %w", w.account, err)}
	}
	lastSeq = w.prev
	for i, r := range recs {
		if err = ctx.Err(); err == nil {
			err = w.appendOne(ctx, r, sealed[i])
		}
		if err != nil {
			return lastSeq, &AppendError{Done: i, Last: lastSeq, Err: fmt.Errorf("%s: %w", w.account, err)}
		}
		lastSeq = w.prev
	}
	return lastSeq, nil
}

// prepare fills, seals and checks all records before the first is sent, so that these errors
// leave nothing half done.
func (w *Writer) prepare(ctx context.Context, recs []Record) ([][]byte, error) {
	if err := w.log.checkSpace(ctx); err != nil {
		return nil, err
	}
	sealed := make([][]byte, len(recs))
	for i := range recs {
		r := &recs[i]
		if r.Kind == KindOwnerChanged || r.Kind == KindErased || r.Kind == KindGap {
			return nil, fmt.Errorf("%w: record: kind %s is the log's own", ErrInvalid, r.Kind)
		}
		r.Token = w.token
		if r.Time.IsZero() {
			r.Time = w.log.cfg.Now()
		}
		var err error
		if sealed[i], err = w.log.keys.seal(ctx, w.account, r.Kind, r.ID, r.Payload); err != nil {
			return nil, err
		}
		if _, err := encodeRecord(*r, sealed[i]); err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

func (w *Writer) appendOne(ctx context.Context, r Record, sealed []byte) error {
	for range maxAttempts {
		r.Prev = w.prev
		body, err := encodeRecord(r, sealed)
		if err != nil {
			return err
		}
		t, err := w.try(ctx, body)
		if err != nil {
			return w.end(err)
		}
		if t.stored {
			w.appended = true
			return nil
		}
		if err := w.reconcile(ctx, t); err != nil {
			return w.end(err)
		}
		if err := ctx.Err(); err != nil {
			return w.end(fmt.Errorf("%w: %w", ErrUnknownOutcome, err))
		}
	}
	return w.end(fmt.Errorf("%w: gave up after %d attempts", ErrUnknownOutcome, maxAttempts))
}

// end keeps the error that ended the Writer. A refusal by the store ends nothing: the record is
// surely not in the log.
func (w *Writer) end(err error) error {
	var refused *stream.RefusedError
	if !errors.As(err, &refused) && !errors.Is(err, ErrLowSpace) && !errors.Is(err, ErrTooLarge) {
		w.ended = err
	}
	return err
}

// tried is what one try showed: the record is stored, or else what the subject ends with.
type tried struct {
	stored bool
	found  bool
	seq    uint64
	token  fleet.FencingToken
}

// try sends body once. When the store does not confirm it, the subject's last record decides.
// Cancelling ctx does not break off the exchange, which would leave the outcome unknown.
func (w *Writer) try(ctx context.Context, body []byte) (tried, error) {
	if check := w.log.cfg.TokenValid; check != nil {
		if err := check(w.account, w.token); err != nil {
			return tried{}, fmt.Errorf("%w: %w", ErrFenced, err)
		}
	}
	base := context.WithoutCancel(ctx)
	send, cancel := context.WithTimeout(base, w.log.cfg.AckTimeout)
	defer cancel()
	seq, err := w.log.store.Publish(send, w.account, body, w.expected)
	if errors.Is(err, stream.ErrFull) {
		return tried{}, fmt.Errorf("%w: %w", ErrLowSpace, err)
	}
	var refused *stream.RefusedError
	if errors.As(err, &refused) {
		return tried{}, err
	}
	if err != nil {
		if failed := w.log.failed(); failed != nil {
			return tried{}, fmt.Errorf("%w: %w; %w", ErrUnknownOutcome, err, failed)
		}
		read, cancel := context.WithTimeout(base, w.log.cfg.AckTimeout)
		defer cancel()
		last, found, readErr := w.log.store.Last(read, w.account)
		if readErr != nil {
			return tried{}, fmt.Errorf("%w: %w; %w", ErrUnknownOutcome, err, readErr)
		}
		if !found {
			return tried{}, nil
		}
		if !bytes.Equal(last.Data, body) {
			r, err := decodeRecord(w.account, last.Data)
			return tried{found: true, seq: last.Seq, token: r.Token}, err
		}
		seq = last.Seq // our own: only its acknowledgement was lost
	}
	w.expected, w.prev = seq, seq
	w.log.acked(seq)
	return tried{stored: true}, nil
}

// reconcile prepares the next try of an append after one that was not stored.
func (w *Writer) reconcile(ctx context.Context, t tried) error {
	switch {
	case t.found && t.token > w.token:
		return ErrFenced
	case t.found && t.seq == w.expected:
		return nil // nothing changed: the record did not arrive, or not yet
	case t.found && t.token == w.token && t.seq > w.expected:
		return fmt.Errorf("%w: claimed again with the same token", ErrFenced)
	case t.found && t.seq < w.expected && (w.appended || t.token == w.token):
		return ErrTailLost
	case t.found: // a lower token: late before the claim was stored, or the claim was cut off
		return w.claim(ctx, KindOwnerChanged)
	case w.expected == 0:
		return nil
	}
	st, err := w.log.store.State(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	if st.Last < w.expected {
		return ErrTailLost
	}
	w.expected = 0 // expired
	return nil
}

// claim appends a record of OwnerChanged, or of another kind with the same effect, after whatever
// the subject ends with, unless that is a higher token.
func (w *Writer) claim(ctx context.Context, kind string) error {
	if err := w.log.checkSpace(ctx); err != nil {
		return err
	}
	now, err := w.last(ctx)
	if err != nil {
		return err
	}
	for range maxAttempts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if now.found && now.token > w.token {
			return fmt.Errorf("%w: token %d, the log has %d", ErrFenced, w.token, now.token)
		}
		w.expected = now.seq
		if now.found {
			w.prev = now.seq
		}
		body, err := encodeRecord(Record{
			Kind: kind, ID: fmt.Sprintf("%d-%s", w.token, rand.Text()),
			Token: w.token, Time: w.log.cfg.Now(), Prev: w.prev,
		}, nil)
		if err != nil {
			return err
		}
		t, err := w.try(ctx, body)
		if err != nil {
			return err
		}
		if t.stored {
			w.before = now.seq
			w.claimed = Cursor{Epoch: w.log.epochs.Load().At(w.expected), Seq: w.expected}
			return nil
		}
		now = t
	}
	return fmt.Errorf("%w: gave up after %d attempts", ErrUnknownOutcome, maxAttempts)
}

// last reads what the subject ends with.
func (w *Writer) last(ctx context.Context) (tried, error) {
	ctx, cancel := context.WithTimeout(ctx, w.log.cfg.AckTimeout)
	defer cancel()
	raw, found, err := w.log.store.Last(ctx, w.account)
	if err != nil || !found {
		return tried{}, err
	}
	r, err := decodeRecord(w.account, raw.Data)
	return tried{found: true, seq: raw.Seq, token: r.Token}, err
}
