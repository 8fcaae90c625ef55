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
	"github.com/telefleet/orchestrator/simulator/model"
)

// backlog lets n new users write to somebody, and the first pinned of them be pinned. It returns the
// users in the order of the list.
func backlog(t *testing.T, owner *person, n, pinned int) (ids []int64) {
	t.Helper()
	inside(func(w *model.World) {
		u := w.Users[owner.UserID]
		for i := range n {
			from, err := w.NewUser(fmt.Sprintf("Writer %03d", i), "", 0)
			if err != nil {
				t.Error(err)
				return
			}
			p := &model.Post{From: from.ID, To: u.Peer(), Date: w.Now() - n + i, Text: fmt.Sprintf("letter %d", i), Copies: map[int64]int{}}
			w.Deliver(p, nil)
			ids = append(ids, from.ID)
			u.Dialogs[from.Peer()].Pinned = i < pinned
		}
	})
	first := slices.Clone(ids[:pinned])
	rest := slices.Clone(ids[pinned:])
	slices.Reverse(first)
	slices.Reverse(rest)
	return append(first, rest...)
}

func chatsOf(list []*client.Dialog) (ids []int64) {
	for _, d := range list {
		ids = append(ids, d.GetPeer().GetId())
	}
	return ids
}

func TestMethod35_GetDialogs(t *testing.T) {
	t.Parallel()
	anna := account(t)
	want := backlog(t, anna, 250, 3)
	inside(func(w *model.World) {
		d := w.Users[anna.UserID].Dialogs[model.UserPeer(want[5])]
		d.Draft = &tg.DraftMessage{Message: "not sent yet"}
	})
	var got []*client.Dialog
	var sizes []int
	for next, first := "", true; first || next != ""; first = false {
		page := must(anna.DialogsPage(deadline(t), client.MainList, 120, next))(t)
		got, next = append(got, page.Dialogs...), page.Next
		sizes = append(sizes, len(page.Dialogs))
	}
	if !slices.Equal(chatsOf(got), want) {
		t.Fatalf("pages of %v: %d chats, want %d in the order of the list", sizes, len(got), len(want))
	}
	if sizes[0] != 120 {
		t.Errorf("the first page has %d chats, want 120 though Telegram gives fewer at once", sizes[0])
	}
	for i, d := range got {
		if d.GetPinned() != (i < 3) || d.GetUnreadCount() != 1 || !strings.HasPrefix(d.GetTopMessage().GetText(), "letter ") || d.GetTopMessage().GetPeer().GetId() != want[i] {
			t.Fatalf("chat %d: %v", i, d)
		}
	}
	if got[5].GetDraft() != "not sent yet" {
		t.Errorf("the draft is %q", got[5].GetDraft())
	}
	inside(func(w *model.World) { w.Users[anna.UserID].Dialogs[model.UserPeer(want[7])].Folder = 1 })
	if page := must(anna.DialogsPage(deadline(t), client.Archive, 0, ""))(t); !slices.Equal(chatsOf(page.Dialogs), want[7:8]) || page.Dialogs[0].GetFolderId() != 1 {
		t.Errorf("archived are %v", page.Dialogs)
	}
	_, err := anna.DialogsPage(deadline(t), client.MainList, 0, "not a token")
	refused(t, err, "FIELD_INVALID")
}

