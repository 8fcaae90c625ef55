package actors

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// unheard lets Ann write n messages whose pushes Bob never gets.
func (r *rig) unheard(t *testing.T, n int) {
	t.Helper()
	r.sim.Faults().SetPush(mtserver.PushFaults{Drop: 1})
	for i := range n {
		if _, err := r.sim.World().Say(r.users["ann"], r.users["bob"], fmt.Sprint("unheard ", i)); err != nil {
			t.Fatal(err)
		}
	}
	r.sim.Faults().SetPush(mtserver.PushFaults{})
}

// eventIDs are the ids of an account's events of these kinds.
func (r *rig) eventIDs(id fleet.AccountID, kinds ...string) (ids []string) {
	r.log.locked(func() { ids = slices.Clone(r.log.ids(id, kinds...)) })
	return ids
}

// TestF17SlicesLoseNothing: a difference in many parts.
func TestF17SlicesLoseNothing(t *testing.T) {
	bubble(t, simulator.Config{Seed: 321, Model: model.Config{DifferenceSlice: 3}}, func(t *testing.T, r *rig) {
		r.pair(t)
		p := r.tap(nil)
		r.unheard(t, 40)
		r.sync(t, "bob")
		if n := p.count("updates.getDifference"); n < 40/3 {
			t.Errorf("%d differences were asked, want one for each slice", n)
		}
		r.verify(t)
	})
}

// TestF17DifferenceTooLongIsAGap: what the server will not tell is named once, and the stream goes on behind it.
func TestF17DifferenceTooLongIsAGap(t *testing.T) {
	bubble(t, simulator.Config{Seed: 322, Model: model.Config{DifferenceTooLong: 10}}, func(t *testing.T, r *rig) {
		r.pair(t)
		before := len(r.eventIDs("bob", tlupdates.KindMessageNew))
		r.unheard(t, 30)
		r.sync(t, "bob")
		gaps := r.eventIDs("bob", updates.KindGap)
		if len(gaps) != 1 || !strings.HasPrefix(gaps[0], "pts:gap:") {
			t.Fatalf("gap events %v, want one of pts", gaps)
		}
		r.chatter(t, 5)
		r.sync(t, "bob")
		if n := len(r.eventIDs("bob", tlupdates.KindMessageNew)) - before; n != 10 { // five each way
			t.Errorf("%d messages after the gap, want 10", n)
		}
	})
}

// TestF17ChannelDifferenceTooLongIsAGap: the same for one channel; other boxes lose nothing.
func TestF17ChannelDifferenceTooLongIsAGap(t *testing.T) {
	bubble(t, simulator.Config{Seed: 323, Model: model.Config{ChannelTooLong: 5}}, func(t *testing.T, r *rig) {
		ann, bob := r.pair(t)
		var made tg.UpdatesBox
		if err := ann.Invoke(t.Context(), &tg.ChannelsCreateChannelRequest{Megagroup: true, Title: "group"}, &made); err != nil {
			t.Fatal(err)
		}
		channel := made.Updates.(interface{ MapChats() tg.ChatClassArray }).MapChats()[0].(*tg.Channel)
		peer, err := telegram.ResolvePeer(t.Context(), ann, "@user_bob")
		if err != nil {
			t.Fatal(err)
		}
		invite := &tg.ChannelsInviteToChannelRequest{
			Channel: channel.AsInput(), Users: []tg.InputUserClass{&tg.InputUser{UserID: peer.ID, AccessHash: peer.AccessHash}},
		}
		if err := ann.Invoke(t.Context(), invite, &tg.MessagesInvitedUsers{}); err != nil {
			t.Fatal(err)
		}
		group := &tg.InputPeerChannel{ChannelID: channel.ID, AccessHash: channel.AccessHash}
		randomID := int64(1000)
		say := func(n int, text string) {
			for i := range n {
				randomID++
				req := &tg.MessagesSendMessageRequest{Peer: group, Message: fmt.Sprint(text, i), RandomID: randomID}
				if err := ann.Invoke(t.Context(), req, &tg.UpdatesBox{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		say(2, "heard ")
		r.sync(t, "bob")
		r.sim.Faults().SetPush(mtserver.PushFaults{Drop: 1})
		say(20, "unheard ")
		r.sim.Faults().SetPush(mtserver.PushFaults{})
		say(1, "heard again ")
		box := fmt.Sprintf("channel:%d:gap:", channel.ID)
		r.log.await(t, "a gap of the channel", func() bool {
			gaps := r.log.ids("bob", updates.KindGap)
			return len(gaps) == 1 && strings.HasPrefix(gaps[0], box)
		})
		last := func() string { ids := r.eventIDs("bob", tlupdates.KindMessageNew); return ids[len(ids)-1] }
		before := last()
		say(1, "after the gap ")
		r.log.await(t, "a message after the gap", func() bool {
			ids := r.log.ids("bob", tlupdates.KindMessageNew)
			return ids[len(ids)-1] != before
		})
		if _, err := nearest(t.Context(), bob); err != nil {
			t.Error(err)
		}
		r.chatter(t, 3)
		r.sync(t, "bob")
	})
}

// TestF17UnknownConstructorsBecomeRawEvents: an update of a later schema, alone and inside of updates, is told with its
// bytes, and the stream lives on. What cannot be decoded at all leads to a difference.
func TestF17UnknownConstructorsBecomeRawEvents(t *testing.T) {
	bubble(t, simulator.Config{Seed: 324}, func(t *testing.T, r *rig) {
		r.pair(t)
		before := len(r.eventIDs("bob", tlupdates.KindRaw))
		alone := binary.LittleEndian.AppendUint32(nil, 0x0badcafe)
		alone = append(alone, "some bytes of it"...)
		inside := &bin.Buffer{}
		if err := (&tg.Updates{Updates: []tg.UpdateClass{&tg.UpdateConfig{}}, Date: int(time.Now().Unix())}).Encode(inside); err != nil {
			t.Fatal(err)
		}
		spoilt := slices.Clone(inside.Buf)
		binary.LittleEndian.PutUint32(spoilt[12:], 0x0badcaff) // the update in the vector
		cut := slices.Clone(inside.Buf[:len(inside.Buf)-4])
		for _, body := range [][]byte{alone, spoilt, cut} {
			r.sim.Server().Push(r.key(t, "bob"), body)
		}
		r.log.await(t, "three raw events", func() bool { return len(r.log.ids("bob", tlupdates.KindRaw)) >= before+3 })
		r.chatter(t, 5)
		r.verify(t)
	})
}

// TestF17Migrations: the three names by which Telegram moves a home. No call fails.
func TestF17Migrations(t *testing.T) {
	for _, name := range []string{"PHONE_MIGRATE_3", "NETWORK_MIGRATE_3", "USER_MIGRATE_3"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 325}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				p := r.tap(once(1, sendMethod, 303, name))
				if err := sendRaw(t, ann, "moving", 1); err != nil {
					t.Errorf("a call during the migration: %v", err)
				}
				if p.count("auth.importAuthorization") == 0 {
					t.Error("the login did not move")
				}
				r.chatter(t, 3)
				r.verify(t)
			})
		})
	}
}

