package tlupdates_test

import (
	"slices"
	"testing"

	"github.com/gotd/td/tg"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// volatileCopy is the same message as another answer of the server would show it.
func volatileCopy(m *tg.Message, n int) *tg.Message {
	c := *m
	c.Views, c.Forwards, c.MediaUnread, c.Mentioned = n, n, n%2 == 0, n%3 == 0
	c.Replies = tg.MessageReplies{Replies: n}
	if photo, ok := m.Media.(*tg.MessageMediaPhoto); ok {
		p := *photo.Photo.(*tg.Photo)
		p.FileReference, p.AccessHash = []byte{byte(n)}, int64(n)
		c.Media = &tg.MessageMediaPhoto{Photo: &p}
	}
	return &c
}

func drawMessage(rt *rapid.T, channel bool) *tg.Message {
	m := &tg.Message{ID: rapid.IntRange(1, 1000).Draw(rt, "id"), PeerID: &tg.PeerUser{UserID: 3}, Message: rapid.String().Draw(rt, "text")}
	if channel {
		m.PeerID = &tg.PeerChannel{ChannelID: 9}
	}
	if rapid.Bool().Draw(rt, "photo") {
		m.Media = &tg.MessageMediaPhoto{Photo: &tg.Photo{ID: rapid.Int64().Draw(rt, "photo id")}}
	}
	if rapid.Bool().Draw(rt, "edited") {
		m.EditDate = rapid.IntRange(1, 100).Draw(rt, "edit date")
	}
	return m
}

// TestPushAndDifferenceGiveTheSameID, for whatever is in the message.
func TestPushAndDifferenceGiveTheSameID(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		channel := rapid.Bool().Draw(rt, "channel")
		m := drawMessage(rt, channel)
		other := volatileCopy(m, rapid.IntRange(1, 50).Draw(rt, "n"))
		news, edit := tg.UpdateClass(&tg.UpdateNewMessage{Message: m}), tg.UpdateClass(&tg.UpdateEditMessage{Message: m, Pts: 4})
		later := tg.UpdateClass(&tg.UpdateEditMessage{Message: other, Pts: 9})
		if channel {
			news, edit = &tg.UpdateNewChannelMessage{Message: m}, &tg.UpdateEditChannelMessage{Message: m, Pts: 4}
			later = &tg.UpdateEditChannelMessage{Message: other, Pts: 9}
		}
		same := []tg.UpdateClass{
			&tg.UpdateDeleteMessages{Messages: []int{m.ID, 4}},
			&tg.UpdateBotCallbackQuery{QueryID: int64(m.ID), Peer: m.PeerID},
			&tg.UpdateMessagePollVote{Qts: m.ID, Peer: m.PeerID},
			&tg.UpdateReadHistoryInbox{Peer: m.PeerID, MaxID: m.ID},
			&tg.UpdatePinnedMessages{Peer: m.PeerID, Messages: []int{m.ID}, Pts: 7},
		}
		in, _ := tlupdates.FromUpdates(&tg.Updates{Updates: append([]tg.UpdateClass{news, edit}, same...)}, src, known{})
		pushed := ids(in.(updates.Received).Updates)

		var fetched []string
		if channel {
			d := tlupdates.FromChannelDifference(9, &tg.UpdatesChannelDifference{
				NewMessages: []tg.MessageClass{other}, OtherUpdates: append([]tg.UpdateClass{later}, same...)}, src)
			fetched = append(eventIDs(d.Messages), ids(d.Others)...)
		} else {
			d := tlupdates.FromDifference(&tg.UpdatesDifference{
				NewMessages: []tg.MessageClass{other}, OtherUpdates: append([]tg.UpdateClass{later}, same...)}, src)
			fetched = append(eventIDs(d.Messages), ids(d.Others)...)
		}
		if !slices.Equal(pushed, fetched) {
			rt.Fatalf("pushed %v\nfetched %v", pushed, fetched)
		}
	})
}

func eventIDs(events []updates.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}

// TestAnEditIsNewsWhereItsMessageIsNot: a bare message that was edited is its edit, if the
// message itself is known.
func TestAnEditIsNewsWhereItsMessageIsNot(t *testing.T) {
	m := &tg.Message{ID: 4, PeerID: &tg.PeerUser{UserID: 3}, Message: "b", EditDate: 9}
	d := tlupdates.FromDifference(&tg.UpdatesDifference{NewMessages: []tg.MessageClass{m}}, src)
	push := one(t, &tg.UpdateEditMessage{Message: m})
	if e := d.Messages[0]; e.IfSeen == nil || e.IfSeen.ID != push.Events[0].ID || e.ID != "pts:message_new:4" {
		t.Errorf("event %+v, edit %s", e, push.Events[0].ID)
	}
}

func TestEditsDifferByContent(t *testing.T) {
	base := tg.Message{ID: 4, PeerID: &tg.PeerUser{UserID: 3}, Message: "a", EditDate: 9}
	seen := map[string]string{}
	check := func(name string, change func(*tg.Message)) {
		m := base
		change(&m)
		id := one(t, &tg.UpdateEditMessage{Message: &m}).Events[0].ID
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s have one id %s", name, other, id)
		}
		seen[id] = name
	}
	check("nothing", func(m *tg.Message) {})
	check("text", func(m *tg.Message) { m.Message = "b" })
	check("date", func(m *tg.Message) { m.EditDate = 10 })
	check("entity", func(m *tg.Message) { m.Entities = []tg.MessageEntityClass{&tg.MessageEntityBold{Length: 1}} })
	check("other entity", func(m *tg.Message) { m.Entities = []tg.MessageEntityClass{&tg.MessageEntityItalic{Length: 1}} })
	check("photo", func(m *tg.Message) { m.Media = &tg.MessageMediaPhoto{Photo: &tg.Photo{ID: 1}} })
	check("other photo", func(m *tg.Message) { m.Media = &tg.MessageMediaPhoto{Photo: &tg.Photo{ID: 2}} })
	check("place", func(m *tg.Message) { m.Media = &tg.MessageMediaGeoLive{Geo: &tg.GeoPoint{Lat: 1.5}} })
	check("keyboard", func(m *tg.Message) { m.ReplyMarkup = &tg.ReplyInlineMarkup{} })
	check("reactions", func(m *tg.Message) {
		m.Reactions = tg.MessageReactions{Results: []tg.ReactionCount{{Reaction: &tg.ReactionEmoji{Emoticon: "x"}, Count: 1}}}
	})
}

// TestPinnedTwiceIsNewsTwice: what can be switched to and fro is told apart by its pts.
func TestPinnedTwiceIsNewsTwice(t *testing.T) {
	peer := &tg.PeerUser{UserID: 3}
	a := one(t, &tg.UpdatePinnedMessages{Pinned: true, Peer: peer, Messages: []int{1}, Pts: 5, PtsCount: 1})
	b := one(t, &tg.UpdatePinnedMessages{Pinned: true, Peer: peer, Messages: []int{1}, Pts: 9, PtsCount: 1})
	if a.Events[0].ID == b.Events[0].ID {
		t.Errorf("one id %s", a.Events[0].ID)
	}
}