// TestTopMessagesAreOfTheirOwnChat: ids of messages in channels and in the rest are the same numbers.
func TestTopMessagesAreOfTheirOwnChat(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	r := newRoom(t, boris, false, anna)
	var top int
	inside(func(w *model.World) {
		u, ch := w.Users[anna.UserID], w.Channels[r.ID]
		w.Tell(w.Users[boris.UserID], u, "in private")
		top = u.Dialogs[model.UserPeer(boris.UserID)].IDs[0]
		for ch.LastID < top {
			w.Publish(ch, &model.Post{From: boris.UserID, To: ch.Peer(), Date: w.Now(), Text: "in the room"}, w.Users[boris.UserID], nil)
		}
	})
	page := must(anna.DialogsPage(deadline(t), client.MainList, 0, ""))(t)
	texts := map[int64]string{}
	for _, d := range page.Dialogs {
		texts[d.GetPeer().GetId()] = d.GetTopMessage().GetText()
		if id := d.GetTopMessage().GetId(); int(id) != top {
			t.Fatalf("the newest message is %d, want the same number %d in both chats", id, top)
		}
	}
	if texts[boris.UserID] != "in private" || texts[-1000000000000-r.ID] != "in the room" {
		t.Errorf("the newest messages are %v", texts)
	}
}

func TestMethod36_IterDialogs(t *testing.T) {
	t.Parallel()
	anna := account(t)
	want := backlog(t, anna, 230, 2)
	var got []*client.Dialog
	for d, err := range anna.Dialogs(deadline(t), client.MainList) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, d.Item); d.Total != 230 {
			t.Fatalf("the total is %d, want 230", d.Total)
		}
	}
	if !slices.Equal(chatsOf(got), want) {
		t.Errorf("%d chats, want %d, each once, in the order of the list", len(got), len(want))
	}
	out := must(cli(t, "dialogs", anna.ID(), "--limit", "2"))(t)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], fmt.Sprint(want[0])+"\t") {
		t.Errorf("printed %q", out)
	}
	for _, err := range bot(t).Dialogs(deadline(t), client.MainList) {
		refused(t, err, "BOT_METHOD_INVALID")
	}
}

// talk lets somebody post n texts into a room, a second apart, the last one now.
func talk(t *testing.T, r room, from *person, n int, text func(i int) string) {
	t.Helper()
	r.look(func(w *model.World, ch *model.Channel) {
		for i := range n {
			w.Publish(ch, &model.Post{From: from.UserID, To: ch.Peer(), Date: w.Now() - n + 1 + i, Text: text(i)}, w.Users[from.UserID], nil)
		}
	})
}

func collected(t *testing.T, list func(func(client.Counted[*client.Message], error) bool)) (texts []string, total int) {
	t.Helper()
	list(func(m client.Counted[*client.Message], err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		texts, total = append(texts, m.Item.GetText()), m.Total
		return true
	})
	return texts, total
}

func TestMethod31_Search(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	r := newRoom(t, anna, false, boris)
	talk(t, r, anna, 150, func(i int) string { return fmt.Sprintf("word %03d of anna", i) })
	talk(t, r, boris, 150, func(i int) string { return fmt.Sprintf("word %03d of boris, see https://example.com", i) })
	var dates []int
	r.look(func(_ *model.World, ch *model.Channel) {
		for _, id := range ch.IDs {
			dates = append(dates, ch.Posts[id].Date)
		}
	})
	newestFirst := func(who string, from, to int) (out []string) {
		for i := to - 1; i >= from; i-- {
			text := fmt.Sprintf("word %03d of %s", i, who)
			if who == "boris" {
				text += ", see https://example.com"
			}
			out = append(out, text)
		}
		return out
	}
	search := func(query string, o client.SearchOptions) []string {
		t.Helper()
		texts, _ := collected(t, anna.Search(deadline(t), r.Name, query, o))
		return texts
	}
	texts, total := collected(t, anna.Search(deadline(t), r.Name, "word", client.SearchOptions{}))
	if want := append(newestFirst("boris", 0, 150), newestFirst("anna", 0, 150)...); !slices.Equal(texts, want) || total != 300 {
		t.Errorf("all: %d texts, total %d; want 300, newest first", len(texts), total)
	}
	if got := search("of", client.SearchOptions{Sender: boris.Ref()}); !slices.Equal(got, newestFirst("boris", 0, 150)) {
		t.Errorf("of a sender: %d", len(got))
	}
	if got := search("", client.SearchOptions{Filter: v1.SearchFilter_SEARCH_FILTER_URL, Limit: 7}); !slices.Equal(got, newestFirst("boris", 143, 150)) {
		t.Errorf("with links: %q", got)
	}
	if got := search("", client.SearchOptions{MinID: 10, MaxID: 15}); !slices.Equal(got, newestFirst("anna", 10, 14)) {
		t.Errorf("by ids: %q", got)
	}
	since, before := time.Unix(int64(dates[20]), 0), time.Unix(int64(dates[24]), 0)
	if got := search("anna", client.SearchOptions{Since: since, Before: before}); !slices.Equal(got, newestFirst("anna", 20, 24)) {
		t.Errorf("by dates: %q", got)
	}
	if got := search("", client.SearchOptions{OffsetID: 6}); !slices.Equal(got, newestFirst("anna", 0, 5)) {
		t.Errorf("older than an id: %q", got)
	}
	if got := search("nowhere", client.SearchOptions{}); len(got) != 0 {
		t.Errorf("nothing: %q", got)
	}
	out := must(cli(t, "search", anna.ID(), "anna", "--in", r.Name, "--limit", "1"))(t)
	if !strings.HasPrefix(out, r.Name+"\t") || !strings.Contains(out, "word 149 of anna") {
		t.Errorf("printed %q", out)
	}
}

