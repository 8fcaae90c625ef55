// Package diskspace says when a node's disk is nearly full, before any store sees a full one.
//
// # Usage
//
//	guard := diskspace.New(512 << 20)
//	guard.Watch(ctx, time.Second, func(ctx context.Context) (uint64, error) { return diskspace.Free(dir) }, tell)
//
// The guard is low as soon as less than its limit and a margin is free, and even again only when there
// is twice the margin: what is written between the two must not make it flutter. Within the margin the
// stores still take what is under way.
//
// # Concurrency
//
// A Guard belongs to one goroutine; Free may be called by any.
//
// # Errors
//
// Space that cannot be asked for counts as none, with the error as the cause.
package diskspace

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// maxMargin bounds the margin, which is an eighth of the limit: at 5,000 events a second it lasts for ten
// seconds.
const maxMargin = 64 << 20

// Free is what an ordinary user may still write at dir, in bytes.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// Guard judges free space, with hysteresis.
type Guard struct {
	limit, margin uint64
	low           bool
}

// New makes a guard that keeps limit bytes free. It is not low.
func New(limit uint64) *Guard { return &Guard{limit: limit, margin: min(limit/8, maxMargin)} }

// See takes how much is free now, and reports whether the answer of Low has changed.
func (g *Guard) See(free uint64) (changed bool) {
	was := g.low
	if g.low {
		g.low = free < g.limit+2*g.margin
	} else {
		g.low = free < g.limit+g.margin
	}
	return g.low != was
}

// Low reports whether too little is free.
func (g *Guard) Low() bool { return g.low }

// State is what Watch tells of.
type State struct {
	Low bool
	// Free bytes; Err says why they are not known.
	Free uint64
	Err  error
	// Need is how much must be free for Low to end.
	Need uint64
}

// Watch looks at once and then every so often until ctx ends, and tells each change. While it is low,
// it tells every minute again.
func (g *Guard) Watch(ctx context.Context, every time.Duration, free func(context.Context) (uint64, error), tell func(State)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var told time.Time
	for {
		n, err := free(ctx)
		if ctx.Err() != nil {
			return
		}
		if changed := g.See(n); changed || g.low && time.Since(told) >= time.Minute {
			told = time.Now()
			tell(State{Low: g.low, Free: n, Err: err, Need: g.limit + 2*g.margin})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
