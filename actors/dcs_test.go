package actors

import (
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// TestDCsAreLearntFromTheConfig: an account that knows one DC only learns of the others with its first
// connection, and what was learnt is handed on to be kept.
func TestDCsAreLearntFromTheConfig(t *testing.T) {
	t.Parallel()
	learnt := make(chan []dcs.Option, 1)
	r := newRig(t, simulator.Config{Seed: 95}, func(d *Deps) {
		one := d.DCs
		one.Options = slices.DeleteFunc(slices.Clone(one.Options), func(o dcs.Option) bool { return o.ID != 2 })
		d.Directory = dcs.NewDirectory(one, nil, time.Now, func(o []dcs.Option) { learnt <- o })
	})
	ann := r.person(t, "ann", 2)
	for _, dc := range []int{1, 3} {
		if got, err := nearestOn(t, ann, dc); err != nil || got != dc {
			t.Errorf("DC %d: %d, %v", dc, got, err)
		}
	}
	if got := <-learnt; len(got) != 3 {
		t.Errorf("learnt %v", got)
	}
}

// TestUpdateDcOptionsRefreshesTheDCList: whoever is told that there are other DCs, one of many accounts
// and also one that nobody is signed in with, asks for the config at once, and what it says is kept.
func TestUpdateDcOptionsRefreshesTheDCList(t *testing.T) {
	t.Parallel()
	learnt := make(chan []dcs.Option, 8)
	var dir *dcs.Directory
	r := newRig(t, simulator.Config{Seed: 97}, func(d *Deps) {
		dir = dcs.NewDirectory(d.DCs, nil, time.Now, func(o []dcs.Option) { learnt <- o })
		d.Directory = dir
	})
	r.pair(t)
	truth := <-learnt
	r.fleet.Owned(testGrant("fresh"))
	r.status(t, "fresh", fleet.StateUnauthorized)
	fresh := r.record(t, "fresh").Keys[2].Key.ID()
	dir.Learn([]tg.DCOption{{ID: 2, IPAddress: "192.0.2.1", Port: 443}}) // long ago
	<-learnt
	p := r.tap(nil)
	told := encode(t, &tg.UpdateShort{Update: &tg.UpdateDCOptions{DCOptions: []tg.DCOption{}}, Date: int(time.Now().Unix())})
	for _, key := range []int64{int64(fresh), r.key(t, "ann"), r.key(t, "bob")} {
		r.sim.Server().Push(key, told)
	}
	select {
	case got := <-learnt:
		if !slices.Equal(got, truth) {
			t.Errorf("learnt %v, want %v", got, truth)
		}
	case <-bounded(t).Done():
		t.Fatal("nothing was learnt")
	}
	r.sync(t, "ann") // behind what was pushed
	r.sync(t, "bob")
	if n := p.count("help.getConfig"); n != 1 {
		t.Errorf("the config was asked for %d times", n)
	}
}

// TestACDNIsReachedWithItsOwnKeyAndNoLogin: the key comes from help.getCdnConfig; nothing is exported,
// imported or stored, and the home stays where it is.
func TestACDNIsReachedWithItsOwnKeyAndNoLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 96, CDN: []int{3}}, func(d *Deps) {
		list := d.DCs
		list.Keys = list.Keys[:2] // those of DCs 1 and 2: each of the simulator's has its own
		d.Directory = dcs.NewDirectory(dcs.List{Options: ordinary(list.Options), Keys: list.Keys}, nil, time.Now, nil)
	})
	ann := r.person(t, "ann", 2)
	p := r.tap(nil)
	for range 2 {
		if got, err := nearestOn(t, ann, 3); err != nil || got != 3 {
			t.Fatalf("the CDN: %d, %v", got, err)
		}
	}
	for _, method := range []string{"auth.exportAuthorization", "auth.importAuthorization"} {
		if n := p.count(method); n != 0 {
			t.Errorf("%d calls of %s", n, method)
		}
	}
	if n := p.count("help.getCdnConfig"); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
	r.restart(t, "ann")
	keys := r.stored(t, "ann", func(*sessionstore.Record) bool { return true }).Keys
	if _, kept := keys[3]; kept || len(keys) != 1 {
		t.Errorf("%d keys are stored", len(keys))
	}
}

// ordinary leaves out DC 3, of which the config tells.
func ordinary(options []dcs.Option) []dcs.Option {
	return slices.DeleteFunc(slices.Clone(options), func(o dcs.Option) bool { return o.ID == 3 })
}
