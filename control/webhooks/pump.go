package webhooks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/internal/backoff"
)

// Waits after posts that failed.
var (
	// again is before the same event is posted again; attempt 10 and later wait up to 5 minutes.
	again = backoff.Policy{Base: time.Second, Max: 5 * time.Minute, Factor: 2}
	// calm is before anything is posted again, when events of several accounts failed in a row.
	calm = backoff.Policy{Base: time.Second, Max: 30 * time.Second, Factor: 2}
)

// grace is how long posts that run may take when the pump is to end: a node that hands over should
// not leave events of which nobody knows whether they arrived.
const grace = 2 * time.Second

// DefaultConcurrency is how many posts of a webhook run at a time.
const DefaultConcurrency = 8

// Source hands out deliveries: of each account one at a time.
type Source interface {
	// Fetch waits for deliveries and takes at most limit.
	Fetch(ctx context.Context, limit int) ([]*v1.Delivery, error)
	// Ack settles one; Nak has it come again after a delay. One that is not out is no error.
	Ack(ctx context.Context, ackID string) error
	Nak(ctx context.Context, ackID string, delay time.Duration) error
}

// Sender makes one post; Poster is one.
type Sender interface {
	Do(ctx context.Context, post Post) Answer
}

// Hook is what a webhook is set to.
type Hook struct {
	URL         string
	Keys        []Key
	Timeout     time.Duration // 0 = DefaultTimeout
	Concurrency int           // 0 = DefaultConcurrency
}

// Pump posts what its source hands out until it is told to end. All fields are needed.
type Pump struct {
	Hook   Hook
	Source Source
	Sender Sender
	// Check fails once this process may no longer post; it is asked before each post.
	Check func() error
	// Record is told of each attempt, in any order.
	Record func(*v1.DeliveryAttempt)
	// Rand draws the waits.
	Rand backoff.Rand
}

// errGone ends a pump whose receiver wants nothing more.
var errGone = errors.New("answered 410: the receiver is gone")

// Run posts until ctx ends, Check or Source fails, or the receiver answers 410: then it returns
// why it is to be disabled. A failed post is repeated after a growing wait with jitter, or after
// the time that the receiver asked for; the account's next events wait for it.
func (p *Pump) Run(ctx context.Context) (disabled string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	posting, cut := context.WithCancel(context.WithoutCancel(ctx))
	r := &run{Pump: p, posting: posting, cancel: cancel, failing: map[string]bool{}}
	if r.Hook.Concurrency <= 0 {
		r.Hook.Concurrency = DefaultConcurrency
	}
	r.slots = make(chan struct{}, r.Hook.Concurrency)
	err = r.loop(ctx)
	if p.Check() != nil { // whoever takes over posts the same
		cut()
	}
	late := time.AfterFunc(grace, cut)
	r.posts.Wait()
	late.Stop()
	cut()
	if cause := context.Cause(ctx); errors.Is(cause, errGone) {
		cancel(nil)
		return errGone.Error(), nil
	} else if cause != nil {
		err = cause
	}
	cancel(nil)
	return "", err
}

// run is one Run.
type run struct {
	*Pump
	posting context.Context // of posts that run
	cancel  context.CancelCauseFunc
	slots   chan struct{}
	posts   sync.WaitGroup

	mu      sync.Mutex
	failing map[string]bool // accounts whose posts failed since the last success
	rounds  int             // of failures in a row
	until   time.Time       // nothing is posted before
	stop    func()          // ends the Fetch that waits
}

func (r *run) loop(ctx context.Context) error {
	for {
		select { // wait for a free slot
		case r.slots <- struct{}{}:
			<-r.slots
		case <-ctx.Done():
			return ctx.Err()
		}
		list, err := r.fetch(ctx, cap(r.slots)-len(r.slots))
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := r.Check(); err != nil {
				return err
			}
			r.slots <- struct{}{} // there is one: only this loop takes them
			r.posts.Go(func() {
				defer func() { <-r.slots }()
				if err := r.deliver(r.posting, d); err != nil {
					r.cancel(err)
				}
			})
		}
	}
}

