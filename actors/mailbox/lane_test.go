package mailbox

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestLaneRunsAFewAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const width, all = 3, 10
		var w Workers
		defer w.Close()
		l := NewLane(&w, width)
		var mu sync.Mutex
		var began []int
		running := make(chan struct{})
		for i := range all {
			l.Go(func() {
				mu.Lock()
				began = append(began, i)
				mu.Unlock()
				<-running
			})
			synctest.Wait()
		}
		for done := 0; done <= all-width; done++ {
			synctest.Wait()
			if len(began) != width+done {
				t.Fatalf("%d have begun after %d have ended, want %d", len(began), done, width+done)
			}
			running <- struct{}{}
		}
		close(running)
		synctest.Wait()
		if !slices.IsSorted(began) || len(began) != all {
			t.Errorf("began in the order %v", began)
		}
	})
}

func TestLaneGoesOnAfterItWasEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Workers
		defer w.Close()
		l := NewLane(&w, 1)
		ran := 0
		for range 3 {
			l.Go(func() { ran++ })
			l.Go(func() { ran++ })
			synctest.Wait()
		}
		if ran != 6 {
			t.Errorf("%d functions have run, want 6", ran)
		}
	})
}
