package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/eventlog/stream"
)

// mendEvery paces the attempts to open a failed store anew.
const mendEvery = time.Second

// mending is an embedded store that has failed: a write found the disk full, because others filled it
// faster than the guard looks. The server gives the store up then and does not come back to it by itself.
type mending struct {
	mu    sync.Mutex
	cause error // nil while all is well
	tried time.Time
}

// failed asks an embedded store whether it has failed, and remembers it.
func (l *Log) failed() error {
	if l.server == nil {
		return nil
	}
	l.mending.mu.Lock()
	defer l.mending.mu.Unlock()
	if l.mending.cause == nil {
		if l.mending.cause = l.server.Failed(); l.mending.cause != nil {
			l.cfg.Logger.Error("event log: the store has failed; it is opened anew when there is space", "error", l.mending.cause)
		}
	}
	return l.mending.cause
}

// mend opens a failed store anew, at most every mendEvery, and in a new epoch: what was under way when it
// failed may be there or not, and its sequences may be used again. Its error wraps ErrLowSpace.
func (l *Log) mend(ctx context.Context) error {
	m := &l.mending
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cause == nil {
		return nil
	}
	if now := time.Now(); now.Sub(m.tried) >= mendEvery {
		m.tried = now
		err := l.server.Reopen()
		if err == nil {
			err = l.reopened(ctx)
		}
		if err == nil {
			l.cfg.Logger.Warn("event log: the store was opened anew", "failed", m.cause)
		}
		m.cause = err
	}
	if m.cause != nil {
		return fmt.Errorf("%w: the store has failed: %w", ErrLowSpace, m.cause)
	}
	return nil
}

// reopened begins a new epoch behind what the store has kept.
func (l *Log) reopened(ctx context.Context) error {
	now, err := l.store.State(ctx)
	if err == nil {
		err = stream.SyncBlocks(l.storeDir())
	}
	if err != nil {
		return err
	}
	if known := l.synced.Known(); known > now.Last {
		l.cfg.Logger.Warn("event log: the tail was lost", "last", now.Last, "known", known)
	}
	next := l.epochs.Load().With(l.epochs.Load().Current()+1, now.Last)
	if err := stream.WriteFile(l.cfg.Dir, stream.EpochsFile, stream.Epochs{Epochs: next}); err != nil {
		return fmt.Errorf("event log: %w", err)
	}
	l.synced.Reset(now.Last, now.Last, l.cfg.Now())
	l.epochs.Store(&next)
	l.hub.restart()
	return l.writeWitness()
}
