package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/diskspace"
	"github.com/telefleet/orchestrator/internal/metrics"
)

// scrapeHeader bounds how long a client may take to ask.
const scrapeHeader = 5 * time.Second

// serveMetrics serves metrics and health where the configuration asks for them.
func (n *Node) serveMetrics(ctx context.Context, cfg configs.Config) error {
	if cfg.Metrics.Listen == "" {
		return nil
	}
	l, err := control.Listen(ctx, "metrics.listen", cfg.Metrics.Listen)
	if err != nil {
		return err
	}
	n.metricsURL = "http://" + l.Addr().String()
	server := &http.Server{Handler: metrics.Handler(n.sources(cfg)), ReadHeaderTimeout: scrapeHeader}
	context.AfterFunc(n.run, func() { _ = server.Close() }) // at once: a scrape can be repeated
	n.group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics: %w", err)
		}
		return nil
	})
	return nil
}

func (n *Node) sources(cfg configs.Config) metrics.Sources {
	return metrics.Sources{
		Tally: n.fleet.Tally(), Records: n.appended.Load, Sockets: n.fleet.Sockets, States: n.ownedStates,
		DiskFree: func() (uint64, error) { return diskspace.Free(cfg.DataDir) },
		LogFree: func(ctx context.Context) (uint64, bool, error) {
			free, err := n.events.Free(ctx)
			if errors.Is(err, eventlog.ErrUnlimited) {
				return 0, false, nil
			}
			return free, true, err
		},
		Lags: n.dispatch.Lags, Ready: n.joined,
	}
}

// stateTable is what the accounts of this node have said last of their states.
type stateTable struct {
	mu sync.Mutex
	of map[fleet.AccountID]fleet.State
}

func (t *stateTable) set(id fleet.AccountID, s fleet.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[fleet.AccountID]fleet.State{}
	}
	t.of[id] = s
}

func (t *stateTable) forget(id fleet.AccountID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, id)
}

// count counts those of which this node is the owner, by state.
func (t *stateTable) count(owned func(fleet.AccountID) bool) map[fleet.State]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[fleet.State]int{}
	for id, s := range t.of {
		if owned(id) {
			out[s]++
		}
	}
	return out
}

func (n *Node) ownedStates() map[fleet.State]int { return n.states.count(localFleet{n}.Local) }

// countedLog counts the records that are appended through it.
type countedLog struct {
	actors.EventLog
	records *atomic.Uint64
}

// Claim implements actors.EventLog.
func (l countedLog) Claim(ctx context.Context, id fleet.AccountID, token fleet.FencingToken) (actors.EventWriter, error) {
	w, err := l.EventLog.Claim(ctx, id, token)
	if err != nil {
		return nil, err
	}
	return countedWriter{w, l.records}, nil
}

type countedWriter struct {
	actors.EventWriter
	records *atomic.Uint64
}

// Append implements actors.EventWriter.
func (w countedWriter) Append(ctx context.Context, recs ...eventlog.Record) (uint64, error) {
	last, err := w.EventWriter.Append(ctx, recs...)
	if err == nil {
		w.records.Add(uint64(len(recs)))
		return last, nil
	}
	if part, ok := errors.AsType[*eventlog.AppendError](err); ok {
		w.records.Add(uint64(part.Done))
	}
	return last, err
}
