package actors

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/actortest"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// wishes are the ends that a stream asked its account for.
func (b *streamBench) wishes() []connection.End {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ends []connection.End
	for _, m := range b.got {
		if w, ok := m.(*updatestream.Unwell); ok {
			ends = append(ends, w.End)
		}
	}
	return ends
}

// TestBlackHoleBehindALiveConnection: calls vanish and nothing is pushed. After a quiet while the
// stream probes, then asks for another connection, then for another session; each in its time.
func TestBlackHoleBehindALiveConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		b.setAnswer(func(string) (bin.Encoder, error) { return nil, nil })
		b.send(&updatestream.HomeUp{Up: true})
		wait := func(d time.Duration, probes int, wishes ...connection.End) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n, got := b.count("updates.getState"), b.wishes(); n != probes || len(got) != len(wishes) || len(got) > 0 && got[len(got)-1] != wishes[len(wishes)-1] {
				t.Fatalf("%d probes, asked for %v; want %d, %v", n, got, probes, wishes)
			}
		}
		wait(updatestream.QuietWhile-time.Second, 0)
		wait(2*time.Second, 1)
		wait(updatestream.ProbePatience-2*time.Second, 1)
		wait(2*time.Second, 1, connection.Reconnect)
		wait(time.Hour, 1, connection.Reconnect) // it is the account's turn
		b.send(&updatestream.HomeUp{Up: false})
		b.send(&updatestream.HomeUp{Up: true})
		wait(updatestream.CheckpointEvery, 2, connection.Reconnect)
		wait(updatestream.ProbePatience, 2, connection.Reconnect, connection.NewSession)
		actortest.Stop(b.system)
	})
}

// TestADeafConnectionIsReplaced: probes are answered and show updates that were never pushed. They
// are fetched at once, and the connection is replaced.
func TestADeafConnectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		b.setAnswer(func(method string) (bin.Encoder, error) {
			if method == "updates.getState" {
				return &tg.UpdatesState{Pts: 2, Date: 2}, nil
			}
			return &tg.UpdatesDifference{
				NewMessages: []tg.MessageClass{&tg.Message{ID: 1, PeerID: &tg.PeerUser{UserID: 2}}}, State: tg.UpdatesState{Pts: 2, Date: 2},
			}, nil
		})
		b.send(&updatestream.HomeUp{Up: true})
		time.Sleep(updatestream.QuietWhile + time.Second)
		synctest.Wait()
		b.log.locked(func() {
			if got := b.log.ids("a", tlupdates.KindMessageNew); len(got) != 1 {
				t.Errorf("events %v", got)
			}
		})
		time.Sleep(updatestream.CheckpointEvery)
		synctest.Wait()
		if got := b.wishes(); len(got) != 1 || got[0] != connection.Reconnect {
			t.Errorf("asked for %v", got)
		}
		actortest.Stop(b.system)
	})
}

// TestAQuietAccountKeepsItsConnection: nothing happens for a day, and nothing is replaced.
func TestAQuietAccountKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		b.setAnswer(func(method string) (bin.Encoder, error) {
			if method == "updates.getState" {
				return &tg.UpdatesState{Pts: 1, Date: 2}, nil
			}
			return &tg.UpdatesDifferenceEmpty{Date: 1}, nil
		})
		b.send(&updatestream.HomeUp{Up: true})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := b.wishes(); len(got) > 0 {
			t.Errorf("asked for %v", got)
		}
		if n := b.count("updates.getState"); n < 200 || n > 300 {
			t.Errorf("%d probes in a day", n)
		}
		actortest.Stop(b.system)
	})
}

// impatient is a watchdog for tests in real time.
func impatient(d *Deps) {
	d.Watch = Watch{Quiet: 200 * time.Millisecond, Patience: 200 * time.Millisecond}
}

// TestWedgedSessionIsReplaced: the server answers pings of an account's session, and nothing else.
// The message comes, by way of a new connection and then a new session.
func TestWedgedSessionIsReplaced(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 31}, impatient)
	r.pair(t)
	r.chatter(t, 1)
	r.verify(t)
	dials, before := r.dials(), 0
	r.log.locked(func() { before = len(r.log.ids("ann", tlupdates.KindMessageNew)) })
	r.sim.Faults().WedgeSessions()
	if _, err := r.sim.World().Say(r.users["bob"], r.users["ann"], "does anybody hear"); err != nil {
		t.Fatal(err)
	}
	r.log.await(t, "the message", func() bool { return len(r.log.ids("ann", tlupdates.KindMessageNew)) > before })
	if n := r.dials() - dials; n < 2 {
		t.Errorf("%d new connections, want at least 2: the same session, then another", n)
	}
	r.verify(t)
}

