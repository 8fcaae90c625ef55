package methodtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/keyboard"
	"github.com/telefleet/orchestrator/simulator/model"
)

// said has somebody write texts to a peer and returns the ids that the writer has of them.
func said(t *testing.T, by *person, to string, texts ...string) (ids []int32) {
	t.Helper()
	for _, text := range texts {
		ids = append(ids, must(by.SendMessage(deadline(t), to, client.Text(text)))(t).Message.GetId())
	}
	return ids
}

// letter is the simulator's copy of a message in somebody's box; nil if it is gone.
func letter(owner *person, id int32) (found *model.Letter) {
	inside(func(w *model.World) {
		if m := w.Users[owner.UserID].Box.Messages[int(id)]; m != nil {
			copied := *m
			post := *m.Post
			copied.Post, found = &post, &copied
		}
	})
	return found
}

func TestMethod19_SendMessageEx(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	talk := newRoom(t, anna, false, boris)
	asked := said(t, anna, talk.Name, "where is the key? under the mat")[0]
	first := said(t, anna, boris.Ref(), "first")[0]
	options := []client.SendOption{
		client.Entities(&client.Entity{Type: v1.EntityType_ENTITY_TYPE_BOLD, Length: 4}), client.Silent(), client.Background(), client.NoWebpage(),
		client.InvertMedia(), client.Noforwards(), client.Effect(5104841245755180586), client.ReplyTo(first), client.Quote("first"),
	}
	sent := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("bold https://example.org"), options...))(t)
	p := letter(anna, sent.Message.GetId()).Post
	want := model.Options{Silent: true, Background: true, InvertMedia: true, Noforwards: true, Effect: 5104841245755180586}
	if p.Options != want || len(p.Entities) != 1 || p.Media != nil || p.Reply.Quote != "first" || p.Reply.Post.Text != "first" {
		t.Errorf("the simulator has %+v", p)
	}
	elsewhere := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("see there"), client.ReplyIn(talk.Name, asked), client.QuoteAt(18, "under the mat")))(t)
	if r := letter(anna, elsewhere.Message.GetId()).Post.Reply; r.Elsewhere != talk.peer() || r.Quote != "under the mat" {
		t.Errorf("the simulator has %+v", r)
	}
	_, err := anna.SendMessage(deadline(t), boris.Ref(), client.Text("x"), client.ReplyTo(first), client.Quote("never said"))
	refused(t, err, "QUOTE_TEXT_INVALID")
	inside(func(w *model.World) {
		w.Users[anna.UserID].Dialogs[model.UserPeer(boris.UserID)].Draft = &tg.DraftMessage{Message: "unfinished"}
	})
	must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("done"), client.ClearDraft()))(t)
	inside(func(w *model.World) {
		if d := w.Users[anna.UserID].Dialogs[model.UserPeer(boris.UserID)].Draft; d != nil {
			t.Errorf("the draft is still there: %v", d)
		}
	})
	if sent := must(anna.SendMessage(deadline(t), talk.Name, client.Text("hidden"), client.SendAs(talk.Name)))(t); "@"+sent.Message.GetSender().GetUsername() != talk.Name {
		t.Errorf("sent as %v", sent.Message.GetSender())
	}
	_, err = boris.SendMessage(deadline(t), talk.Name, client.Text("hidden"), client.SendAs(talk.Name))
	refused(t, err, "SEND_AS_PEER_INVALID")
}

