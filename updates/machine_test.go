package updates_test

import (
	"runtime"
	"testing"

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