func TestMethod33_SearchMessages(t *testing.T) {
	t.Parallel()
	anna := account(t)
	r := newRoom(t, anna, false)
	talk(t, r, anna, 260, func(i int) string { return fmt.Sprintf("text %d", i) })
	page := must(anna.SearchPage(deadline(t), r.Name, "text", client.SearchOptions{Limit: 250}))(t)
	if len(page.Messages) != 250 || page.Messages[0].GetText() != "text 259" || page.Messages[249].GetText() != "text 10" || page.NextID != page.Messages[249].GetId() {
		t.Fatalf("%d messages, next %d; want 250 though Telegram gives fewer at once", len(page.Messages), page.NextID)
	}
	page = must(anna.SearchPage(deadline(t), r.Name, "text", client.SearchOptions{Limit: 250, OffsetID: page.NextID}))(t)
	if len(page.Messages) != 10 || page.NextID != 0 {
		t.Errorf("the rest: %d messages, next %d", len(page.Messages), page.NextID)
	}
	_, err := anna.SearchPage(deadline(t), r.Name, "", client.SearchOptions{Limit: 10_001})
	refused(t, err, "FIELD_INVALID")
}

// scattered writes n texts in turn into a private chat, a group and a channel, all in a few seconds.
func scattered(t *testing.T, anna *person, n int) (want []string) {
	t.Helper()
	boris := account(t)
	group, posts := newRoom(t, anna, false), newRoom(t, anna, true)
	inside(func(w *model.World) {
		u := w.Users[anna.UserID]
		for i := range n {
			p := &model.Post{From: boris.UserID, To: u.Peer(), Date: w.Now() - n/40 + i/40, Text: fmt.Sprintf("needle %03d", i), Copies: map[int64]int{}}
			switch i % 3 {
			case 0:
				w.Deliver(p, nil)
			case 1:
				p.To, p.From = group.peer(), anna.UserID
				w.Publish(w.Channels[group.ID], p, u, nil)
			case 2:
				p.To, p.From = posts.peer(), anna.UserID
				w.Publish(w.Channels[posts.ID], p, u, nil)
			}
			want = append(want, p.Text)
		}
	})
	slices.Sort(want)
	return want
}