// TestMethod19_OneCommandIsOneMessage: however often a command is given under its name.
func TestMethod19_OneCommandIsOneMessage(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	ids := said(t, anna, boris.Ref(), "to forward")
	ctx := client.WithRequestID(deadline(t), "send-once")
	sent := must(anna.SendMessage(ctx, boris.Ref(), client.Text("only once")))(t)
	again := must(anna.SendMessage(ctx, boris.Ref(), client.Text("only once")))(t)
	if !again.Repeated || again.Message.GetId() != sent.Message.GetId() {
		t.Errorf("got %v, then %v", sent, again)
	}
	ctx = client.WithRequestID(ctx, "forward-once")
	first := must(anna.ForwardMessages(ctx, boris.Ref(), boris.Ref(), ids, client.ForwardOptions{}))(t)
	second := must(anna.ForwardMessages(ctx, boris.Ref(), boris.Ref(), ids, client.ForwardOptions{}))(t)
	if second[0].Message.GetId() != first[0].Message.GetId() {
		t.Errorf("got %v, then %v", first, second)
	}
	if got := texts(posts(boris.UserID, model.UserPeer(anna.UserID))); !slices.Equal(got, []string{"to forward", "only once", "to forward"}) {
		t.Errorf("the simulator has %q", got)
	}
}

func TestMethod19_Keyboards(t *testing.T) {
	t.Parallel()
	anna, robot := account(t), bot(t)
	said(t, anna, robot.Ref(), "/start")
	for _, k := range []keyboard.Keyboard{
		keyboard.Inline{
			keyboard.Row(keyboard.Callback("yes", "y"), keyboard.URL("more", "https://example.org")),
			keyboard.Row(keyboard.SwitchInlineHere("search", ""), keyboard.Copy("copy", "text"), keyboard.User("who", anna.Ref())),
		},
		&keyboard.Reply{Rows: [][]keyboard.ReplyButton{keyboard.ReplyRow(keyboard.Text("a"), keyboard.Phone("call me"))}, Resize: true},
		keyboard.Hide{}, keyboard.ForceReply{Placeholder: "answer"},
	} {
		sent := must(robot.SendMessage(deadline(t), fmt.Sprint(anna.UserID), client.Text("choose"), client.WithKeyboard(k)))(t)
		if got := letter(robot, sent.Message.GetId()).Post.Markup; got == nil {
			t.Errorf("%T: the simulator has none", k)
		} else if m, ok := got.(*tg.ReplyInlineMarkup); ok && (len(m.Rows) != 2 || string(m.Rows[0].Buttons[0].(*tg.KeyboardButtonCallback).Data) != "y") {
			t.Errorf("the simulator has %v", m)
		}
	}
	for _, k := range []keyboard.Keyboard{
		keyboard.Inline{keyboard.Row(keyboard.Callback("long", strings.Repeat("x", 65)))}, keyboard.Inline{keyboard.Row()},
		keyboard.Inline{keyboard.Row(keyboard.URL("bad", "no link"))}, &keyboard.Reply{},
	} {
		_, err := robot.SendMessage(deadline(t), fmt.Sprint(anna.UserID), client.Text("choose"), client.WithKeyboard(k))
		refused(t, err, "FIELD_INVALID")
	}
}

func TestMethod20_EditMessage(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	id := said(t, anna, boris.Ref(), "frist")[0]
	heard := boris.expect(t, func(e *client.Event) bool { return e.GetMessageEdited().GetText() == "first" })
	m := must(anna.EditMessage(deadline(t), boris.Ref(), id, client.Text("first"), client.Entities(&client.Entity{Type: v1.EntityType_ENTITY_TYPE_ITALIC, Length: 5})))(t)
	if p := letter(anna, id).Post; p.Text != "first" || len(p.Entities) != 1 || p.EditDate == 0 || m.GetEditDate().AsTime().Unix() != int64(p.EditDate) {
		t.Errorf("the simulator has %+v, the caller %v", p, m)
	}
	heard()
	same := must(anna.EditMessage(deadline(t), boris.Ref(), id, client.Text("first"), client.Entities(&client.Entity{Type: v1.EntityType_ENTITY_TYPE_ITALIC, Length: 5})))(t)
	if same != nil {
		t.Errorf("the same content: %v", same)
	}
	theirs := posts(boris.UserID, model.UserPeer(anna.UserID))[0].ID
	_, err := boris.EditMessage(deadline(t), anna.Ref(), int32(theirs), client.Text("not mine"))
	refused(t, err, "MESSAGE_AUTHOR_REQUIRED")
	talk := newRoom(t, anna, false, boris)
	id = said(t, anna, talk.Name, "old")[0]
	if out, err := cli(t, "edit", anna.ID(), talk.Name, fmt.Sprint(id), "new"); err != nil || !contains(out, "new") {
		t.Errorf("%v: %s", err, out)
	}
	if got := texts(posts(0, talk.peer())); !slices.Contains(got, "new") || slices.Contains(got, "old") {
		t.Errorf("the simulator has %q", got)
	}
}

