package actors

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// say lets ann write to bob n times, without ann's client.
func (r *rig) say(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if _, err := r.sim.World().Say(r.users["ann"], r.users["bob"], fmt.Sprint("said ", i)); err != nil {
			t.Fatal(err)
		}
	}
}

// failing makes the next n appends of an account fail.
func failing(id fleet.AccountID, n int64, err error) func(fleet.AccountID, []eventlog.Record) error {
	var left atomic.Int64
	left.Store(n)
	return func(who fleet.AccountID, _ []eventlog.Record) error {
		if who == id && left.Add(-1) >= 0 {
			return err
		}
		return nil
	}
}

// TestLowSpaceMakesTheStreamWait: nothing is lost, nothing is acknowledged, nobody restarts.
func TestLowSpaceMakesTheStreamWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 50})
	r.pair(t)
	r.log.setFail(failing("bob", 1<<60, fmt.Errorf("append: %w", eventlog.ErrLowSpace)))
	r.chatter(t, 20)
	key := r.key(t, "bob")
	r.log.await(t, "an append is refused", func() bool { return r.log.failed > 0 })
	if n := r.sim.Server().Unacked(key); n == 0 {
		t.Error("messages were acknowledged that are in no log")
	}
	r.log.setFail(nil)
	r.verify(t)
	r.log.locked(func() {
		if n := r.log.claims["bob"]; n != 1 {
			t.Errorf("the log was claimed %d times, want once: low space is no reason to restart", n)
		}
	})
}

// TestPartOfAnAppendIsNotRepeated: the log took some records before it ran out of space.
func TestPartOfAnAppendIsNotRepeated(t *testing.T) {
	for name, cause := range map[string]error{"low space": eventlog.ErrLowSpace, "broken": errors.New("disk on fire")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Seed: 51})
			r.pair(t)
			release := r.log.hold()
			r.say(t, 50)
			var once atomic.Bool
			r.log.setFail(func(id fleet.AccountID, recs []eventlog.Record) error {
				if id != "bob" || len(recs) < 3 || !once.CompareAndSwap(false, true) {
					return nil
				}
				return &eventlog.AppendError{Done: len(recs) / 2, Err: cause}
			})
			for !once.Load() { // the first append held one or two records; the next one has more
				release()
				r.say(t, 20)
				if _, err := nearest(bounded(t), r.env(t, "bob")); err != nil && !once.Load() { // a broken log restarts the account, and this call with it
					t.Fatal(err)
				}
			}
			r.verify(t)
		})
	}
}

// TestBrokenLogRestartsTheAccountWithoutLoss: any other error of the log.
func TestBrokenLogRestartsTheAccountWithoutLoss(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 52})
	r.pair(t)
	fail := failing("bob", 3, errors.New("disk on fire"))
	r.log.setFail(func(id fleet.AccountID, recs []eventlog.Record) error {
		if recs[0].Kind == standing.KindAccountState { // the account itself appends those, and repeats them
			return nil
		}
		return fail(id, recs)
	})
	r.say(t, 30)
	r.log.await(t, "three appends have failed", func() bool { return r.log.failed == 3 })
	r.say(t, 30)
	r.verify(t)
	r.log.locked(func() {
		if n := r.log.claims["ann"]; n != 1 {
			t.Errorf("the neighbour claimed the log %d times, want once", n)
		}
		if n := r.log.claims["bob"]; n != 4 {
			t.Errorf("the account claimed the log %d times, want one more for each failure", n)
		}
	})
}

// TestLogTakenByAnotherOwnerFencesTheAccount: the log is the last line of defence.
func TestLogTakenByAnotherOwnerFencesTheAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 53})
	r.pair(t)
	if _, err := r.log.Claim(bounded(t), "bob", 8); err != nil {
		t.Fatal(err)
	}
	r.say(t, 1)
	r.status(t, "bob", fleet.StateFenced)
	delete(r.users, "bob")
	r.verify(t)
	if _, err := nearest(bounded(t), r.env(t, "bob")); reason(err) != "ACCOUNT_FENCED" {
		t.Errorf("a call gave %v, want ACCOUNT_FENCED", err)
	}
}