func TestMethod32_SearchGlobalBuilder(t *testing.T) {
	t.Parallel()
	anna := account(t)
	want := scattered(t, anna, 270)
	texts, total := collected(t, anna.SearchGlobal(deadline(t), "needle", client.SearchOptions{}))
	slices.Sort(texts)
	if !slices.Equal(texts, want) || total != 270 {
		t.Errorf("%d texts, total %d; want 270, each once over all pages", len(texts), total)
	}
	for kinds, rest := range map[v1.ChatKinds]int{v1.ChatKinds_CHAT_KINDS_USERS: 0, v1.ChatKinds_CHAT_KINDS_GROUPS: 1, v1.ChatKinds_CHAT_KINDS_BROADCASTS: 2} {
		texts, _ := collected(t, anna.SearchGlobal(deadline(t), "needle", client.SearchOptions{Kinds: kinds}))
		for _, text := range texts {
			var i int
			if _, err := fmt.Sscanf(text, "needle %d", &i); err != nil || i%3 != rest {
				t.Errorf("%s: %q", kinds, text)
			}
		}
		if len(texts) != 90 {
			t.Errorf("%s: %d texts, want 90", kinds, len(texts))
		}
	}
	archive := client.Archive
	if texts, _ := collected(t, anna.SearchGlobal(deadline(t), "needle", client.SearchOptions{Folder: &archive})); len(texts) != 0 {
		t.Errorf("in the archive: %d", len(texts))
	}
}

