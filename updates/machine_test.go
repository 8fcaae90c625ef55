package updates_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/telefleet/orchestrator/updates"
)

func ready(state updates.State) *updates.Machine {
	m := updates.New(state, updates.Config{})
	m.Step(epoch, updates.Started{})
	m.Step(epoch, updates.Difference{Outcome: updates.OutcomeEmpty})
	return m
}

func push(box updates.Box, pts int, id string) updates.Received {
	return updates.Received{Updates: []updates.Update{{Box: box, Pts: pts, Count: 1, Events: []updates.Event{{ID: id}}}}}
}

// TestG6PositionsMoveOnlyWithTheRecord: no effect moves a position past an event that was not
// handed over for the same append or an earlier one.
func TestG6PositionsMoveOnlyWithTheRecord(t *testing.T) {
	box := updates.Box{Kind: updates.BoxPts}
	m := ready(updates.State{Pts: 10, Date: 100})
	if got := m.Step(epoch, push(box, 12, "b")); len(got) != 1 {
		t.Fatalf("an update behind a gap: %v; want only a timer", got)
	}
	want := []updates.Effect{updates.Emit{
		Events:    []updates.Event{{ID: "a"}, {ID: "b"}},
		Positions: []updates.Position{{Box: box, Value: 12}},
	}}
	if diff := cmp.Diff(want, m.Step(epoch, push(box, 11, "a")), cmpopts.IgnoreUnexported(updates.Emit{})); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

// TestG7ChannelTooLongWithoutStateAsks: the channel gets a state, and its difference is asked.
func TestG7ChannelTooLongWithoutStateAsks(t *testing.T) {
	m := ready(updates.State{Pts: 10, Date: 100})
	box := updates.ChannelBox(5)
	got := m.Step(epoch, updates.Received{Updates: []updates.Update{{Box: box, TooLong: true}}})
	want := []updates.Effect{
		updates.Emit{Positions: []updates.Position{{Box: box, Value: 1}}},
		updates.GetChannelDifference{Channel: 5, Pts: 1, Limit: 10},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(updates.Emit{})); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

// TestEffectsStayValid: what a caller keeps of an Emit is not overwritten by later steps.
func TestEffectsStayValid(t *testing.T) {
	m := ready(updates.State{Pts: 10, Date: 100})
	box := updates.Box{Kind: updates.BoxPts}
	first := m.Step(epoch, push(box, 11, "a"))[0].(updates.Emit)
	m.Step(epoch, push(box, 12, "b"))
	if first.Events[0].ID != "a" || first.Positions[0].Value != 11 {
		t.Errorf("the first Emit became %+v", first)
	}
}

// TestChannelAtRestIsSmall: the budget is 200 bytes.
func TestChannelAtRestIsSmall(t *testing.T) {
	const channels = 10_000
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	m := ready(updates.State{Pts: 10, Date: 100})
	before := heap()
	for id := range int64(channels) {
		m.Step(epoch, push(updates.ChannelBox(id+1), 5, ""))
	}
	after := heap()
	if each := (int64(after) - int64(before)) / channels; each > 200 {
		t.Errorf("%d bytes a channel", each)
	} else {
		t.Logf("%d bytes a channel", each)
	}
	runtime.KeepAlive(m)
}

// TestManyChannelsStartWithoutABurst: an account in 6,000 channels starts with one call. Of the
// channels that the difference names, those without news are not asked; the others are asked a
// few at a time, the last named first, and one timer serves them all.
func TestManyChannelsStartWithoutABurst(t *testing.T) {
	const channels, quiet = 6000, 2000
	state := updates.State{Pts: 10, Date: 100, Channels: map[int64]int{}}
	for id := range int64(channels) {
		state.Channels[id+1] = 5
	}
	m := updates.New(state, updates.Config{})
	if got := m.Step(epoch, updates.Started{}); len(got) != 1 || got[0] != (updates.GetDifference{Pts: 10, Date: 100}) {
		t.Fatalf("the start asks %v", got)
	}
	difference := updates.Difference{Outcome: updates.OutcomeFinal, State: updates.ServerState{Pts: 10, Date: 200}}
	for id := range int64(channels) {
		u := updates.Update{Box: updates.ChannelBox(id + 1), TooLong: true, Pts: 6}
		if id < quiet {
			u.Pts = 5
		}
		difference.Others = append(difference.Others, u)
	}
	var waiting []updates.GetChannelDifference
	timers, next := 0, int64(channels)
	take := func(effects []updates.Effect) {
		for _, e := range effects {
			switch e := e.(type) {
			case updates.GetChannelDifference:
				if e.Channel != next {
					t.Fatalf("channel %d is asked, want %d", e.Channel, next)
				}
				next--
				waiting = append(waiting, e)
			case updates.SetTimer:
				timers++
			}
		}
		if len(waiting) > 3 {
			t.Fatalf("%d calls at a time", len(waiting))
		}
	}
	take(m.Step(epoch, difference))
	for len(waiting) > 0 {
		call := waiting[0]
		waiting = waiting[1:]
		take(m.Step(epoch, updates.ChannelDifference{Channel: call.Channel, Outcome: updates.OutcomeFinal, Pts: 6}))
	}
	if next != quiet || timers > 1 {
		t.Errorf("channels down to %d were asked, want %d; %d timers were set", next+1, quiet+1, timers)
	}
}

// TestQuietChannelsAreNotAsked: an account in 6,000 channels of which no news came for a day asks only for
// the difference of the account, after each quarter of an hour, and never for one of a channel.
func TestQuietChannelsAreNotAsked(t *testing.T) {
	state := updates.State{Pts: 10, Date: 100, Channels: map[int64]int{}}
	for id := range int64(6000) {
		state.Channels[id+1] = 5
	}
	m, now := updates.New(state, updates.Config{}), epoch
	asked := 0
	for effects := m.Step(now, updates.Started{}); now.Before(epoch.Add(24 * time.Hour)); {
		var next updates.Input
		for _, e := range effects {
			switch e := e.(type) {
			case updates.GetChannelDifference:
				t.Fatalf("channel %d is asked after %s", e.Channel, now.Sub(epoch))
			case updates.GetDifference:
				asked++
				next = updates.Difference{Outcome: updates.OutcomeEmpty}
			case updates.SetTimer:
				if next == nil {
					now, next = e.At, updates.TimerFired{}
				}
			}
		}
		if next == nil {
			t.Fatalf("after %s nothing will ever be asked again: %v", now.Sub(epoch), effects)
		}
		effects = m.Step(now, next)
	}
	if asked < 2 || asked > 24*4+1 {
		t.Errorf("%d differences in a day", asked)
	}
}
