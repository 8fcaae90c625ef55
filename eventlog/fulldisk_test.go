package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/internal/smalldisk"
)

// crowd appends to the log as an owner does: an append that fails is repeated, by another Writer if it has
// to be. told are the ids that were acknowledged.
type crowd struct {
	t    *testing.T
	l    *Log
	w    *Writer
	told []string
	next int
}

// say tries to append one event.
func (c *crowd) say() error {
	if c.w == nil {
		w, err := c.l.Claim(c.t.Context(), "a", 1)
		if err != nil {
			return err
		}
		c.w = w
	}
	rec := event(fmt.Sprint(c.next))
	rec.Payload = append(make([]byte, 0, 4<<10), rec.Payload...)[:4<<10]
	_, err := c.w.Append(c.t.Context(), rec)
	switch {
	case err == nil:
		c.told = append(c.told, rec.ID)
		c.next++
	case !errors.Is(err, ErrLowSpace):
		c.w = nil
		c.next++ // it may be in the log
	}
	return err
}

// check reads everything: what was acknowledged is there, in order, before and after a restart.
func (c *crowd) check(l *Log) {
	c.t.Helper()
	var ids []string
	for r, err := range l.Subscribe(testCtx(c.t), SubscribeOptions{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		if slices.Contains(c.told, r.ID) {
			ids = append(ids, r.ID)
		}
	}
	if !slices.Equal(ids, c.told) {
		c.t.Errorf("%d of %d acknowledged events are in the log", len(ids), len(c.told))
	}
}

// TestStoreThatMetAFullDiskGoesOn: others fill the disk at once, with the guard and without it. Appends fail
// and say why, nothing that was acknowledged is lost, and when there is space again the same log goes on.
func TestStoreThatMetAFullDiskGoesOn(t *testing.T) {
	smalldisk.Run(t, 96<<20, func(t *testing.T, disk smalldisk.Disk) {
		for name, minFree := range map[string]int64{"guarded": 1 << 20, "not guarded": -1} {
			cfg := testConfig(t)
			cfg.Dir, cfg.MinFree, cfg.AckTimeout = fmt.Sprint(disk.Dir, "/", minFree), minFree, 500*time.Millisecond
			l := openLog(t, cfg)
			c := &crowd{t: t, l: l}
			for range 20 {
				if err := c.say(); err != nil {
					t.Fatal(err)
				}
			}
			follower := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{From: FromNew(), Follow: true}))
			disk.Fill(t)
			refusal := error(nil)
			for n := 0; !errors.Is(refusal, ErrLowSpace); n++ {
				if refusal = c.say(); n > 100 {
					t.Fatalf("%s: on a full disk: %v", name, refusal)
				}
			}
			if _, err := l.Free(t.Context()); minFree < 0 && !errors.Is(err, ErrLowSpace) {
				t.Errorf("%s: a store that has failed has space: %v", name, err)
			}
			epoch := l.Epoch()
			disk.Free(t)
			back, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for err := c.say(); err != nil; err = c.say() {
				if back.Err() != nil {
					t.Fatalf("%s: with space again: %v", name, err)
				}
			}
			if free, err := l.Free(t.Context()); err != nil || free == 0 {
				t.Errorf("%s: %d bytes free, %v", name, free, err)
			}
			if reopened := l.Epoch() > epoch; reopened != (minFree < 0) {
				t.Errorf("%s: the store was opened anew: %v", name, reopened)
			}
			for range 20 {
				if err := c.say(); err != nil {
					t.Fatalf("%s: later: %v", name, err)
				}
			}
			for last := c.told[len(c.told)-1]; ; { // a follower goes on by itself
				r, err, ok := follower.next()
				if err != nil || !ok {
					t.Fatalf("%s: the follower ended: %v", name, err)
				}
				if r.ID == last {
					break
				}
			}
			c.check(l)
			closeLog(t, l)
			c.check(openLog(t, cfg))
		}
	})
}
