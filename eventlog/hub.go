package eventlog

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// Limits of the hub.
const (
	// ringRecords and ringBytes bound the tail kept in memory for all followers; who lags
	// further behind reads from the store.
	ringRecords = 4096
	ringBytes   = 8 << 20
	// liveRecords bounds the live events kept for one follower; the oldest is dropped.
	liveRecords = 256
	// tailExpiry is how long one pull of the tail waits; heartbeats come five times as often.
	tailExpiry = 10 * time.Second
	// tailRetry paces the repeats after the tail broke.
	tailRetry = 200 * time.Millisecond
)

// hub tails the stream once for all followers: one JetStream consumer and one goroutine a
// process, started by the first follower and ended by Close. Followers pull; the hub only keeps
// the newest records and tells that there are more.
type hub struct {
	log *Log

	mu      sync.Mutex
	started bool
	done    sync.WaitGroup
	again   context.CancelFunc // ends the current consumer; the tail then starts over
	// ring holds every record kept whose sequence is in (low, high]. With synced false the
	// tail has not begun and nothing is known.
	synced    bool
	low, high uint64
	ring      []stream.Raw
	bytes     int
	changed   chan struct{} // closed and replaced at each change

	live    map[*liveQueue]struct{}
	liveSub *nats.Subscription
}

func newHub(l *Log) *hub {
	return &hub{log: l, changed: make(chan struct{}), live: make(map[*liveQueue]struct{})}
}

// follow makes sure that the tail runs.
func (h *hub) follow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.started && h.log.closing.Err() == nil {
		h.started = true
		h.done.Go(h.tail)
	}
}

// stop waits for the tail; Log.closing was cancelled before.
func (h *hub) stop() {
	h.mu.Lock()
	if h.liveSub != nil {
		_ = h.liveSub.Unsubscribe()
		h.liveSub = nil
	}
	h.mu.Unlock()
	h.done.Wait()
}

// restart drops what is kept after a change of epoch: sequences may be used again.
func (h *hub) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.synced, h.ring, h.bytes = false, nil, 0
	if h.again != nil {
		h.again()
	}
	h.wake()
}

// forget removes an account's records from the ring.
func (h *hub) forget(account fleet.AccountID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.ring[:0:0]
	h.bytes = 0
	for _, r := range h.ring {
		if r.Account != account {
			kept = append(kept, r)
			h.bytes += len(r.Data)
		}
	}
	h.ring = kept
}

func (h *hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *hub) tail() {
	for h.log.closing.Err() == nil {
		ctx, cancel := context.WithCancel(h.log.closing)
		h.mu.Lock()
		h.again = cancel
		h.mu.Unlock()
		err := h.tailOnce(ctx)
		restarted := ctx.Err() != nil
		cancel()
		if !restarted {
			h.log.cfg.Logger.Warn("event log: the tail broke and starts over", "error", err)
			stream.Sleep(h.log.closing, tailRetry)
		}
	}
}

func (h *hub) tailOnce(ctx context.Context) error {
	st, err := h.log.store.State(ctx)
	if err != nil {
		return err
	}
	cons, err := h.log.store.Stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: st.Last + 1,
	})
	if err != nil {
		return err
	}
	it, err := cons.Messages(jetstream.PullExpiry(tailExpiry), jetstream.PullHeartbeat(tailExpiry/5))
	if err != nil {
		return err
	}
	defer it.Stop()
	h.mu.Lock()
	if ctx.Err() == nil {
		h.synced, h.low, h.high, h.ring, h.bytes = true, st.Last, st.Last, nil, 0
		h.wake()
	}
	h.mu.Unlock()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		r := stream.Raw{Seq: meta.Sequence.Stream, Account: h.log.store.Account(m.Subject()), Stored: meta.Timestamp, Data: m.Data()}
		if !h.add(ctx, r) {
			return nil
		}
	}
}

// add appends to the ring unless the tail was told to start over.
func (h *hub) add(ctx context.Context, r stream.Raw) bool {
	if tellsOfErasure(r.Account, r.Data) { // by this node or another
		h.log.keys.drop(r.Account)
		h.forget(r.Account)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	if r.Seq <= h.high {
		return true
	}
	h.ring = append(h.ring, r)
	h.high = r.Seq
	h.bytes += len(r.Data)
	n := 0
	for len(h.ring)-n > ringRecords || h.bytes > ringBytes && len(h.ring)-n > 1 {
		h.bytes -= len(h.ring[n].Data)
		h.low = h.ring[n].Seq
		h.ring[n] = stream.Raw{}
		n++
	}
	h.ring = h.ring[n:]
	h.wake()
	return true
}

// after gives what the ring holds beyond pos. ok is false when the ring does not reach back
// so far; low is then where it begins (0: unknown). changed is closed at the next change.
func (h *hub) after(pos uint64) (rs []stream.Raw, low uint64, ok bool, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.synced {
		return nil, 0, false, h.changed
	}
	if pos < h.low {
		return nil, h.low, false, h.changed
	}
	i := len(h.ring)
	for i > 0 && h.ring[i-1].Seq > pos {
		i--
	}
	rs = h.ring[i:]
	return append([]stream.Raw(nil), rs[:min(len(rs), stream.PageRecords)]...), h.low, true, h.changed
}

// liveQueue is one follower's live events.
type liveQueue struct {
	mu   sync.Mutex
	buf  []stream.Raw
	more chan struct{} // one token
}

func (q *liveQueue) put(r stream.Raw) {
	q.mu.Lock()
	if len(q.buf) >= liveRecords {
		q.buf = q.buf[1:]
	}
	q.buf = append(q.buf, r)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *liveQueue) take() []stream.Raw {
	q.mu.Lock()
	defer q.mu.Unlock()
	rs := q.buf
	q.buf = nil
	return rs
}

const livePrefix = "live."

// joinLive registers a queue; the first one subscribes.
func (h *hub) joinLive() (*liveQueue, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := &liveQueue{more: make(chan struct{}, 1)}
	if h.liveSub == nil {
		sub, err := h.log.nc.Subscribe(livePrefix+h.log.store.Prefix+"*", h.onLive)
		if err != nil {
			return nil, err
		}
		// So that what is published after the call is seen, also through a server far away.
		if err := h.log.nc.FlushTimeout(h.log.cfg.AckTimeout); err != nil {
			_ = sub.Unsubscribe() // else the next one would believe in it
			return nil, err
		}
		h.liveSub = sub
	}
	h.live[q] = struct{}{}
	return q, nil
}

func (h *hub) leaveLive(q *liveQueue) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.live, q)
	if len(h.live) == 0 && h.liveSub != nil {
		_ = h.liveSub.Unsubscribe()
		h.liveSub = nil
	}
}

func (h *hub) onLive(m *nats.Msg) {
	account := h.log.store.Account(m.Subject[len(livePrefix):])
	h.mu.Lock()
	defer h.mu.Unlock()
	for q := range h.live {
		q.put(stream.Raw{Account: account, Data: m.Data})
	}
}