// fetch takes deliveries when posts may be made. What stops the posts ends it without any.
func (r *run) fetch(ctx context.Context, limit int) ([]*v1.Delivery, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	r.mu.Lock()
	wait := time.Until(r.until)
	r.stop = stop
	r.mu.Unlock()
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-waiting.Done():
		}
		return nil, ctx.Err()
	}
	list, err := r.Source.Fetch(waiting, limit)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return nil, nil
	}
	return list, err
}

// deliver posts one event and settles it by the answer; an error ends the pump.
func (r *run) deliver(ctx context.Context, d *v1.Delivery) error {
	id, body, err := Message(d.GetEvent())
	if err != nil {
		return err
	}
	began := time.Now()
	a := r.Sender.Do(ctx, Post{URL: r.Hook.URL, ID: id, Body: body, Keys: r.Hook.Keys, Timeout: r.Hook.Timeout})
	if a.Err != nil && ctx.Err() != nil {
		return nil // cut off: it comes again
	}
	r.Record(Attempt(d.GetEvent(), id, int(d.GetAttempt()), began, a))
	if a.Err == nil {
		r.worked()
		return r.Source.Ack(ctx, d.GetAckId())
	}
	if a.Status == http.StatusGone {
		return errGone
	}
	return r.Source.Nak(ctx, d.GetAckId(), r.failed(d, a))
}

func (r *run) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.failing)
	r.rounds, r.until = 0, time.Time{}
	r.stop() // a wait, too
}

// failed says when to post an event again. It slows all posts down when it is not one account's
// event that fails, and stops them for as long as a receiver asks that is overloaded.
func (r *run) failed(d *v1.Delivery, a Answer) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing[d.GetEvent().GetAccount()] = true
	now, was := time.Now(), r.until
	if len(r.failing) > 1 && !now.Before(r.until) {
		r.until = now.Add(calm.Next(r.rounds, r.Rand))
		r.rounds++
	}
	overloaded := a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable
	if at := now.Add(a.RetryAfter); overloaded && at.After(r.until) {
		r.until = at
	}
	if r.until != was {
		r.stop()
	}
	return max(again.Next(int(d.GetAttempt())-1, r.Rand), a.RetryAfter)
}

// Message is the id and the body of an event's post. Repetitions of an event have the same id.
func Message(e *v1.Event) (id string, body []byte, err error) {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(e)
	if err != nil {
		return "", nil, fmt.Errorf("encode event: %w", err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil { // protojson's own spacing is random
		return "", nil, fmt.Errorf("encode event: %w", err)
	}
	at := ""
	if e.GetTime() != nil {
		at = e.GetTime().AsTime().UTC().Format(time.RFC3339Nano)
	}
	body, err = json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp string          `json:"timestamp,omitempty"`
		Data      json.RawMessage `json:"data"`
	}{e.GetKind(), at, b.Bytes()})
	if err != nil {
		return "", nil, fmt.Errorf("encode event: %w", err)
	}
	key := e.GetAccount() + "\x00" + e.GetId()
	if e.GetId() == "" {
		key = "\x00" + e.GetCursor()
	}
	sum := sha256.Sum256([]byte(key))
	return "evt_" + hex.EncodeToString(sum[:16]), body, nil
}

// Attempt is what is recorded of a post.
func Attempt(e *v1.Event, id string, attempt int, began time.Time, a Answer) *v1.DeliveryAttempt {
	out := &v1.DeliveryAttempt{
		Time: timestamppb.New(began), WebhookId: id, Account: e.GetAccount(), Kind: e.GetKind(), Cursor: e.GetCursor(),
		Attempt: int32(attempt), Status: int32(a.Status), Took: durationpb.New(a.Took),
	}
	if a.Err != nil {
		out.Error = a.Err.Error()
	}
	return out
}
