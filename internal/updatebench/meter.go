package updatebench

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/updatelog"
)

// meter notes when messages arrive somewhere.
type meter struct {
	mu      sync.Mutex
	took    []time.Duration
	changed chan struct{} // closed and replaced by every arrival
}

func newMeter() *meter { return &meter{changed: make(chan struct{})} }

// arrived notes messages that were sent then and are here now.
func (m *meter) arrived(sent []time.Time) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, at := range sent {
		m.took = append(m.took, now.Sub(at))
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *meter) count() (int, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.took), m.changed
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took = nil
}

func (m *meter) latency() Latency {
	m.mu.Lock()
	defer m.mu.Unlock()
	return latencyOf(m.took)
}

// await waits until n messages have arrived.
func (m *meter) await(ctx context.Context, n int) error {
	limit := time.NewTimer(stall)
	defer limit.Stop()
	for {
		have, changed := m.count()
		if have >= n {
			return nil
		}
		select {
		case <-changed:
			limit.Reset(stall)
		case <-limit.C:
			return fmt.Errorf("%d of %d messages came, and no more in %s", have, n, stall)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow lets the simulator send n messages and waits until all have arrived; without a rate never
// more than the window are on their way.
func (m *meter) follow(ctx context.Context, sim *simulatorProcess, n, rate int) error {
	before, _ := m.count()
	if rate > 0 {
		if err := sim.say(n, rate); err != nil {
			return err
		}
		return m.await(ctx, before+n)
	}
	for said := 0; said < n; {
		if err := m.await(ctx, before+said-window); err != nil {
			return err
		}
		more := min(chunk, n-said)
		if err := sim.say(more, 0); err != nil {
			return err
		}
		said += more
	}
	return m.await(ctx, before+n)
}

// wrap notes the messages whose append a log has acknowledged.
func (m *meter) wrap(log updatelog.Log) updatelog.Log { return meteredLog{log, m} }

type meteredLog struct {
	updatelog.Log
	meter *meter
}

func (l meteredLog) Claim(ctx context.Context, id fleet.AccountID, token fleet.FencingToken) (updatelog.Writer, error) {
	w, err := l.Log.Claim(ctx, id, token)
	return meteredWriter{w, l.meter}, err
}

type meteredWriter struct {
	updatelog.Writer
	meter *meter
}

func (w meteredWriter) Append(ctx context.Context, recs ...eventlog.Record) (uint64, error) {
	var sent []time.Time
	for i := range recs { // before they are sealed
		if at, ok := stamped(recs[i].Payload); ok {
			sent = append(sent, at)
		}
	}
	seq, err := w.Writer.Append(ctx, recs...)
	if err == nil && len(sent) > 0 {
		w.meter.arrived(sent)
	}
	return seq, err
}

// subscribe notes the messages that the API hands out, until ctx ends.
func (m *meter) subscribe(ctx context.Context, url string, ready chan<- struct{}) error {
	events := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url)
	stream, err := events.Subscribe(ctx, &v1.SubscribeRequest{Kinds: []string{"message_new"}})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer stream.Close()
	for stream.Receive() {
		if stream.Msg().GetStarted() != nil {
			close(ready)
			continue
		}
		if at, ok := stamped([]byte(stream.Msg().GetEvent().GetMessageNew().GetText())); ok {
			m.arrived([]time.Time{at})
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("subscribe: the stream ended: %w", stream.Err())
}
