package mailbox

import (
	"sync"
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
