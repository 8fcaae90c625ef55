package actors

import (
	"runtime"
	"sync"
)

// tidy collects garbage while accounts come up. What an account needs only to connect lies between
// what it keeps. Collected soon, its place is taken by the next account; collected late, when the
// process has doubled, it leaves holes that an idle process never fills.
type tidy struct {
	mu      sync.Mutex
	up      int // accounts that have come up, however often
	last    int // up when garbage was last collected
	running bool
}

// A collection comes after 1/tidyShare more accounts have come up, and after tidyLeast at least, so that
// its cost for an account does not grow with the accounts.
const (
	tidyLeast = 16
	tidyShare = 48
)

// came notes that an account has come up; start runs a function and does not wait for it.
func (t *tidy) came(start func(func())) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.up++
	if t.running || t.up-t.last < max(tidyLeast, t.last/tidyShare) {
		return
	}
	t.running, t.last = true, t.up
	start(func() {
		runtime.GC()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.running = false
	})
}
