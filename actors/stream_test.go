package actors

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/actortest"
	"github.com/telefleet/orchestrator/internal/peerview"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// streamBench is an update stream alone, in fake time: the test plays its account.
type streamBench struct {
	log    *journal
	system *actor.ActorSystem
	parent *actor.PID
	pts    int

	mu     sync.Mutex
	answer func(method string) (bin.Encoder, error) // of its calls
	calls  []string
	got    []any // messages to the account
}

// newStreamBench starts a stream whose state is pts 1, date 1; it must run in a bubble.
func newStreamBench(t *testing.T) *streamBench {
	t.Helper()
	h := newHarness(t)
	b := &streamBench{log: newJournal(), pts: 1}
	b.answer = func(string) (bin.Encoder, error) { return &tg.UpdatesDifferenceEmpty{Date: 1}, nil }
	h.deps.Events = b.log
	workers := &mailbox.Workers{}
	t.Cleanup(workers.Close)
	w, err := b.log.Claim(t.Context(), "a", 7)
	if err != nil {
		t.Fatal(err)
	}
	pos := &updatelog.Position{Writer: w, Last: w.Claimed(), State: updates.State{Pts: 1, Date: 1}}
	b.system = system.New(h.deps.Log)
	h.deps.lanes = newLanes(workers)
	acc := updatestream.Account{Config: h.deps.streamsOf(system.NewClock(b.system)), ID: "a", Token: testGrant("a").Fence.Token()}
	child := actor.PropsFromProducer(func() actor.Actor { return updatestream.New(acc, pos, 1, &peerview.View{}) })
	b.parent = b.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *actor.Started:
			ctx.Spawn(child)
		case *connection.Call:
			b.called(m)
		case *connection.UpdatesArrived, *updatestream.Sync, *connection.SessionCreated, *updatestream.Drain, *updatestream.HomeUp:
			ctx.Send(ctx.Children()[0], m)
		case *connection.Processed, *updatestream.Ended, *updatestream.CheckpointDue, *updatestream.Unwell:
			b.mu.Lock()
			b.got = append(b.got, m)
			b.mu.Unlock()
		}
	}))
	synctest.Wait()
	return b
}

func (b *streamBench) called(c *connection.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, c.Method)
	result, err := b.answer(c.Method)
	if result == nil && err == nil {
		return // never answered
	}
	if err != nil {
		c.Done(nil, err)
		return
	}
	var buf bin.Buffer
	if err := result.Encode(&buf); err != nil {
		panic(err)
	}
	c.Done(buf.Buf, nil)
}

func (b *streamBench) setAnswer(f func(method string) (bin.Encoder, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

func (b *streamBench) count(method string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, c := range b.calls {
		if c == method {
			n++
		}
	}
	return n
}

// acknowledged are the messages that may be acknowledged to Telegram.
func (b *streamBench) acknowledged() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []int64
	for _, m := range b.got {
		if p, ok := m.(*connection.Processed); ok {
			ids = append(ids, p.MsgIDs...)
		}
	}
	return ids
}

func (b *streamBench) send(m any) {
	b.system.Root.Send(b.parent, m)
	synctest.Wait()
}

// push lets the server push the next message.
func (b *streamBench) push(t *testing.T) {
	t.Helper()
	b.pts++
	b.send(&connection.UpdatesArrived{From: b.parent, Pushes: []mtproto.UpdatesReceived{{
		MsgID: int64(b.pts), Body: encode(t, &tg.Updates{Date: 1, Updates: []tg.UpdateClass{
			&tg.UpdateNewMessage{Message: message(b.pts), Pts: b.pts, PtsCount: 1},
		}}),
	}}})
}

func message(id int) *tg.Message {
	return &tg.Message{ID: id, PeerID: &tg.PeerUser{UserID: 2}, Date: 1, Message: "hello"}
}

func encode(t *testing.T, v bin.Encoder) []byte {
	t.Helper()
	var buf bin.Buffer
	if err := v.Encode(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Buf
}

func (b *streamBench) stop() {
	_ = b.system.Root.StopFuture(b.parent).Wait()
	b.system.Shutdown()
	time.Sleep(actortest.Linger)
}

// TestPushesAreAcknowledgedOnlyAfterTheAppend: what is in no log may come again.
func TestPushesAreAcknowledgedOnlyAfterTheAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		defer b.stop()
		release := b.log.hold()
		for range 5 {
			b.push(t)
		}
		if ids := b.acknowledged(); len(ids) != 0 {
			t.Errorf("acknowledged before the append: %v", ids)
		}
		release()
		synctest.Wait()
		if ids := b.acknowledged(); !slices.Equal(ids, []int64{2, 3, 4, 5, 6}) {
			t.Errorf("acknowledged %v, want 2 to 6", ids)
		}
	})
}