// TestF14BlockedLogIsBoundedAndCallsGoOn: while the log does not answer, pushes beyond the
// stream's credit are acknowledged and discarded, answers share the socket unhindered, and what
// was discarded comes back by difference.
func TestF14BlockedLogIsBoundedAndCallsGoOn(t *testing.T) {
	t.Parallel()
	const pushes = 4000
	r := newRig(t, simulator.Config{Seed: 54, Server: mtserver.Config{PushQueue: 2 * pushes}})
	_, bob := r.pair(t)
	key := r.key(t, "bob")
	p := r.tap(nil)
	release := r.log.hold()
	defer release()
	r.say(t, pushes)
	for unacked := pushes; unacked > connection.MaxInStream+2; unacked = r.sim.Server().Unacked(key) {
		if _, err := nearest(bounded(t), bob); err != nil { // carries the acknowledgements
			t.Fatal(err)
		}
	}
	r.send(t, "bob", "@user_ann", "still here")
	if n := r.sim.Server().Unacked(key); n < connection.MaxInStream/2 {
		t.Errorf("only %d pushes wait for their acknowledgement: more were acknowledged than the stream refused", n)
	}
	r.sim.Server().DropSessions(key) // a reason to ask for the difference, at the worst time
	for range pushes / 100 * 2 {     // time enough for all slices of the difference
		if _, err := nearest(bounded(t), bob); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.count("updates.getDifference"); n > 5 {
		t.Errorf("%d differences were asked while the log was blocked", n)
	}
	release()
	last := r.sim.Ledger().Last()
	r.verify(t)
	if r.sim.Ledger().Last() != last {
		t.Error("somebody wrote meanwhile")
	}
	r.log.locked(func() {
		if r.log.largest > updatestream.MaxBatch {
			t.Errorf("one append had %d records, want %d at most", r.log.largest, updatestream.MaxBatch)
		}
		if n := len(r.log.ids("bob", tlupdates.KindMessageNew)); n < pushes {
			t.Errorf("%d messages in the log, want %d", n, pushes)
		}
	})
}

// TestDrainDoesNotWaitForTheLogForEver: an owner must be able to hand an account over while
// its log is stuck; what is in no log was not acknowledged, so it comes back.
func TestDrainDoesNotWaitForTheLogForEver(t *testing.T) {
	for name, stuck := range map[string]func(*rig) (release func()){
		"blocked": func(r *rig) func() { return r.log.hold() },
		"full": func(r *rig) func() {
			r.log.setFail(failing("bob", 1<<60, eventlog.ErrLowSpace))
			return func() { r.log.setFail(nil) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Seed: 55})
			r.pair(t)
			release := stuck(r)
			defer release()
			r.say(t, 10)
			if _, err := nearest(bounded(t), r.env(t, "bob")); err != nil {
				t.Fatal(err)
			}
			gone := make(chan struct{})
			r.fleet.Lost("bob", time.Now().Add(100*time.Millisecond), func() { close(gone) })
			select {
			case <-gone:
			case <-bounded(t).Done():
				t.Fatal("not released")
			}
			release()
			r.own("bob")
			r.verify(t)
		})
	}
}

// TestCallsOfAFencedAccountAreAnswered: ownership is lost in the middle of many calls.
func TestCallsOfAFencedAccountAreAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 56})
	r.pair(t)
	var fenced atomic.Bool
	r.restart(t, "bob", func(g *Grant) {
		g.Check = func() error {
			if fenced.Load() {
				return errors.New("the deadline has passed")
			}
			return nil
		}
	})
	env, ctx := r.env(t, "bob"), bounded(t)
	r.status(t, "bob", fleet.StateOnline)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				if _, err := nearest(ctx, env); err != nil {
					if !strings.HasPrefix(reason(err), "ACCOUNT_") {
						t.Errorf("call %d: %v", i, err)
					}
					return
				}
				if i == 10 {
					fenced.Store(true)
				}
			}
		})
	}
	wg.Wait()
	delete(r.users, "bob")
	r.status(t, "bob", fleet.StateFenced)
	if n := r.fleet.Sockets(); n != 1 {
		t.Errorf("%d sockets are open, want the neighbour's only", n)
	}
}

