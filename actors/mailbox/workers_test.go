package mailbox

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestWorkersAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Workers
		for range 10 {
			w.Go(func() {})
			synctest.Wait()
		}
		if n := len(w.idle); n != 1 {
			t.Errorf("%d goroutines have run functions one after another, want 1", n)
		}
		w.Close() // the bubble fails if one is left
	})
}

func TestWorkersRunTogetherWhatIsGivenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = maxIdle + 10
		var w Workers
		var started, release sync.WaitGroup
		release.Add(1)
		started.Add(n)
		for range n {
			w.Go(func() {
				started.Done()
				release.Wait()
			})
		}
		started.Wait() // none waits for another
		release.Done()
		synctest.Wait()
		if got := len(w.idle); got != maxIdle {
			t.Errorf("%d idle goroutines are kept, want %d", got, maxIdle)
		}
		w.Close()
	})
}

func TestClosedWorkersStillRunAndKeepNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Workers
		w.Close()
		ran := false
		w.Go(func() { ran = true })
		synctest.Wait()
		if !ran || len(w.idle) != 0 {
			t.Errorf("ran %t, %d goroutines are kept", ran, len(w.idle))
		}
	})
}

// TestManyActorsTakeTurns has more mailboxes with messages than actors run at the same time.
func TestManyActorsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const extra = 5
		var w Workers
		var running, handled atomic.Int64
		release := make(chan struct{})
		for range maxScheduled + extra {
			r := &recorder{on: func(any) {
				running.Add(1)
				<-release
				running.Add(-1)
				handled.Add(1)
			}}
			m := New()
			m.RegisterHandlers(r, &w)
			m.PostUserMessage("go")
		}
		synctest.Wait()
		if n := running.Load(); n != maxScheduled {
			t.Errorf("%d actors run at the same time, want %d", n, maxScheduled)
		}
		ran := false
		w.Go(func() { ran = true })
		synctest.Wait()
		if !ran {
			t.Error("a function waits for actors")
		}
		close(release)
		synctest.Wait()
		if n := handled.Load(); n != maxScheduled+extra {
			t.Errorf("%d messages were handled, want %d", n, maxScheduled+extra)
		}
		if w.scheduled != 0 {
			t.Errorf("%d actors count as running when all are idle", w.scheduled)
		}
		w.Close()
	})
}
