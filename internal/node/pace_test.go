package node

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/configs"
)

// TestDialsArePacedByNodeDCAndProxy: a storm of 100 dials takes as long as the slowest limit says, and
// limits of others do not matter.
func TestDialsArePacedByNodeDCAndProxy(t *testing.T) {
	limits := configs.Pace{DialsPerSecond: 50, DialsPerDCSecond: 20, DialsPerProxySecond: 10}
	for name, c := range map[string]struct {
		dc    func(i int) int
		proxy func(i int) string
		want  time.Duration // for what the burst of a second leaves
	}{
		"node":  {func(i int) int { return i }, func(i int) string { return strconv.Itoa(i) }, time.Second},
		"dc":    {func(int) int { return 2 }, func(int) string { return "" }, 4 * time.Second},
		"proxy": {func(i int) int { return i }, func(int) string { return "one" }, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wait := paced(limits)
				begun := time.Now()
				var wg sync.WaitGroup
				for i := range 100 {
					wg.Go(func() {
						if err := wait(context.Background(), c.dc(i), c.proxy(i)); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if took := time.Since(begun).Round(time.Second); took != c.want {
					t.Errorf("100 dials took %v, want %v", took, c.want)
				}
			})
		})
	}
}
