package calls_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gotd/td/tg"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
)

func join(ids []int) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = fmt.Sprint(id)
	}
	return strings.Join(parts, " ")
}

func TestDifferenceIsSlicedAndMerged(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true, DifferenceSlice: 3})
	ann, bob := b.Person("ann"), b.Person("bob")
	simtest.Must(ann.Write(ann.To(bob), "0"))(t)
	st := simtest.Must(bob.UpdatesGetState(simtest.Ctx))(t)
	simtest.Must(ann.Write(ann.To(bob), "1"))(t)
	edit := func(id int, text string) {
		q := &tg.MessagesEditMessageRequest{Peer: ann.To(bob), ID: id}
		q.SetMessage(text)
		simtest.Must(ann.MessagesEditMessage(simtest.Ctx, q))(t)
	}
	edit(1, "old, edited")
	edit(2, "edited")
	edit(2, "edited twice")
	simtest.Must(ann.Write(ann.To(bob), "gone"))(t)
	simtest.Must(ann.MessagesDeleteMessages(simtest.Ctx, &tg.MessagesDeleteMessagesRequest{Revoke: true, ID: []int{3}}))(t)

	diff := simtest.Must(bob.UpdatesGetDifference(simtest.Ctx, &tg.UpdatesGetDifferenceRequest{Pts: st.Pts, Date: st.Date}))(t)
	s, ok := diff.(*tg.UpdatesDifferenceSlice)
	if !ok {
		t.Fatalf("got %T", diff)
	}
	if len(s.NewMessages) != 1 || s.NewMessages[0].(*tg.Message).Message != "edited twice" {
		t.Errorf("slice has %v", s.NewMessages)
	}
	if len(s.OtherUpdates) != 1 || s.IntermediateState.Pts != st.Pts+3 {
		t.Errorf("slice has %v, state %+v", s.OtherUpdates, s.IntermediateState)
	}
	last := simtest.Must(bob.UpdatesGetDifference(simtest.Ctx, &tg.UpdatesGetDifferenceRequest{Pts: s.IntermediateState.Pts, Date: st.Date}))(t).(*tg.UpdatesDifference)
	if len(last.NewMessages) != 0 || last.State.Pts != st.Pts+6 {
		t.Errorf("rest has %v, state %+v", last.NewMessages, last.State)
	}
	none := simtest.Must(bob.UpdatesGetDifference(simtest.Ctx, &tg.UpdatesGetDifferenceRequest{Pts: last.State.Pts, Date: st.Date}))(t)
	if none.TypeID() != tg.UpdatesDifferenceEmptyTypeID {
		t.Errorf("then %T", none)
	}
	long := simtest.Must(bob.UpdatesGetDifference(simtest.Ctx, &tg.UpdatesGetDifferenceRequest{Pts: st.Pts, PtsTotalLimit: 2, Date: st.Date}))(t)
	if long.TypeID() != tg.UpdatesDifferenceTooLongTypeID {
		t.Errorf("above pts_total_limit: %T", long)
	}
	for name, q := range map[string]*tg.UpdatesGetDifferenceRequest{
		"PERSISTENT_TIMESTAMP_EMPTY":   {Date: 1},
		"PERSISTENT_TIMESTAMP_INVALID": {Pts: 999, Date: 1},
		"DATE_EMPTY":                   {Pts: 1},
	} {
		_, err := bob.UpdatesGetDifference(simtest.Ctx, q)
		simtest.Refused(t, err, 400, name)
	}
}

func TestChannelDifferenceEndsOrIsTooLong(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true, ChannelTooLong: 20})
	ann, bob := b.Person("ann"), b.Person("bob")
	id := ann.NewChannel(false, bob)
	ask := func(pts, limit int) tg.UpdatesChannelDifferenceClass {
		return simtest.Must(bob.UpdatesGetChannelDifference(simtest.Ctx, &tg.UpdatesGetChannelDifferenceRequest{
			Channel: bob.Channel(id), Filter: &tg.ChannelMessagesFilterEmpty{}, Pts: pts, Limit: limit,
		}))(t)
	}
	start := b.Channels[id].Pts
	for range 15 {
		simtest.Must(ann.Write(ann.InChannel(id), "x"))(t)
	}
	part := ask(start, 10).(*tg.UpdatesChannelDifference)
	if part.Final || len(part.NewMessages) != 10 || part.Pts != start+10 {
		t.Errorf("first part: final %v, %d messages, pts %d", part.Final, len(part.NewMessages), part.Pts)
	}
	rest := ask(part.Pts, 10).(*tg.UpdatesChannelDifference)
	if timeout, ok := rest.GetTimeout(); !rest.Final || len(rest.NewMessages) != 5 || !ok || timeout == 0 {
		t.Errorf("rest: %+v", rest)
	}
	if e := ask(rest.Pts, 10); e.TypeID() != tg.UpdatesChannelDifferenceEmptyTypeID {
		t.Errorf("then %T", e)
	}
	for range 20 {
		simtest.Must(ann.Write(ann.InChannel(id), "x"))(t)
	}
	long := ask(start, 10).(*tg.UpdatesChannelDifferenceTooLong)
	if pts, _ := long.Dialog.(*tg.Dialog).GetPts(); pts != b.Channels[id].Pts || len(long.Messages) == 0 {
		t.Errorf("too long: %+v", long.Dialog)
	}
}

