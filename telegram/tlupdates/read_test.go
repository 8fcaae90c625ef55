package tlupdates_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

func encoded(t testing.TB, u bin.Encoder) []byte {
	t.Helper()
	var b bin.Buffer
	if err := u.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Buf
}

// canonical has every payload as the log would hold it, written by this schema.
func canonical(t testing.TB, in updates.Received) updates.Received {
	t.Helper()
	in.Updates = slices.Clone(in.Updates)
	for i := range in.Updates {
		in.Updates[i].Events = slices.Clone(in.Updates[i].Events)
		for j := range in.Updates[i].Events {
			e := &in.Updates[i].Events[j]
			e.Payload = rewritten(t, e.Payload)
			if e.IfSeen != nil {
				again := *e.IfSeen
				again.Payload = rewritten(t, again.Payload)
				e.IfSeen = &again
			}
		}
	}
	return in
}

func rewritten(t testing.TB, payload any) string {
	t.Helper()
	data, err := tlupdates.Encode(payload)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tlupdates.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = tlupdates.Encode(p); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// usualUpdates has every kind of update that a Reader treats by itself, and some that it does not.
func usualUpdates(users int) *tg.Updates {
	text := &tg.Message{ID: 3, PeerID: &tg.PeerUser{UserID: 2}, Date: 5, Message: "hello"}
	post := &tg.Message{ID: 4, PeerID: &tg.PeerChannel{ChannelID: 9}, Date: 5, Message: "post", EditDate: 7, Views: 3}
	u := &tg.Updates{Date: 8, Seq: 6, Updates: []tg.UpdateClass{
		&tg.UpdateNewMessage{Message: text, Pts: 11, PtsCount: 1},
		&tg.UpdateNewChannelMessage{Message: post, Pts: 21, PtsCount: 1},
		&tg.UpdateEditMessage{Message: text, Pts: 12, PtsCount: 1},
		&tg.UpdateEditChannelMessage{Message: post, Pts: 22, PtsCount: 1},
		&tg.UpdateNewMessage{Message: &tg.MessageService{ID: 5, PeerID: &tg.PeerChat{ChatID: 7}, Action: &tg.MessageActionPinMessage{}}, Pts: 13, PtsCount: 1},
		&tg.UpdateNewMessage{Message: &tg.MessageEmpty{ID: 6}, Pts: 14, PtsCount: 1},
		&tg.UpdateDeleteMessages{Messages: []int{1, 2}, Pts: 16, PtsCount: 2},
		&tg.UpdateUserTyping{UserID: 2, Action: &tg.SendMessageTypingAction{}},
		&tg.UpdateBotCallbackQuery{QueryID: 5, UserID: 2, Peer: &tg.PeerUser{UserID: 2}, MsgID: 1},
		&tg.UpdateUserPhone{UserID: 2, Phone: "1"},
	}}
	for i := range users {
		u.Users = append(u.Users, &tg.User{ID: int64(i + 1), AccessHash: 5, FirstName: "anna"})
		u.Chats = append(u.Chats, &tg.Channel{ID: int64(i + 1), AccessHash: 6, Title: "news", Photo: &tg.ChatPhotoEmpty{}})
	}
	return u
}

// TestReaderSaysWhatFromUpdatesSays of what it reads.
func TestReaderSaysWhatFromUpdatesSays(t *testing.T) {
	u := usualUpdates(2)
	var r tlupdates.Reader
	got, came, ok := r.Read(encoded(t, u), src)
	if !ok {
		t.Fatal("the usual form is not read")
	}
	if diff := cmp.Diff(canonical(t, from(t, u)), canonical(t, got)); diff != "" {
		t.Error(diff)
	}
	if came == nil || !bytes.Equal(encoded(t, &tg.Updates{Users: u.Users, Chats: u.Chats}), encoded(t, came)) {
		t.Errorf("users and chats: %+v", came)
	}
}

// TestReaderGivesOutUsersAndChatsOnce, until one is new or it is told to forget.
func TestReaderGivesOutUsersAndChatsOnce(t *testing.T) {
	var r tlupdates.Reader
	read := func(u *tg.Updates) *tg.Updates {
		t.Helper()
		in, came, ok := r.Read(encoded(t, u), src)
		if !ok || in.Date != u.Date || in.Seq != u.Seq {
			t.Fatalf("%+v, %v", in, ok)
		}
		return came
	}
	if came := read(usualUpdates(1)); came == nil || len(came.Users) != 1 || len(came.Chats) != 1 {
		t.Errorf("the first time: %+v", came)
	}
	if came := read(usualUpdates(1)); came != nil {
		t.Errorf("the second time: %+v", came)
	}
	if came := read(usualUpdates(2)); came == nil || len(came.Users) != 2 {
		t.Errorf("another list: %+v", came)
	}
	renamed := usualUpdates(1)
	renamed.Users[0].(*tg.User).Username = "anna"
	if came := read(renamed); came == nil {
		t.Error("a user's new name is passed over")
	}
	if came := read(usualUpdates(1)); came != nil {
		t.Errorf("the third time: %+v", came)
	}
	r.Forget()
	if came := read(usualUpdates(1)); came == nil {
		t.Error("nothing is given out after Forget")
	}
}

// TestReaderLeavesTheRestAlone: a body that it does not read is as it was, for others to read.
func TestReaderLeavesTheRestAlone(t *testing.T) {
	whole := encoded(t, usualUpdates(1))
	others := [][]byte{
		encoded(t, &tg.UpdatesTooLong{}), encoded(t, &tg.UpdateShort{Update: &tg.UpdateUserName{UserID: 2}}), nil,
		encoded(t, &tg.Updates{Updates: []tg.UpdateClass{&tg.UpdateUserName{UserID: 2}}}),
		encoded(t, &tg.Updates{Updates: []tg.UpdateClass{
			&tg.UpdateNewMessage{Message: &tg.Message{ID: 3, PeerID: &tg.PeerUser{UserID: 2}}},
			&tg.UpdateNewChannelMessage{Message: &tg.Message{ID: 3, PeerID: &tg.PeerUser{UserID: 2}}}, // in no channel
		}}),
	}
	for n := 0; n < len(whole); n += bin.Word {
		others = append(others, whole[:n])
	}
	var r tlupdates.Reader
	if _, _, ok := r.Read(slices.Clone(whole), src); !ok { // it knows users and chats
		t.Fatal("the usual form is not read")
	}
	for _, body := range others {
		before := slices.Clone(body)
		if _, _, ok := r.Read(body, src); ok || !bytes.Equal(before, body) {
			t.Errorf("%x: read %v, now %x", before, ok, body)
		}
	}
}

// TestReaderKeepsPayloadsApart: the payload of one message does not reach into the next.
func TestReaderKeepsPayloadsApart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u := &tg.Updates{Date: 1}
		for range rapid.IntRange(1, 5).Draw(rt, "messages") {
			u.Updates = append(u.Updates, &tg.UpdateNewMessage{Message: drawMessage(rt, false), Pts: 4, PtsCount: 1})
		}
		var r tlupdates.Reader
		in, _, ok := r.Read(encoded(t, u), src)
		if !ok {
			rt.Fatal("the usual form is not read")
		}
		for i, one := range in.Updates {
			data, _ := tlupdates.Encode(one.Events[0].Payload)
			want, _ := tlupdates.Encode(tlupdates.Payload{Message: u.Updates[i].(*tg.UpdateNewMessage).Message})
			if !bytes.Equal(data, want) || cap(data) != len(data) {
				rt.Fatalf("message %d: %x, want %x", i, data, want)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(encoded(f, usualUpdates(1)))
	f.Add(encoded(f, &tg.Updates{Updates: []tg.UpdateClass{&tg.UpdateNewMessage{Message: &tg.MessageEmpty{ID: 6}}}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		u, wrong := tg.DecodeUpdates(&bin.Buffer{Buf: slices.Clone(body)})
		var r tlupdates.Reader
		got, _, ok := r.Read(slices.Clone(body), src)
		if wrong != nil {
			if ok {
				t.Fatalf("read what cannot be decoded: %v", wrong)
			}
			return
		}
		if ok {
			if diff := cmp.Diff(canonical(t, from(t, u)), canonical(t, got)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// BenchmarkRead is a message of somebody who wrote before.
func BenchmarkRead(b *testing.B) {
	text := &tg.Message{ID: 3, PeerID: &tg.PeerUser{UserID: 2}, FromID: &tg.PeerUser{UserID: 2}, Date: 5, Message: "what a message says in some forty letters"}
	text.SetFlags()
	body := encoded(b, &tg.Updates{Date: 8, Updates: []tg.UpdateClass{&tg.UpdateNewMessage{Message: text, Pts: 11, PtsCount: 1}},
		Users: []tg.UserClass{&tg.User{ID: 2, AccessHash: 5, FirstName: "anna"}}})
	var r tlupdates.Reader
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := r.Read(slices.Clone(body), src); !ok {
			b.Fatal("not read")
		}
	}
}