// TestUpdatesBeforeTheStreamAreKept: the server may push as soon as it knows the session, before
// the account is online. A pressed button has no counter: no difference would bring it back.
func TestUpdatesBeforeTheStreamAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 57})
	r.pair(t)
	key := r.key(t, "bob")
	press := encode(t, &tg.Updates{Date: 1, Updates: []tg.UpdateClass{
		&tg.UpdateBotCallbackQuery{QueryID: 5, UserID: r.users["ann"], Peer: &tg.PeerUser{UserID: r.users["ann"]}, MsgID: 1},
	}})
	var once sync.Once
	r.tap(func(id int64, method string) (int, string) {
		if id == key && method == "help.getConfig" { // before it is answered
			once.Do(func() { r.sim.Server().Push(key, press) })
		}
		return 0, ""
	})
	r.restart(t, "bob")
	r.log.await(t, "the button", func() bool { return len(r.log.ids("bob", tlupdates.KindCallbackQuery)) == 1 })
	r.verify(t)
}

// TestALongReplayIsNoFailure: when a node starts, all its accounts replay at once, and each waits for
// its turn. An account that gave up would only wait again.
func TestALongReplayIsNoFailure(t *testing.T) {
	slow := func(d *Deps) { d.Events.(*journal).pace = 5 * time.Minute }
	bubbleWith(t, simulator.Config{Seed: 511}, slow, func(t *testing.T, r *rig) {
		r.pair(t)
		r.log.locked(func() {
			if c := r.log.claims; c["ann"] != 1 || c["bob"] != 1 {
				t.Errorf("claims of the accounts: %v, want one each", c)
			}
		})
	})
}

// TestAChannelFirstHeardOfBeforeAPowerLoss: the tail with the place of a channel is cut off. A push
// that comes before the start's difference does not start the channel anew: what was posted meanwhile
// would be missing, and nobody would know.
func TestAChannelFirstHeardOfBeforeAPowerLoss(t *testing.T) {
	bubble(t, simulator.Config{Seed: 512}, func(t *testing.T, r *rig) {
		r.person(t, "bob", 2)
		settled(t)
		r.log.locked(func() { r.log.synced = uint64(len(r.log.records)) })
		talker, err := r.sim.AddUser(simulator.UserSpec{Phone: "+15559999", FirstName: "Talker", Username: "talker", HomeDC: 2})
		if err != nil {
			t.Fatal(err)
		}
		world := r.sim.World()
		group, err := world.Gather("group", talker.ID, r.users["bob"])
		if err != nil {
			t.Fatal(err)
		}
		post := func(text string) {
			if _, err := world.Post(talker.ID, group, text); err != nil {
				t.Error(err)
			}
		}
		post("told, and lost with the power")
		told := func() int { return len(r.log.ids("bob", tlupdates.KindMessageNew)) }
		r.log.await(t, "the first post", func() bool { return told() > 0 })
		settled(t)
		key, once := r.key(t, "bob"), sync.Once{}
		r.tap(func(id int64, method string) (int, string) {
			code, text := 0, ""
			if id == key && method == "updates.getDifference" {
				once.Do(func() { post("pushed before the difference"); code, text = 500, "BUSY" })
			}
			return code, text
		})
		r.restart(t, "bob", func(*Grant) {
			post("posted while the power was away")
			r.log.locked(func() {
				r.log.records, r.log.synced = r.log.records[:r.log.synced], 0
				if told() > 0 {
					t.Error("the tail was not cut off")
				}
			})
		})
		r.verify(t)
	})
}