func TestMethod34_SearchGlobal(t *testing.T) {
	t.Parallel()
	anna := account(t)
	want := scattered(t, anna, 150)
	page := must(anna.SearchGlobalPage(deadline(t), "needle", client.SearchOptions{Limit: 120}, ""))(t)
	if len(page.Messages) != 120 || page.Next == "" || page.Total != 150 {
		t.Fatalf("%d messages, total %d, next %q; want 120 though Telegram gives fewer at once", len(page.Messages), page.Total, page.Next)
	}
	rest := must(anna.SearchGlobalPage(deadline(t), "needle", client.SearchOptions{Limit: 120}, page.Next))(t)
	var got []string
	for _, m := range append(page.Messages, rest.Messages...) {
		got = append(got, m.GetText())
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || rest.Next != "" {
		t.Errorf("both pages have %d messages, next %q; want each of 150 once", len(got), rest.Next)
	}
	out := must(cli(t, "search", anna.ID(), "needle", "--limit", "3"))(t)
	if strings.Count(out, "needle ") != 3 {
		t.Errorf("printed %q", out)
	}
}

func TestMethod39_MarkAsRead(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	r := newRoom(t, boris, false, anna)
	talk(t, r, boris, 5, func(i int) string { return fmt.Sprint("post ", i) })
	var last int
	inside(func(w *model.World) {
		for range 4 {
			last = w.Tell(w.Users[boris.UserID], w.Users[anna.UserID], "letter")
		}
	})
	dialog := func() (d model.Dialog) {
		inside(func(w *model.World) { d = *w.Users[anna.UserID].Dialogs[model.UserPeer(boris.UserID)] })
		return d
	}
	if err := anna.MarkRead(deadline(t), boris.Ref(), int32(last-1), 0); err != nil {
		t.Fatal(err)
	}
	if d := dialog(); d.ReadIn != last-1 {
		t.Errorf("up to %d is read, want %d", d.ReadIn, last-1)
	}
	if err := anna.MarkRead(deadline(t), boris.Ref(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if d := dialog(); d.ReadIn != last {
		t.Errorf("up to %d is read, want %d", d.ReadIn, last)
	}
	if err := anna.MarkRead(deadline(t), r.Name, 3, 0); err != nil {
		t.Fatal(err)
	}
	if m := r.member(anna.UserID); m.ReadIn != 3 {
		t.Errorf("in the room up to %d is read, want 3", m.ReadIn)
	}
	var topic int
	r.look(func(w *model.World, ch *model.Channel) {
		topic = ch.LastID + 1
		ch.Forum, ch.Topics = true, map[int]*model.Topic{topic: {ID: topic, Title: "A topic"}}
		for range 3 {
			w.Publish(ch, &model.Post{From: boris.UserID, To: ch.Peer(), Date: w.Now(), Text: "in the topic", TopicID: topic}, w.Users[boris.UserID], nil)
		}
	})
	if out, err := cli(t, "read", anna.ID(), r.Name, "--topic", fmt.Sprint(topic)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.look(func(_ *model.World, ch *model.Channel) {
		if got := ch.Topics[topic].ReadIn[anna.UserID]; got != ch.LastID {
			t.Errorf("in the topic up to %d is read, want %d", got, ch.LastID)
		}
	})
	// What was read counts in the update stream: nothing is missing afterwards.
	if skipped := must(anna.Sync(deadline(t), false))(t); len(skipped) != 0 {
		t.Errorf("skipped %v", skipped)
	}
}

func TestMethod40_ClearMentions(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	r := newRoom(t, boris, false, anna)
	talk(t, r, boris, 250, func(int) string { return "hello " + anna.Ref() })
	group, id := newGroup(t, boris, anna)
	inside(func(w *model.World) {
		for range 130 {
			w.Deliver(&model.Post{From: boris.UserID, To: model.GroupPeer(id), Date: w.Now(), Text: "hello " + anna.Ref(), Copies: map[int64]int{}}, nil)
		}
	})
	mentions := func(of model.Peer) (n int) {
		inside(func(w *model.World) { n = len(w.Users[anna.UserID].Dialogs[of].Mentions) })
		return n
	}
	if in, of := mentions(r.peer()), mentions(model.GroupPeer(id)); in != 250 || of != 130 {
		t.Fatalf("%d and %d mentions to begin with", in, of)
	}
	if page := must(anna.DialogsPage(deadline(t), client.MainList, 0, ""))(t); page.Dialogs[0].GetUnreadMentionsCount() == 0 {
		t.Errorf("the list shows no mentions: %v", page.Dialogs[0])
	}
	if out, err := cli(t, "clear-mentions", anna.ID(), r.Name); err != nil { // more than one call takes
		t.Fatalf("%v: %s", err, out)
	}
	if err := anna.ClearMentions(deadline(t), group, 0); err != nil {
		t.Fatal(err)
	}
	if in, of := mentions(r.peer()), mentions(model.GroupPeer(id)); in != 0 || of != 0 {
		t.Errorf("%d and %d mentions are left", in, of)
	}
	if skipped := must(anna.Sync(deadline(t), false))(t); len(skipped) != 0 {
		t.Errorf("skipped %v", skipped)
	}
}

func TestMethod41_DeleteDialog(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	r := newRoom(t, boris, false, anna)
	group, id := newGroup(t, boris, anna)
	inside(func(w *model.World) {
		for range 230 { // more than one call takes
			w.Tell(w.Users[boris.UserID], w.Users[anna.UserID], "letter")
		}
	})
	for _, chat := range []string{boris.Ref(), group} {
		if err := anna.DeleteDialog(deadline(t), chat); err != nil {
			t.Fatalf("%s: %v", chat, err)
		}
	}
	if out, err := cli(t, "delete-dialog", anna.ID(), r.Name); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	inside(func(w *model.World) {
		u := w.Users[anna.UserID]
		for _, p := range []model.Peer{model.UserPeer(boris.UserID), model.GroupPeer(id), r.peer()} {
			if d := u.Dialogs[p]; d != nil {
				t.Errorf("%v is still in the list, with %d messages", p, len(d.IDs))
			}
		}
		if w.Groups[id].Members[anna.UserID] != nil || w.Channels[r.ID].Members[anna.UserID] != nil {
			t.Error("still a member")
		}
		if n := len(w.Users[boris.UserID].Dialogs[model.UserPeer(anna.UserID)].IDs); n != 230 {
			t.Errorf("the other one has %d messages left, want all 230", n)
		}
	})
	// A second time it is gone already.
	if err := anna.DeleteDialog(deadline(t), group); err != nil {
		t.Errorf("again: %v", err)
	}
	if skipped := must(anna.Sync(deadline(t), false))(t); len(skipped) != 0 {
		t.Errorf("skipped %v", skipped)
	}
}