// TestF17MigrationOfACallOnly: FILE_MIGRATE and STATS_MIGRATE take one call to another DC; the home stays.
func TestF17MigrationOfACallOnly(t *testing.T) {
	for _, name := range []string{"FILE_MIGRATE_3", "STATS_MIGRATE_3"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 326}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				p := r.tap(once(1, nearestMethod, 303, name))
				dc, err := nearest(t.Context(), ann)
				if err != nil || dc.ThisDC != 3 {
					t.Errorf("answered by %+v, %v; want DC 3", dc, err)
				}
				if n := p.count(nearestMethod); n != 2 {
					t.Errorf("%d calls, want 2", n)
				}
				r.chatter(t, 3)
				r.verify(t)
				if rec := r.record(t, "ann"); rec.HomeDC != 2 {
					t.Errorf("the home is DC %d now", rec.HomeDC)
				}
			})
		})
	}
}

// TestF17BadSaltEveryTenthMessage over an hour: no call notices.
func TestF17BadSaltEveryTenthMessage(t *testing.T) {
	bubble(t, simulator.Config{Seed: 327}, func(t *testing.T, r *rig) {
		r.pair(t)
		r.sim.Faults().SetBadSaltEvery(10)
		for range 6 {
			time.Sleep(10 * time.Minute)
			r.chatter(t, 20) // how many messages share a packet is not ours to say
		}
		r.verify(t)
		if r.sim.Faults().Counters().BadSalts < 5 {
			t.Error("hardly a message was refused")
		}
	})
}

// TestF13ClockJumps: the machine's clock is an hour off, either way, while calls and updates flow. Each jump costs at most
// a new session; nothing is lost.
func TestF13ClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			var off time.Duration // read and written by turns: the bubble is at rest when it changes
			bubbleWith(t, simulator.Config{Seed: 328}, func(d *Deps) { d.Now = func() time.Time { return time.Now().Add(off) } }, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				settled(t)
				off = jump
				for range 3 {
					if _, err := nearest(t.Context(), ann); err != nil {
						t.Errorf("a call after the jump: %v", err)
					}
				}
				r.chatter(t, 5)
				settled(t)
				off = 0
				r.chatter(t, 5)
				r.verify(t)
				if n := r.dials(); n > 2+2*3*2 {
					t.Errorf("%d connections for two jumps of two accounts", n)
				}
			})
		})
	}
}

// TestCallsThatWaitDoNotHoldTheHandover: they are refused at once; the next owner knows what they wait for.
func TestCallsThatWaitDoNotHoldTheHandover(t *testing.T) {
	bubble(t, simulator.Config{Seed: 329}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		p := r.refusing(sendMethod, "FLOOD_WAIT_50")
		sent := make(chan error, 1)
		go func() { sent <- sendRaw(t, ann, "waits", 1) }()
		p.await(t, sendMethod, 1)
		time.Sleep(time.Second)
		begun := time.Now()
		gone := make(chan struct{})
		r.fleet.Lost("ann", time.Now().Add(30*time.Second), func() { close(gone) })
		<-gone
		if d := time.Since(begun); d > 3*time.Second {
			t.Errorf("the handover took %v", d)
		}
		if got := reason(<-sent); got != "ACCOUNT_DRAINING" {
			t.Errorf("the waiting call got %q", got)
		}
	})
}

// TestH9RefusedExchangesBeginAnew: dh_gen_retry is answered within the exchange, dh_gen_fail by a new one.
func TestH9RefusedExchangesBeginAnew(t *testing.T) {
	bubble(t, simulator.Config{Seed: 330}, func(t *testing.T, r *rig) {
		for _, f := range []mtserver.Fault{mtserver.DHRetry, mtserver.DHFail, mtserver.DHFail} {
			r.sim.Faults().Inject(0, f)
		}
		r.pair(t)
		r.chatter(t, 3)
		r.verify(t)
		if n := r.sim.Faults().Pending(); n != 0 {
			t.Errorf("%d faults were never done", n)
		}
	})
}