func TestMethod22_ForwardMessages(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	var ids []int32
	inside(func(w *model.World) {
		for i := range 130 { // two calls
			p := &model.Post{From: anna.UserID, To: model.UserPeer(boris.UserID), Date: w.Now(), Text: fmt.Sprint(i), Copies: map[int64]int{}}
			w.Deliver(p, nil)
			ids = append(ids, int32(p.Copies[anna.UserID]))
		}
	})
	ids = slices.Insert(ids, 50, 999_999) // is not there
	got := must(anna.ForwardMessages(deadline(t), boris.Ref(), clara.Ref(), ids, client.ForwardOptions{Silent: true}))(t)
	kept := posts(clara.UserID, model.UserPeer(anna.UserID))
	if len(got) != 131 || len(kept) != 130 || got[50].Sent {
		t.Fatalf("%d outcomes, the simulator has %d; the missing one: %+v", len(got), len(kept), got[50])
	}
	for i, k := range kept {
		if k.Text != fmt.Sprint(i) || k.Forward.From != model.UserPeer(anna.UserID) || !k.Silent {
			t.Fatalf("no. %d: the simulator has %+v", i, k)
		}
	}
	if m := got[51].Message; m.GetText() != "50" || m.GetForward().GetFrom().GetId() != anna.UserID || got[51].OriginalID != ids[51] {
		t.Errorf("no. 51: %+v", got[51])
	}
	if out, err := cli(t, "forward", anna.ID(), boris.Ref(), "me", fmt.Sprint(ids[0]), "--drop-author"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if own := posts(anna.UserID, model.UserPeer(anna.UserID)); len(own) != 1 || own[0].Forward != nil || own[0].Text != "0" {
		t.Errorf("the simulator has %+v", own)
	}
	secret := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("keep"), client.Noforwards()))(t).Message.GetId()
	_, err := anna.ForwardMessages(deadline(t), boris.Ref(), clara.Ref(), []int32{secret}, client.ForwardOptions{})
	refused(t, err, "CHAT_FORWARDS_RESTRICTED")
}

func TestMethod23_DeleteMessages(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	ids := said(t, anna, boris.Ref(), "a", "b", "c")
	other := said(t, anna, clara.Ref(), "other")[0]
	heard := boris.expect(t, func(e *client.Event) bool { return len(e.GetMessagesDeleted().GetIds()) > 0 })
	if n := must(anna.DeleteMessages(deadline(t), boris.Ref(), []int32{ids[0], ids[0], other}, true))(t); n != 1 {
		t.Errorf("%d deleted", n)
	}
	heard()
	if letter(anna, ids[0]) != nil || letter(anna, other) == nil || !slices.Equal(texts(posts(boris.UserID, model.UserPeer(anna.UserID))), []string{"b", "c"}) {
		t.Error("the wrong ones are gone")
	}
	must(anna.DeleteMessages(deadline(t), boris.Ref(), ids[1:2], false))(t)
	if got := posts(boris.UserID, model.UserPeer(anna.UserID)); len(got) != 2 || letter(anna, ids[1]) != nil {
		t.Errorf("deleted for oneself: the other one has %q", texts(got))
	}
	// Without a peer: no id of which it is not known that it is no channel's.
	_, err := anna.DeleteMessages(deadline(t), "", []int32{ids[2], 999_999}, true)
	refused(t, err, "MESSAGE_ID_AMBIGUOUS")
	if letter(anna, ids[2]) == nil {
		t.Error("a message is gone though the command was refused")
	}
	must(anna.DeleteMessages(deadline(t), "", ids[2:], true))(t)
	if letter(anna, ids[2]) != nil {
		t.Error("the message is still there")
	}
	talk := newRoom(t, anna, false, boris)
	post := said(t, anna, talk.Name, "post")[0]
	_, err = boris.DeleteMessages(deadline(t), talk.Name, []int32{post}, true)
	refused(t, err, "MESSAGE_DELETE_FORBIDDEN")
	if out, err := cli(t, "delete", anna.ID(), talk.Name, fmt.Sprint(post)); err != nil || !contains(out, "1 deleted") {
		t.Errorf("%v: %s", err, out)
	}
	if slices.Contains(texts(posts(0, talk.peer())), "post") {
		t.Error("the post is still there")
	}
}

