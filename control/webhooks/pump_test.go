package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// queue is a Source over events of several accounts, each in order.
type queue struct {
	mu      sync.Mutex
	lanes   map[string][]*v1.Delivery
	due     map[string]time.Time // of the first of a lane; far away while it is out
	changed chan struct{}
	held    int // that are out
	most    int
}

func newQueue(accounts, each int) *queue {
	q := &queue{lanes: map[string][]*v1.Delivery{}, due: map[string]time.Time{}, changed: make(chan struct{})}
	for a := range accounts {
		account := fmt.Sprint("a", a)
		for i := range each {
			id := fmt.Sprint(account, "/", i)
			q.lanes[account] = append(q.lanes[account], &v1.Delivery{AckId: id, Event: &v1.Event{Account: account, Id: id, Kind: "message_new", Cursor: fmt.Sprint("1-", i)}})
		}
	}
	return q
}

func (q *queue) Fetch(ctx context.Context, limit int) ([]*v1.Delivery, error) {
	for {
		q.mu.Lock()
		var out []*v1.Delivery
		next := time.Now().Add(time.Hour)
		accounts := make([]string, 0, len(q.lanes))
		for a := range q.lanes {
			accounts = append(accounts, a)
		}
		slices.Sort(accounts)
		for _, a := range accounts {
			lane := q.lanes[a]
			switch due := q.due[a]; {
			case len(lane) == 0 || len(out) == limit:
			case due.After(time.Now()):
				if due.Before(next) {
					next = due
				}
			default:
				lane[0].Attempt++
				q.due[a] = time.Now().Add(time.Hour)
				out = append(out, lane[0])
			}
		}
		q.held += len(out)
		q.most = max(q.most, q.held)
		changed := q.changed
		q.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		t := time.NewTimer(time.Until(next))
		select {
		case <-t.C:
		case <-changed:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
		t.Stop()
	}
}

func (q *queue) settle(ackID string, drop bool, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	account, _, _ := strings.Cut(ackID, "/")
	if q.lanes[account][0].AckId != ackID {
		panic("out of order: " + ackID)
	}
	if drop {
		q.lanes[account] = q.lanes[account][1:]
	}
	q.due[account] = due
	q.held--
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *queue) Ack(_ context.Context, ackID string) error {
	q.settle(ackID, true, time.Time{})
	return nil
}

func (q *queue) Nak(_ context.Context, ackID string, delay time.Duration) error {
	q.settle(ackID, false, time.Now().Add(delay))
	return nil
}

func (q *queue) mostHeld() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.most
}

func (q *queue) left() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		n += len(l)
	}
	return n
}

// endpoint is a receiver in fake time: it takes a moment and answers as it is told.
type endpoint struct {
	mu     sync.Mutex
	answer func(event string) Answer
	got    []string // bodies' event ids, in order of arrival
	at     []time.Time
	took   time.Duration // until the answer; 0 = 20 ms
	now    int
	most   int
}

