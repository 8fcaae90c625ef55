package methodtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator/model"
)

// newForum makes a supergroup with topics and one topic in it besides the general one.
func newForum(t *testing.T, creator *person, members ...*person) (r room, topic int32) {
	t.Helper()
	r = newRoom(t, creator, false, members...)
	said(t, creator, r.Name, "before there were topics") // 1 is the general one
	r.look(func(w *model.World, ch *model.Channel) {
		ch.Forum, ch.Topics = true, map[int]*model.Topic{model.GeneralTopic: {ID: model.GeneralTopic, Title: "General", Creator: creator.UserID}}
	})
	return r, newTopic(t, creator, r)
}

// newTopic has somebody make a topic.
func newTopic(t *testing.T, by *person, r room) (topic int32) {
	t.Helper()
	must(by.ResolvePeer(deadline(t), r.Name))(t)
	var hash int64
	inside(func(w *model.World) { hash = w.AccessHash(by.UserID, r.peer()) })
	raw(t, by, fmt.Sprintf(`{"_":"messages.createForumTopic","peer":{"_":"inputPeerChannel","channel_id":%d,"access_hash":%d},"title":"News","random_id":%d}`,
		r.ID, hash, numbers.Add(1)))
	r.look(func(_ *model.World, ch *model.Channel) { topic = int32(ch.LastID) })
	return topic
}

// said is what the simulator has in a topic, service messages excepted.
func (r room) said(topic int32) (out []model.Post) {
	for _, p := range posts(0, r.peer()) {
		if p.TopicID == int(topic) && p.Action == nil {
			out = append(out, p)
		}
	}
	return out
}