func TestMethod24_GetMessagesByID(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	ids := said(t, anna, boris.Ref(), "a", "b")
	foreign := said(t, anna, clara.Ref(), "foreign")[0]
	got := must(anna.Messages(deadline(t), boris.Ref(), ids[1], foreign, ids[0], 999_999, ids[1]))(t)
	var have []string
	for _, m := range got {
		have = append(have, m.GetText())
	}
	if !slices.Equal(have, []string{"b", "", "a", "", "b"}) || got[1] != nil || got[3] != nil {
		t.Errorf("got %q", have)
	}
	talk := newRoom(t, anna, false, boris)
	var many, want []int32
	inside(func(w *model.World) {
		for range 150 { // two calls
			p := &model.Post{From: boris.UserID, To: talk.peer(), Date: w.Now(), Text: "x"}
			w.Publish(w.Channels[talk.ID], p, w.Users[boris.UserID], nil)
			many = append(many, int32(p.ID))
		}
	})
	slices.Reverse(many)
	for _, m := range must(anna.Messages(deadline(t), talk.Name, many...))(t) {
		want = append(want, m.GetId())
	}
	if !slices.Equal(many, want) {
		t.Errorf("got %d of %d, or in another order", len(want), len(many))
	}
	if out, err := cli(t, "messages", "get", anna.ID(), boris.Ref(), fmt.Sprint(ids[0]), fmt.Sprint(foreign)); err != nil || !contains(out, "a", "not in this chat") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestMethod25_PinMessage(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	talk := newRoom(t, anna, false, boris)
	id, private := said(t, anna, talk.Name, "rules")[0], said(t, anna, boris.Ref(), "note")[0]
	if !must(anna.PinMessage(deadline(t), talk.Name, id, client.PinOptions{Silent: true}))(t) {
		t.Error("nothing changed")
	}
	all := posts(0, talk.peer())
	if note := all[len(all)-1]; note.Action == nil || !note.Silent || note.Reply.Post.ID != int(id) {
		t.Errorf("the simulator's last message is %+v", note)
	}
	if must(anna.PinMessage(deadline(t), talk.Name, id, client.PinOptions{}))(t) {
		t.Error("it changed twice")
	}
	_, err := boris.PinMessage(deadline(t), talk.Name, id, client.PinOptions{})
	refused(t, err, "CHAT_ADMIN_REQUIRED")
	must(anna.PinMessage(deadline(t), boris.Ref(), private, client.PinOptions{ForSelf: true}))(t)
	theirs := int32(posts(boris.UserID, model.UserPeer(anna.UserID))[0].ID)
	if !letter(anna, private).Pinned || letter(boris, theirs).Pinned {
		t.Error("it is not pinned for oneself alone")
	}
	if m := must(boris.PinnedMessage(deadline(t), talk.Name, 0))(t); m.GetId() != id || !m.GetPinned() {
		t.Errorf("the others see %v", m)
	}
}

func TestMethod26_UnpinMessage(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	id := said(t, anna, boris.Ref(), "note")[0]
	must(anna.PinMessage(deadline(t), boris.Ref(), id, client.PinOptions{}))(t)
	theirs := int32(posts(boris.UserID, model.UserPeer(anna.UserID))[0].ID)
	if !letter(boris, theirs).Pinned {
		t.Error("it is not pinned for both")
	}
	if out, err := cli(t, "unpin", anna.ID(), boris.Ref(), fmt.Sprint(id)); err != nil || !contains(out, "unpinned") {
		t.Errorf("%v: %s", err, out)
	}
	if letter(anna, id).Pinned || letter(boris, theirs).Pinned {
		t.Error("it is still pinned")
	}
	if must(anna.UnpinMessage(deadline(t), boris.Ref(), id))(t) {
		t.Error("it changed twice")
	}
}

// TestMethod27_UnpinAllMessages: Telegram unpins some at a time and says how many are left.
func TestMethod27_UnpinAllMessages(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	talk := newRoom(t, anna, false, boris)
	inside(func(w *model.World) {
		ch := w.Channels[talk.ID]
		var ids []int
		for range 250 {
			p := &model.Post{From: anna.UserID, To: talk.peer(), Date: w.Now(), Text: "x"}
			w.Publish(ch, p, w.Users[anna.UserID], nil)
			ids = append(ids, p.ID)
		}
		w.PinPosts(ch, ids, true, w.Users[anna.UserID], nil)
	})
	must(anna.Sync(deadline(t), false))(t)
	if n := must(anna.UnpinAllMessages(deadline(t), talk.Name, 0))(t); n != 250 {
		t.Errorf("%d unpinned", n)
	}
	for _, p := range posts(0, talk.peer()) {
		if p.Pinned {
			t.Fatalf("%d is still pinned", p.ID)
		}
	}
	// The counters of the answers were applied: the next message comes without a difference.
	heard := anna.expect(t, func(e *client.Event) bool { return e.GetMessageNew().GetText() == "after" })
	said(t, boris, talk.Name, "after")
	heard()
}

func TestMethod28_GetPinnedMessage(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	talk := newRoom(t, anna, false, boris)
	for _, chat := range []string{talk.Name, boris.Ref()} {
		if m := must(anna.PinnedMessage(deadline(t), chat, 0))(t); m != nil {
			t.Errorf("in %s: %v", chat, m)
		}
		for _, id := range said(t, anna, chat, "older", "newest") {
			must(anna.PinMessage(deadline(t), chat, id, client.PinOptions{}))(t)
		}
		if out, err := cli(t, "pinned", anna.ID(), chat); err != nil || !contains(out, "newest") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestMethod29_SendReaction(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	inside(func(w *model.World) { w.Users[anna.UserID].Premium = true })
	id := said(t, boris, anna.Ref(), "well?")[0]
	mine := int32(posts(anna.UserID, model.UserPeer(boris.UserID))[0].ID)
	heard := boris.expect(t, func(e *client.Event) bool { return len(e.GetReaction().GetCounts()) == 3 })
	react := []*client.Reaction{client.Emoji("🔥"), client.CustomEmoji(55), client.Emoji("👍")}
	counts := must(anna.SendReaction(deadline(t), boris.Ref(), mine, react, client.ReactOptions{Big: true, AddToRecent: true}))(t)
	if len(counts) != 3 || !counts[0].GetChosen() {
		t.Errorf("got %v", counts)
	}
	heard()
	check := func(want ...string) {
		t.Helper()
		var got []string
		for _, r := range letter(boris, id).Post.Reactions {
			name := "custom"
			if e, ok := r.What.(*tg.ReactionEmoji); ok {
				name = e.Emoticon
			}
			got = append(got, fmt.Sprint(name, r.Big))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the simulator has %q, want %q", got, want)
		}
	}
	check("🔥true", "customtrue", "👍true")
	inside(func(w *model.World) {
		if n := len(w.Users[anna.UserID].Recent); n != 3 {
			t.Errorf("%d recent reactions", n)
		}
	})
	if again := must(anna.SendReaction(deadline(t), boris.Ref(), mine, react, client.ReactOptions{}))(t); again != nil {
		t.Errorf("the same again: %v", again)
	}
	if out, err := cli(t, "react", anna.ID(), boris.Ref(), fmt.Sprint(mine), "👏"); err != nil || !contains(out, "👏") {
		t.Errorf("%v: %s", err, out)
	}
	check("👏false")
	must(anna.SendReaction(deadline(t), boris.Ref(), mine, nil, client.ReactOptions{}))(t)
	check()
	_, err := boris.SendReaction(deadline(t), anna.Ref(), id, []*client.Reaction{client.CustomEmoji(55)}, client.ReactOptions{})
	refused(t, err, "PREMIUM_ACCOUNT_REQUIRED")
}

func TestMethod42_GetScheduledMessages(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	at := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	later := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("later"), client.Schedule(at)))(t).Message
	online := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("when you are there"), client.WhenOnline()))(t).Message
	key := model.ScheduleKey{User: anna.UserID, Chat: model.UserPeer(boris.UserID)}
	inside(func(w *model.World) {
		if list := w.Waiting(key); len(list) != 2 || list[0].Date != int(at.Unix()) || list[1].Date != model.WhenOnline {
			t.Errorf("the simulator has %+v", list)
		}
	})
	list := must(anna.ScheduledMessages(deadline(t), boris.Ref()))(t)
	if len(list) != 2 || list[0].GetId() != online.GetId() || !list[1].GetDate().AsTime().Equal(at) {
		t.Errorf("got %v", list)
	}
	edited := must(anna.EditScheduledMessage(deadline(t), boris.Ref(), later.GetId(), client.Text("much later"), client.Schedule(at.Add(time.Hour))))(t)
	if edited.GetText() != "much later" || !edited.GetDate().AsTime().Equal(at.Add(time.Hour)) {
		t.Errorf("edited: %v", edited)
	}
	// They fire: the one when its reader comes online, the other when it is told to.
	heard := boris.expect(t, func(e *client.Event) bool { return e.GetMessageNew().GetText() == "when you are there" })
	inside(func(w *model.World) { w.Users[boris.UserID].Online = true })
	heard()
	sent := must(anna.SendScheduledMessages(deadline(t), boris.Ref(), later.GetId()))(t)
	if got := texts(posts(boris.UserID, model.UserPeer(anna.UserID))); len(sent) != 1 || !slices.Equal(got, []string{"when you are there", "much later"}) {
		t.Errorf("sent %v; the simulator has %q", sent, got)
	}
	for _, years := range []int{2, 60, 200} { // the last two are more than a date of Telegram's can hold
		_, err := anna.SendMessage(deadline(t), boris.Ref(), client.Text("x"), client.Schedule(at.AddDate(years, 0, 0)))
		refused(t, err, "SCHEDULE_DATE_TOO_LATE")
	}
	if got := texts(posts(boris.UserID, model.UserPeer(anna.UserID))); slices.Contains(got, "x") {
		t.Errorf("sent at once: the simulator has %q", got)
	}
}

func TestMethod43_DeleteScheduledMessages(t *testing.T) {
	t.Parallel()
	anna := account(t)
	for _, text := range []string{"a", "b", "c"} {
		if out, err := cli(t, "send", anna.ID(), "me", text, "--at", "24h"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	list := must(anna.ScheduledMessages(deadline(t), client.Self))(t)
	if err := anna.DeleteScheduledMessages(deadline(t), client.Self, list[0].GetId()); err != nil {
		t.Fatal(err)
	}
	if out, err := cli(t, "scheduled", "delete", anna.ID(), "me", fmt.Sprint(list[1].GetId())); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	me := model.UserPeer(anna.UserID)
	inside(func(w *model.World) {
		if rest := w.Waiting(model.ScheduleKey{User: anna.UserID, Chat: me}); len(rest) != 1 || rest[0].Text != list[2].GetText() {
			t.Errorf("the simulator has %v", rest)
		}
	})
	if sent := posts(anna.UserID, me); len(sent) != 0 {
		t.Errorf("sent: %q", texts(sent))
	}
	err := anna.DeleteScheduledMessages(deadline(t), client.Self, 999)
	refused(t, err, "MESSAGE_ID_INVALID")
}
