package eventlog

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/eventlog/stream"
)

// counted counts the questions for pages.
func counted(l *Log) *atomic.Int64 {
	n, ask := new(atomic.Int64), l.store.Ask
	l.store.Ask = func(subject, reply string, data []byte) error {
		n.Add(1)
		return ask(subject, reply, data)
	}
	return n
}

// What others did meanwhile costs an idle account nothing when its node starts.
func TestReplayOfAnIdleAccountReadsNothing(t *testing.T) {
	l := openLog(t, testConfig(t))
	checkpoint := mustAppend(t, claim(t, l, "idle", 1), "1")
	mustAppend(t, claim(t, l, "busy", 1), "2", "3", "4")
	n := counted(l)
	w := claim(t, l, "idle", 2)
	diff(t, []string{}, collect(t, -1, w.Replay(testCtx(t), Cursor{1, checkpoint})))
	if n.Load() != 0 {
		t.Errorf("%d pages were asked for", n.Load())
	}
	diff(t, []string{"idle/1"}, collect(t, -1, w.Replay(testCtx(t), Cursor{1, checkpoint - 1})))
}

// When a node starts, all its accounts replay: a few at a time.
func TestReplaysTakeTurns(t *testing.T) {
	l := openLog(t, testConfig(t))
	first := claim(t, l, "a", 1)
	mustAppend(t, first, "1")
	w := claim(t, l, "a", 2)
	n := counted(l)
	for range cap(l.replaying) {
		l.replaying <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range w.Replay(ctx, Cursor{}) {
		wantErr(t, err, context.Canceled)
	}
	if n.Load() != 0 {
		t.Errorf("%d pages were asked for out of turn", n.Load())
	}
	<-l.replaying
	diff(t, []string{"a/owner:1", "a/1"}, collect(t, -1, w.Replay(testCtx(t), Cursor{})))
	if got := len(l.replaying); got != cap(l.replaying)-1 {
		t.Errorf("%d turns are taken", got)
	}
}

// A store that is busy is asked again; one that stays silent is an error.
func TestReplayAsksASilentStoreAgain(t *testing.T) {
	for _, silent := range []int64{silentTries, silentTries + 1} {
		t.Run(fmt.Sprint(silent), func(t *testing.T) {
			l := openLog(t, testConfig(t))
			mustAppend(t, claim(t, l, "a", 1), "1", "2")
			w := claim(t, l, "a", 2)
			ask, left := l.store.Ask, atomic.Int64{}
			left.Store(silent)
			l.store.Patience = 10 * time.Millisecond
			l.store.Ask = func(subject, reply string, data []byte) error {
				if left.Add(-1) >= 0 {
					return nil
				}
				l.store.Patience = time.Minute
				return ask(subject, reply, data)
			}
			if silent <= silentTries {
				diff(t, []string{"a/owner:1", "a/1", "a/2"}, collect(t, -1, w.Replay(testCtx(t), Cursor{})))
				return
			}
			for _, err := range w.Replay(testCtx(t), Cursor{}) {
				wantErr(t, err, stream.ErrSilent)
			}
		})
	}
}