func TestLedgerNumbersWhatIsOwed(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, bob := b.Person("ann"), b.Person("bob")
	offline := simtest.Must(b.AddUser(model.UserSpec{Phone: "15557777", FirstName: "Off", HomeDC: 1}))(t)
	simtest.Must(ann.Write(ann.To(bob), "x"))(t)
	simtest.Must(b.Say(ann.ID, offline.ID, "x"))(t)
	entries := b.Ledger().Entries(0)
	if len(entries) != 3 { // Ann's own two, Bob's one; nobody is logged in as Off
		t.Fatalf("got %+v", entries)
	}
	for i, e := range entries {
		if e.Number != uint64(i+1) || e.Kind != model.KindMessageNew {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if e := entries[1]; e.UserID != bob.ID || e.PeerID != ann.ID || e.Box != "pts" || e.Out || e.ChatType != "user" {
		t.Errorf("recipient's entry: %+v", e)
	}
	if rest := b.Ledger().Entries(2); len(rest) != 1 || rest[0].Number != 3 {
		t.Errorf("since 2: %+v", rest)
	}
}

// TestNothingOwedIsLost drops pushes at random and lets a reference client of the update
// rules recover by differences: it must end up knowing every owed update or a later state
// of the same message, with exactly the server's counters.
func TestNothingOwedIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := simtest.New(t, model.Config{Seed: rapid.Uint64().Draw(rt, "seed"), DifferenceSlice: rapid.IntRange(1, 20).Draw(rt, "slice")})
		people := []*simtest.Session{b.Person("ann"), b.Person("bob"), b.Person("cat"), b.Robot("bot")}
		simtest.Must(people[0].Write(people[0].To(people[3]), "/start"))(b.T)
		group := people[0].NewGroup(people[1:]...)
		channel := people[0].NewChannel(false, people[1:]...)
		var clients []*reference
		for _, p := range people {
			clients = append(clients, newReference(p, channel))
		}
		first := b.Ledger().Last()
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			randomStep(rt, b, people, group, channel)
			for _, c := range clients {
				c.listen(func() bool { return rapid.IntRange(0, 3).Draw(rt, "drop") == 0 })
			}
		}
		for _, c := range clients {
			c.difference()
			c.check(rt, b.Ledger().Entries(first))
		}
	})
}

func randomStep(rt *rapid.T, b *simtest.Bench, people []*simtest.Session, group, channel int64) {
	s := people[rapid.IntRange(0, len(people)-1).Draw(rt, "who")]
	other := people[rapid.IntRange(0, 2).Draw(rt, "whom")]
	peers := []tg.InputPeerClass{s.To(other), &tg.InputPeerChat{ChatID: group}, s.InChannel(channel)}
	in := peers[rapid.IntRange(0, len(peers)-1).Draw(rt, "where")]
	id := rapid.IntRange(1, 40).Draw(rt, "id")
	text := rapid.StringMatching(`[a-z]{1,8}`).Draw(rt, "text")
	// Refusals are fine: most random ids belong to nobody.
	switch rapid.IntRange(0, 7).Draw(rt, "what") {
	case 0, 1, 2:
		_, _ = s.Write(in, text)
	case 3:
		q := &tg.MessagesEditMessageRequest{Peer: in, ID: id}
		q.SetMessage(text)
		_, _ = s.MessagesEditMessage(simtest.Ctx, q)
	case 4:
		_, _ = s.MessagesDeleteMessages(simtest.Ctx, &tg.MessagesDeleteMessagesRequest{Revoke: true, ID: []int{id, id + 3}})
	case 5:
		_, _ = s.ChannelsDeleteMessages(simtest.Ctx, &tg.ChannelsDeleteMessagesRequest{Channel: s.Channel(channel), ID: []int{id}})
	case 7:
		_, _ = s.MessagesUpdatePinnedMessage(simtest.Ctx, &tg.MessagesUpdatePinnedMessageRequest{Peer: in, ID: id, Unpin: id%3 == 0, PmOneside: id%2 == 0})
	case 6:
		_, _ = s.MessagesReadHistory(simtest.Ctx, &tg.MessagesReadHistoryRequest{Peer: in})
	}
	b.Time = b.Time.Add(1e9)
}
