package main

import (
	"strings"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/internal/smalldisk"
)

// TestNothingIsLostOnAFullDisk: a node's file system is really full: after the accounts were paused in time,
// at a blow, and with a guard that waits for the last byte. What is said meanwhile is told when there is
// space again (F10). eventlog has the test of a store that meets the full disk itself.
func TestNothingIsLostOnAFullDisk(t *testing.T) {
	t.Setenv(envBinary, binary)
	smalldisk.Run(t, 400<<20, func(t *testing.T, disk smalldisk.Disk) {
		const limit = 64 << 20
		w := newOrdealWorld(t, disk.Dir, ordeal{updates: 10_000, accounts: 4, groups: 1, window: 500})
		w.signIn()
		w.warmUp()
		for _, c := range []struct {
			name    string
			minFree uint64
			fill    func(paused func())
		}{
			{"in time", limit, func(paused func()) { disk.Leave(t, limit); paused(); disk.Fill(t) }},
			{"at a blow", limit, func(func()) { disk.Fill(t) }},
			{"at the last byte", 1, func(func()) { disk.Leave(t, 8<<10) }},
		} {
			w.node.terminate()
			w.restart(c.minFree)
			w.talk(200)
			w.reader.await(w.owed())
			said := func() bool { return strings.Contains(w.node.stderr.String(), "low disk space") }
			c.fill(func() { w.until("the accounts are paused", said) })
			w.sayWhile(200, func() bool { return said() || w.node.gone() })
			t.Logf("%s: the process ended: %v; %d of %d told", c.name, w.node.gone(), w.reader.heard(), w.owed())
			disk.Free(t)
			if w.node.gone() {
				if text := w.node.stderr.String(); !strings.Contains(text, "no space left on device") {
					t.Errorf("%s: the process ended with\n%s", c.name, tail(text))
				}
				w.restart(c.minFree)
			}
			w.reader.await(w.owed())
		}
		w.level()
		w.reader.judge("the reader", w.sim.Ledger().Entries(w.since), w.accountOf)
		w.node.terminate()
	})
}

// sayWhile says n messages, and goes on until something has come about.
func (w *ordealWorld) sayWhile(n int, until func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); n > 0 || !until(); n-- {
		if time.Now().After(limit) {
			w.t.Fatalf("not within %s", patience)
		}
		to := w.userOf[w.accounts[w.rng.IntN(len(w.accounts))]]
		if _, err := w.sim.World().Say(w.talker, to, "message on a full disk"); err != nil {
			w.t.Fatal(err)
		}
		<-tick.C
	}
}

// gone reports whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