// TestEndedStreamAcknowledgesNothing of what still comes: it returns the credit only, and Telegram
// sends it again.
func TestEndedStreamAcknowledgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		defer b.stop()
		b.send(&updatestream.Drain{})
		b.push(t)
		taken := 0
		for _, m := range b.got {
			if p, ok := m.(*connection.Processed); ok {
				taken += p.Taken
			}
		}
		if ids := b.acknowledged(); len(ids) > 0 || taken != 1 {
			t.Errorf("%v acknowledged, %d returned", ids, taken)
		}
	})
}

// TestLowSpaceIsTriedAgainAtOnePace: however many pushes come meanwhile.
func TestLowSpaceIsTriedAgainAtOnePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		defer b.stop()
		attempts := 0
		b.log.setFail(func(fleet.AccountID, []eventlog.Record) error {
			attempts++
			return eventlog.ErrLowSpace
		})
		for range 100 {
			b.push(t)
			time.Sleep(10 * time.Millisecond)
		}
		b.log.locked(func() { attempts = 0 })
		time.Sleep(time.Minute)
		synctest.Wait()
		b.log.locked(func() {
			if want := int(time.Minute / updatestream.LowSpaceRetry); attempts < want-2 || attempts > want+2 {
				t.Errorf("%d appends were tried in a minute, want about %d", attempts, want)
			}
		})
		if ids := b.acknowledged(); len(ids) != 0 {
			t.Errorf("acknowledged without an append: %v", ids)
		}
		b.log.setFail(nil)
		time.Sleep(2 * updatestream.LowSpaceRetry)
		synctest.Wait()
		b.log.locked(func() {
			if n := len(b.log.ids("a", tlupdates.KindMessageNew)); n != 100 {
				t.Errorf("%d messages in the log, want 100", n)
			}
		})
		if n := len(b.acknowledged()); n != 100 {
			t.Errorf("%d messages acknowledged, want 100", n)
		}
	})
}

// TestSyncWaitsForTheDifferenceThatFailed: Sync promises that the log is even with the server.
func TestSyncWaitsForTheDifferenceThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		defer b.stop()
		b.setAnswer(func(string) (bin.Encoder, error) { return nil, tgerr.New(500, "INTERNAL") })
		b.send(&connection.SessionCreated{})
		if n := b.count("updates.getDifference"); n != 2 { // the first one is that of the start
			t.Fatalf("%d differences asked, want 2", n)
		}
		var synced []error
		b.send(&updatestream.Sync{Done: func(err error) { synced = append(synced, err) }})
		if len(synced) != 0 {
			t.Fatalf("Sync ended by %v while the difference waits to be asked again", synced[0])
		}
		b.setAnswer(func(string) (bin.Encoder, error) {
			return &tg.UpdatesDifference{
				NewMessages: []tg.MessageClass{message(2)}, State: tg.UpdatesState{Pts: 2, Date: 2},
			}, nil
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(synced) != 1 || synced[0] != nil {
			t.Fatalf("Sync ended by %v, want one success", synced)
		}
		b.log.locked(func() {
			if ids := b.log.ids("a", tlupdates.KindMessageNew); !slices.Equal(ids, []string{"pts:message_new:2"}) {
				t.Errorf("messages %v, want the one of the difference", ids)
			}
		})
	})
}

// TestSyncWaitsForTheLog: an answer of the server is not yet an event.
func TestSyncWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		defer b.stop()
		release := b.log.hold()
		b.push(t)
		synced := false
		b.send(&updatestream.Sync{Done: func(error) { synced = true }})
		if synced {
			t.Error("Sync ended before the append")
		}
		release()
		synctest.Wait()
		if !synced {
			t.Error("Sync did not end")
		}
	})
}

// TestDifferencesWaitForTheLog: a long catch-up must not pile up in memory before a slow log.
func TestDifferencesWaitForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newStreamBench(t)
		defer b.stop()
		release := b.log.hold()
		const slices, each = 50, 100
		pts := 1
		b.setAnswer(func(string) (bin.Encoder, error) {
			var list []tg.MessageClass
			for range each {
				pts++
				list = append(list, message(pts))
			}
			state := tg.UpdatesState{Pts: pts, Date: 2}
			if pts > slices*each {
				return &tg.UpdatesDifference{NewMessages: list, State: state}, nil
			}
			return &tg.UpdatesDifferenceSlice{NewMessages: list, IntermediateState: state}, nil
		})
		synced := errors.New("not yet")
		b.send(&updatestream.Sync{Done: func(err error) { synced = err }})
		if n := b.count("updates.getDifference") * each; n > 2000 {
			t.Errorf("%d messages were fetched while the log was blocked", n)
		}
		release()
		synctest.Wait()
		if synced != nil {
			t.Errorf("sync: %v", synced)
		}
		b.log.locked(func() {
			if n := len(b.log.ids("a", tlupdates.KindMessageNew)); n != slices*each {
				t.Errorf("%d messages in the log, want %d", n, slices*each)
			}
		})
	})
}