// TestLostPushesAreMissedAndFetched: the server drops every push. What is missing is found by a
// probe, and the connection is replaced.
func TestLostPushesAreMissedAndFetched(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 32}, impatient)
	r.pair(t)
	r.verify(t)
	dials, before := r.dials(), 0
	r.log.locked(func() { before = len(r.log.ids("ann", tlupdates.KindMessageNew)) })
	r.sim.Faults().SetPush(mtserver.PushFaults{Drop: 1})
	if _, err := r.sim.World().Say(r.users["bob"], r.users["ann"], "does anybody hear"); err != nil {
		t.Fatal(err)
	}
	r.log.await(t, "the message", func() bool { return len(r.log.ids("ann", tlupdates.KindMessageNew)) > before })
	r.awaitDials(t, dials+1)
	r.sim.Faults().SetPush(mtserver.PushFaults{})
	r.verify(t)
}

// awaitDials waits until the simulator has accepted so many connections.
func (r *rig) awaitDials(t *testing.T, n int64) {
	t.Helper()
	ctx := bounded(t)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for r.dials() < n {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("%d connections, want %d", r.dials(), n)
		}
	}
}

// TestAChannelIsPolledWithoutJoining: Telegram pushes nothing of a public channel to an account
// that has not joined it. Polled, its posts arrive all the same, until the time is over.
func TestAChannelIsPolledWithoutJoining(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 33, Model: model.Config{ChannelTimeout: 1}})
	ann, bob := r.pair(t)
	ctx := bounded(t)
	var made tg.UpdatesBox
	if err := bob.Invoke(ctx, &tg.ChannelsCreateChannelRequest{Title: "News", About: "of today", Broadcast: true}, &made); err != nil {
		t.Fatal(err)
	}
	id := made.Updates.(*tg.Updates).Chats[0].(*tg.Channel).ID
	of := func(env *Env) *tg.InputChannel {
		p, ok := env.Peers().Get(telegram.PeerChannel, id)
		if !ok {
			t.Fatalf("%s does not know the channel", env.Account())
		}
		return &tg.InputChannel{ChannelID: id, AccessHash: p.AccessHash}
	}
	var ok tg.BoolBox
	if err := bob.Invoke(ctx, &tg.ChannelsUpdateUsernameRequest{Channel: of(bob), Username: "news_of_today"}, &ok); err != nil {
		t.Fatal(err)
	}
	news, err := telegram.ResolvePeer(ctx, ann, "@news_of_today")
	if err != nil {
		t.Fatal(err)
	}
	if err := ann.SyncChannel(ctx, news.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	post := func(text string) {
		t.Helper()
		mine, _ := bob.Peers().Get(telegram.PeerChannel, id)
		if _, err := telegram.SendMessage(ctx, bob, mine, telegram.Outgoing{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	prefix := updates.ChannelBox(id).String() + ":" + tlupdates.KindMessageNew
	heard := func() (n int) {
		for _, e := range r.log.ids("ann", tlupdates.KindMessageNew) {
			if strings.HasPrefix(e, prefix) {
				n++
			}
		}
		return n
	}
	var before int
	r.log.locked(func() { before = heard() })
	post("one")
	r.log.await(t, "the first post", func() bool { return heard() == before+1 })
	post("two")
	r.log.await(t, "the second post", func() bool { return heard() == before+2 })

	for range updates.MaxPolls - 1 { // all places but that of the news
		if err := bob.Invoke(ctx, &tg.ChannelsCreateChannelRequest{Title: "Other", About: "", Broadcast: true}, &made); err != nil {
			t.Fatal(err)
		}
		if err := bob.SyncChannel(ctx, made.Updates.(*tg.Updates).Chats[0].(*tg.Channel).ID, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := bob.SyncChannel(ctx, id, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := bob.Invoke(ctx, &tg.ChannelsCreateChannelRequest{Title: "Beyond", About: "", Broadcast: true}, &made); err != nil {
		t.Fatal(err)
	}
	beyond := made.Updates.(*tg.Updates).Chats[0].(*tg.Channel).ID
	var full *fleet.Error
	if err := bob.SyncChannel(ctx, beyond, time.Hour); !errors.As(err, &full) || full.Reason != "TOO_MANY_POLLED" {
		t.Errorf("the eleventh: %v", err)
	}
	if err := bob.SyncChannel(ctx, beyond, 0); err != nil {
		t.Errorf("asked once: %v", err)
	}
}