// pictures are photos to send.
func pictures(t *testing.T, n int) (files []client.OutgoingFile) {
	t.Helper()
	for i := range n {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.jpg", i))
		if err := os.WriteFile(path, picture(t, 100, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, client.Local(path))
	}
	return files
}

// TestMethod19_IntoATopic: texts, answers, files and albums come into the topic that is named, by the SDK and by
// the command line.
func TestMethod19_IntoATopic(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	talk, news := newForum(t, anna, boris)
	other := newTopic(t, anna, talk)
	heard := boris.expect(t, func(e *client.Event) bool { return e.GetMessageNew().GetText() == "one" })
	one := must(anna.SendMessage(deadline(t), talk.Name, client.Text("one"), client.Topic(news)))(t).Message
	if to := heard().GetMessageNew().GetReply(); !to.GetForumTopic() || to.GetMessageId() != news {
		t.Errorf("the reader hears of %v", to)
	}
	must(anna.SendMessage(deadline(t), talk.Name, client.Text("answer"), client.Topic(news), client.ReplyTo(one.GetId())))(t)
	must(anna.SendFile(deadline(t), talk.Name, pictures(t, 1)[0], client.Text("file"), client.Topic(news)))(t)
	must(anna.SendAlbum(deadline(t), talk.Name, pictures(t, 2), client.Text("album"), client.Topic(news)))(t)
	must(anna.SendMessage(deadline(t), talk.Name, client.Text("elsewhere"), client.Topic(other)))(t)
	must(anna.SendMessage(deadline(t), talk.Name, client.Text("general")))(t)
	if out, err := cli(t, "send", boris.ID(), talk.Name, "by hand", "--topic", fmt.Sprint(news)); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	got := talk.said(news)
	if !slices.Equal(texts(got), []string{"one", "answer", "file", "album", "", "by hand"}) {
		t.Fatalf("the topic has %q", texts(got))
	}
	if got[0].Reply != nil || got[1].Reply == nil || got[1].Reply.Post.ID != int(one.GetId()) || got[3].GroupedID == 0 || got[3].GroupedID != got[4].GroupedID {
		t.Errorf("the topic has %+v", got)
	}
	if got := texts(talk.said(other)); !slices.Equal(got, []string{"elsewhere"}) {
		t.Errorf("the other topic has %q", got)
	}
	if got := texts(talk.said(model.GeneralTopic)); !slices.Equal(got, []string{"general"}) {
		t.Errorf("the general topic has %q", got)
	}
	_, err := anna.SendMessage(deadline(t), talk.Name, client.Text("nowhere"), client.Topic(999_999))
	refused(t, err, "REPLY_MESSAGE_ID_INVALID")
	talk.look(func(_ *model.World, ch *model.Channel) { ch.Topics[int(news)].Closed = true })
	_, err = boris.SendMessage(deadline(t), talk.Name, client.Text("too late"), client.Topic(news))
	refused(t, err, "TOPIC_CLOSED")
}

// TestMethod22_IntoATopic: and so do forwarded messages.
func TestMethod22_IntoATopic(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	talk, news := newForum(t, anna, boris)
	ids := said(t, anna, boris.Ref(), "one", "two")
	got := must(anna.ForwardMessages(deadline(t), boris.Ref(), talk.Name, ids, client.ForwardOptions{Topic: news, Silent: true}))(t)
	if out, err := cli(t, "forward", anna.ID(), boris.Ref(), talk.Name, fmt.Sprint(ids[0]), "--topic", fmt.Sprint(news)); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	kept := talk.said(news)
	if !slices.Equal(texts(kept), []string{"one", "two", "one"}) || !kept[0].Silent || kept[2].Silent {
		t.Fatalf("the topic has %+v", kept)
	}
	for i, m := range got {
		if int(m.Message.GetId()) != kept[i].ID || kept[i].Forward.From != model.UserPeer(anna.UserID) {
			t.Errorf("no. %d: %v, the simulator has %+v", i, m, kept[i])
		}
	}
	if got := talk.said(model.GeneralTopic); len(got) != 0 {
		t.Errorf("the general topic has %q", texts(got))
	}
	_, err := anna.ForwardMessages(deadline(t), boris.Ref(), talk.Name, ids, client.ForwardOptions{Topic: 999_999})
	refused(t, err, "REPLY_MESSAGE_ID_INVALID")
}

// TestMethod22_AlbumStaysAnAlbum: with a number of its own, in its order, whatever is left out of it.
func TestMethod22_AlbumStaysAnAlbum(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	ids := said(t, anna, boris.Ref(), "before")
	files := pictures(t, 3)
	files[1] = files[1].Caption(client.Text("the second"))
	album := must(anna.SendAlbum(deadline(t), boris.Ref(), files, client.Text("the first")))(t)
	for _, m := range album.Messages {
		ids = append(ids, m.GetId())
	}
	ids = append(ids, said(t, anna, boris.Ref(), "after")...)
	from := model.UserPeer(anna.UserID)
	for name, c := range map[string]struct {
		o     client.ForwardOptions
		texts []string
		from  bool
	}{
		"as it is":         {client.ForwardOptions{}, []string{"before", "the first", "the second", "", "after"}, true},
		"without author":   {client.ForwardOptions{DropAuthor: true}, []string{"before", "the first", "the second", "", "after"}, false},
		"without captions": {client.ForwardOptions{DropCaptions: true, DropAuthor: true}, []string{"before", "", "", "", "after"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			had := len(posts(clara.UserID, from))
			told := must(anna.ForwardMessages(deadline(t), boris.Ref(), clara.Ref(), ids, c.o))(t)
			kept := posts(clara.UserID, from)[had:]
			if !slices.Equal(texts(kept), c.texts) || len(told) != len(kept) {
				t.Fatalf("%d outcomes, the simulator has %q", len(told), texts(kept))
			}
			for i, k := range kept {
				in := i >= 1 && i <= 3
				if in != (k.GroupedID != 0) || in && k.GroupedID != kept[1].GroupedID || k.GroupedID == album.Messages[0].GetGroupedId() && in || c.from != (k.Forward != nil) {
					t.Errorf("no. %d: the simulator has %+v", i, k)
				}
				if told[i].OriginalID != ids[i] || told[i].Message.GetGroupedId() != k.GroupedID || int(told[i].Message.GetId()) != k.Copies[anna.UserID] {
					t.Errorf("no. %d: the caller is told %v", i, told[i])
				}
			}
		})
	}
}

// TestMethod22_NoHundredCutsAnAlbum: of what goes in several calls.
func TestMethod22_NoHundredCutsAnAlbum(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	album := func(i int) int64 {
		switch {
		case i >= 97 && i < 107: // across the first hundred
			return 1
		case i >= 188 && i < 198: // across the second, which begins at 97
			return 2
		}
		return 0
	}
	var ids []int32
	inside(func(w *model.World) {
		for i := range 250 {
			p := &model.Post{From: anna.UserID, To: model.UserPeer(boris.UserID), Date: w.Now(), Text: fmt.Sprint(i), GroupedID: album(i), Copies: map[int64]int{}}
			w.Deliver(p, nil)
			ids = append(ids, int32(p.Copies[anna.UserID]))
		}
	})
	got := must(anna.ForwardMessages(deadline(t), boris.Ref(), clara.Ref(), ids, client.ForwardOptions{}))(t)
	kept := posts(clara.UserID, model.UserPeer(anna.UserID))
	if len(got) != 250 || len(kept) != 250 {
		t.Fatalf("%d outcomes, the simulator has %d", len(got), len(kept))
	}
	groups := map[int64]int64{} // of the original by that of the copy
	for i, k := range kept {
		if k.Text != strconv.Itoa(i) || got[i].OriginalID != ids[i] || !got[i].Sent {
			t.Fatalf("no. %d: the simulator has %+v, the caller is told %v", i, k, got[i])
		}
		if had, ok := groups[k.GroupedID]; ok && had != album(i) {
			t.Errorf("no. %d is in an album with others", i)
		}
		groups[k.GroupedID] = album(i)
	}
	if len(groups) != 3 { // the two, and none
		t.Errorf("two albums have become %d", len(groups)-1)
	}
}

// TestMethod22_Later: scheduled copies wait together, in their order.
func TestMethod22_Later(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	ids := said(t, anna, boris.Ref(), "text")
	for _, m := range must(anna.SendAlbum(deadline(t), boris.Ref(), pictures(t, 2), client.Text("album")))(t).Messages {
		ids = append(ids, m.GetId())
	}
	at := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	told := must(anna.ForwardMessages(deadline(t), boris.Ref(), clara.Ref(), ids, client.ForwardOptions{Schedule: at, Silent: true}))(t)
	waiting := must(anna.ScheduledMessages(deadline(t), clara.Ref()))(t)
	if len(posts(clara.UserID, model.UserPeer(anna.UserID))) != 0 || len(waiting) != 3 || len(told) != 3 {
		t.Fatalf("%d wait: %v", len(waiting), waiting)
	}
	var kept []*model.Post
	inside(func(w *model.World) {
		kept = w.Waiting(model.ScheduleKey{User: anna.UserID, Chat: model.UserPeer(clara.UserID)})
	})
	for i, text := range []string{"text", "album", ""} {
		if k := kept[i]; k.Text != text || k.Date != int(at.Unix()) || !k.Silent || int(told[i].Message.GetId()) != k.ID {
			t.Errorf("no. %d: the simulator has %+v, the caller is told %v", i, k, told[i])
		}
	}
	if kept[0].GroupedID != 0 || kept[1].GroupedID == 0 || kept[1].GroupedID != kept[2].GroupedID {
		t.Errorf("the album has become %d, %d", kept[1].GroupedID, kept[2].GroupedID)
	}
	when := time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)
	if out, err := cli(t, "forward", anna.ID(), boris.Ref(), clara.Ref(), fmt.Sprint(ids[0]), "--at", when, "--drop-author"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := must(anna.ScheduledMessages(deadline(t), clara.Ref()))(t); len(got) != 4 {
		t.Errorf("%d wait", len(got))
	}
}