func (e *endpoint) Do(ctx context.Context, p Post) Answer {
	_, rest, _ := strings.Cut(string(p.Body), `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	e.mu.Lock()
	e.got, e.at = append(e.got, id), append(e.at, time.Now())
	e.now++
	e.most = max(e.most, e.now)
	answer := e.answer
	e.mu.Unlock()
	defer func() { e.mu.Lock(); e.now--; e.mu.Unlock() }()
	select {
	case <-time.After(cmp.Or(e.took, 20*time.Millisecond)):
	case <-ctx.Done():
		return Answer{Err: ctx.Err()}
	}
	return answer(id)
}

func (e *endpoint) set(answer func(string) Answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *endpoint) posts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.got)
}

func answering(status int) func(string) Answer {
	return func(string) Answer { return answerOf(status, 0) }
}

func answerOf(status int, wait time.Duration) Answer {
	a := Answer{Status: status, RetryAfter: wait, Took: 20 * time.Millisecond}
	if status != http.StatusOK {
		a.Err = fmt.Errorf("answered %d", status)
	}
	return a
}

// pumping is a Pump that runs in a bubble.
type pumping struct {
	*Pump
	q        *queue
	e        *endpoint
	mu       sync.Mutex
	attempts []*v1.DeliveryAttempt
	cancel   context.CancelFunc
	ended    chan error
	disabled string
}

func start(t *testing.T, q *queue, e *endpoint, check func() error) *pumping {
	p := &pumping{q: q, e: e, ended: make(chan error, 1)}
	if check == nil {
		check = func() error { return nil }
	}
	p.Pump = &Pump{
		Hook: Hook{URL: "https://example.com/", Concurrency: 4}, Source: q, Sender: e, Check: check,
		Record: func(a *v1.DeliveryAttempt) { p.mu.Lock(); defer p.mu.Unlock(); p.attempts = append(p.attempts, a) },
		Rand:   rand.New(rand.NewPCG(1, 2)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.cancel = cancel
	go func() {
		reason, err := p.Run(ctx)
		p.disabled = reason
		p.ended <- err
	}()
	return p
}

func (p *pumping) end(t *testing.T) {
	t.Helper()
	p.cancel()
	if err := <-p.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestEventsArePostedInOrderAndAtOnceForSeveralAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newQueue(10, 5), &endpoint{answer: answering(http.StatusOK)}, nil)
		time.Sleep(time.Second)
		p.end(t)
		next := map[string]int{}
		for _, id := range p.e.got {
			account, _, _ := strings.Cut(id, "/")
			if want := fmt.Sprint(account, "/", next[account]); id != want {
				t.Fatalf("%s came, want %s", id, want)
			}
			next[account]++
		}
		if len(p.e.got) != 50 || p.q.left() != 0 || p.e.most != 4 || p.q.mostHeld() > 4 {
			t.Errorf("%d posts, %d left, %d at a time, %d held", len(p.e.got), p.q.left(), p.e.most, p.q.mostHeld())
		}
	})
}

// An hour of 500s: few posts, then everything is delivered, in order and soon.
func TestReceiverThatIsDownIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newQueue(100, 2), &endpoint{answer: answering(http.StatusInternalServerError)}, nil)
		time.Sleep(10 * time.Minute)
		down := p.e.posts()
		if down < 30 || down > 400 || p.q.mostHeld() > 4 {
			t.Errorf("%d posts in 10 minutes of 200 events, %d held at a time", down, p.q.mostHeld())
		}
		p.e.set(answering(http.StatusOK))
		time.Sleep(11 * time.Minute) // each wait is at most 5 minutes, twice
		if p.q.left() != 0 {
			t.Errorf("%d events are left", p.q.left())
		}
		p.end(t)
		if len(p.attempts) != p.e.posts() || p.attempts[0].GetError() != "answered 500" || p.attempts[0].GetStatus() != 500 {
			t.Errorf("%d attempts recorded of %d, first %v", len(p.attempts), p.e.posts(), p.attempts[0])
		}
	})
}

func TestOneAccountsFailureDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(event string) Answer {
			if strings.HasPrefix(event, "a0/") {
				return answerOf(http.StatusBadRequest, 0)
			}
			return answerOf(http.StatusOK, 0)
		}}
		p := start(t, newQueue(3, 100), e, nil)
		time.Sleep(20*time.Millisecond*100 + time.Second)
		if p.q.left() != 100 {
			t.Errorf("%d events are left, want those of one account", p.q.left())
		}
		p.end(t)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			e := &endpoint{answer: func(string) Answer { return answerOf(status, 10*time.Minute) }}
			p := start(t, newQueue(20, 1), e, nil)
			time.Sleep(10 * time.Minute)
			if n := e.posts(); n > 4 {
				t.Errorf("%d posts although the first answer asked for a pause", n)
			}
			e.set(answering(http.StatusOK))
			time.Sleep(time.Minute)
			if p.q.left() != 0 {
				t.Errorf("%d events are left", p.q.left())
			}
			p.end(t)
			for _, at := range e.at[min(4, len(e.at)):] {
				if at.Sub(e.at[0]) < 10*time.Minute {
					t.Errorf("a post after %s", at.Sub(e.at[0]))
				}
			}
		})
	}
}

func TestAnswer410Disables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newQueue(2, 3), &endpoint{answer: answering(http.StatusGone)}, nil)
		if err := <-p.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if p.disabled != "answered 410: the receiver is gone" || p.q.left() != 6 {
			t.Errorf("disabled %q, %d left", p.disabled, p.q.left())
		}
	})
}

// A pump that is told to end lets the posts that run arrive, so that the next node does not repeat
// them; one that hangs is cut off.
func TestPostsThatRunMayEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newQueue(3, 1), &endpoint{answer: answering(http.StatusOK)}, nil)
		synctest.Wait() // three posts run
		p.end(t)
		if p.q.left() != 0 || len(p.attempts) != 3 {
			t.Errorf("%d events are left, %d attempts recorded", p.q.left(), len(p.attempts))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := start(t, newQueue(1, 1), &endpoint{took: time.Hour}, nil)
		synctest.Wait()
		began := time.Now()
		p.end(t)
		if took := time.Since(began); took > grace || p.q.left() != 1 {
			t.Errorf("ended after %s, %d events are left", took, p.q.left())
		}
	})
}

// A node that lost the right to work on the webhook posts nothing more.
func TestNodeThatMayNotActPostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("lease is over")
		p := start(t, newQueue(2, 3), &endpoint{answer: answering(http.StatusOK)}, func() error { return lost })
		if err := <-p.ended; !errors.Is(err, lost) {
			t.Errorf("ended with %v", err)
		}
		if p.e.posts() != 0 {
			t.Errorf("%d posts", p.e.posts())
		}
	})
}

func TestMessageOfARepeatedEventHasTheSameID(t *testing.T) {
	first := &v1.Event{Account: "a", Id: "x", Cursor: "1-1", Kind: "message_new", Payload: &v1.Event_MessageNew{MessageNew: &v1.Message{Id: 7}}}
	again := &v1.Event{Account: "a", Id: "x", Cursor: "1-9", Kind: "message_new"}
	other := &v1.Event{Account: "b", Id: "x", Cursor: "1-1"}
	id1, body, err := Message(first)
	if err != nil {
		t.Fatal(err)
	}
	id2, _, _ := Message(again)
	id3, _, _ := Message(other)
	if id1 != id2 || id1 == id3 || !strings.HasPrefix(id1, "evt_") {
		t.Errorf("ids %s, %s, %s", id1, id2, id3)
	}
	if want := `{"type":"message_new","data":{"cursor":"1-1","account":"a","kind":"message_new","id":"x","message_new":{"id":7}}}`; string(body) != want {
		t.Errorf("got %s", body)
	}
}
