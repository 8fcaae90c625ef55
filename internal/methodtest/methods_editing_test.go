package methodtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/model"
)

// shown is what a post carries, as a viewer sees it.
func shown(p model.Post, viewer *person) tg.MessageMediaClass {
	if p.Media == nil {
		return nil
	}
	var m tg.MessageMediaClass
	inside(func(*model.World) { m = p.Media.Render(viewer.UserID) })
	return m
}

// drawn is a picture of this size on disk.
func drawn(t *testing.T, w, h int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), fmt.Sprintf("%dx%d.jpg", w, h))
	if err := os.WriteFile(path, picture(t, w, h), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMethod20_EditMedia: what a message carries is replaced by a file of this machine, by one that Telegram
// has, and a text gets one.
func TestMethod20_EditMedia(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	sent := must(anna.SendFile(deadline(t), boris.Ref(), client.Local(drawn(t, 400, 300)), client.Text("the view")))(t).Message
	heard := boris.expect(t, func(e *client.Event) bool { return e.GetMessageEdited().GetMedia().GetWidth() == 640 })
	m := must(anna.EditFile(deadline(t), boris.Ref(), sent.GetId(), client.Local(drawn(t, 640, 480)).Spoiler(), client.Markdown("*sharper*")))(t)
	post := *letter(anna, sent.GetId()).Post
	photo, _ := shown(post, anna).(*tg.MessageMediaPhoto)
	if photo == nil || !photo.Spoiler || post.Text != "sharper" || len(post.Entities) != 1 || post.EditDate == 0 {
		t.Fatalf("the simulator has %+v with %v", post, photo)
	}
	if got, _ := photo.Photo.(*tg.Photo); m.GetMedia().GetFileId() != got.ID || m.GetMedia().GetFileId() == sent.GetMedia().GetFileId() || m.GetMedia().GetWidth() != 640 {
		t.Errorf("the caller got %v", m.GetMedia())
	}
	if e := heard().GetMessageEdited(); e.GetMedia().GetFileId() != m.GetMedia().GetFileId() || e.GetText() != "sharper" {
		t.Errorf("the other one heard %v", e)
	}

	// A document of another message takes its place; its reference has expired since and is found again. The
	// caption goes with what it was of.
	paper := must(anna.SendFile(deadline(t), "me", client.Uploaded(must(anna.Upload(deadline(t), strings.NewReader("words"), client.UploadOptions{Name: "paper.txt"}))(t)), nil))(t).Message
	sim.Files(func(s *files.Store) { s.ExpireReferences() })
	stored := client.Stored(client.FileOf("me", paper.GetId()))
	m = must(anna.EditFile(deadline(t), boris.Ref(), sent.GetId(), stored, nil))(t)
	post = *letter(anna, sent.GetId()).Post
	if d, _ := shown(post, anna).(*tg.MessageMediaDocument); d == nil || post.Text != "" || m.GetMedia().GetFileId() != paper.GetMedia().GetFileId() || m.GetMedia().GetFileName() != "paper.txt" {
		t.Fatalf("the simulator has %+v with %v, the caller %v", post, d, m)
	}
	if same := must(anna.EditFile(deadline(t), boris.Ref(), sent.GetId(), stored, nil))(t); same != nil {
		t.Errorf("the same content: %v", same)
	}

	// By hand, and into a text.
	text := said(t, anna, boris.Ref(), "soon with a picture")[0]
	if out, err := cli(t, "edit", anna.ID(), boris.Ref(), fmt.Sprint(text), "now", "--photo", drawn(t, 320, 200)); err != nil || !contains(out, "now") {
		t.Errorf("%v: %s", err, out)
	}
	post = *letter(anna, text).Post
	if photo, _ := shown(post, anna).(*tg.MessageMediaPhoto); photo == nil || post.Text != "now" {
		t.Errorf("the simulator has %+v with %v", post, photo)
	}
	if out, err := cli(t, "edit", anna.ID(), boris.Ref(), fmt.Sprint(text), "on paper", "--file-of", fmt.Sprintf("me:%d", paper.GetId())); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if d, _ := shown(*letter(anna, text).Post, anna).(*tg.MessageMediaDocument); d == nil {
		t.Errorf("the simulator has %+v", letter(anna, text).Post)
	}
	later := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("later"), client.Schedule(time.Now().Add(time.Hour))))(t).Message
	must(anna.EditScheduledFile(deadline(t), boris.Ref(), later.GetId(), stored, client.Text("later, on paper"), client.Schedule(time.Now().Add(2*time.Hour))))(t)
	waiting := must(anna.ScheduledMessages(deadline(t), boris.Ref()))(t)
	if len(waiting) != 1 || waiting[0].GetText() != "later, on paper" || waiting[0].GetMedia().GetFileName() != "paper.txt" {
		t.Errorf("there wait %v", waiting)
	}
}

// TestMethod20_MediaThatCannotBeEdited: of ours before anything is sent, and of Telegram's own.
func TestMethod20_MediaThatCannotBeEdited(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	photo := client.Local(drawn(t, 100, 100))
	edit := func(id int32, file client.OutgoingFile) error {
		_, err := anna.EditFile(deadline(t), boris.Ref(), id, file, nil)
		return err
	}
	upload := func(name string) client.OutgoingFile {
		return client.Uploaded(must(anna.Upload(deadline(t), strings.NewReader(name), client.UploadOptions{Name: name}))(t))
	}
	send := func(file client.OutgoingFile) int32 {
		return must(anna.SendFile(deadline(t), boris.Ref(), file, nil))(t).Message.GetId()
	}
	voice, seconds, text := send(upload("a.ogg").As(client.AsVoice)), send(photo.SeenFor(5*time.Second)), said(t, anna, boris.Ref(), "text")[0]
	refused(t, edit(voice, photo), "MEDIA_PREV_INVALID")
	refused(t, edit(seconds, photo), "MEDIA_PREV_INVALID")
	refused(t, edit(text, upload("b.ogg").As(client.AsVoice)), "MEDIA_NEW_INVALID")
	refused(t, edit(text, client.Stored(client.FileOf(boris.Ref(), voice))), "MEDIA_NEW_INVALID")
	refused(t, edit(text, photo.SeenFor(5*time.Second)), "MEDIA_TTL_INVALID")
	refused(t, edit(text, client.FromURL("nowhere")), "FIELD_INVALID")
	_, err := anna.EditFile(deadline(t), boris.Ref(), text, photo, client.Text(strings.Repeat("x", 4097)))
	refused(t, err, "MEDIA_CAPTION_TOO_LONG")
	_, err = boris.EditFile(deadline(t), anna.Ref(), int32(posts(boris.UserID, model.UserPeer(anna.UserID))[2].ID), photo, nil)
	refused(t, err, "MESSAGE_AUTHOR_REQUIRED")
	if p := letter(anna, text).Post; p.Media != nil || p.Text != "text" || p.EditDate != 0 {
		t.Errorf("the simulator has %+v", p)
	}

	album := must(anna.SendAlbum(deadline(t), boris.Ref(), []client.OutgoingFile{photo, photo}, nil))(t).Messages
	refused(t, edit(album[0].GetId(), upload("c.txt")), "MEDIA_GROUPED_INVALID")
	if err := edit(album[0].GetId(), client.Local(drawn(t, 120, 90))); err != nil {
		t.Errorf("one photo of an album by another: %v", err)
	}
	if p := letter(anna, album[0].GetId()).Post; p.GroupedID == 0 || p.GroupedID != letter(anna, album[1].GetId()).Post.GroupedID {
		t.Errorf("it is no longer in its album: %+v", p)
	}
}

// TestMethod20_EditMediaOfPost: in a channel.
func TestMethod20_EditMediaOfPost(t *testing.T) {
	t.Parallel()
	anna := account(t)
	news := newRoom(t, anna, true)
	id := must(anna.SendFile(deadline(t), news.Name, client.Local(drawn(t, 200, 200)), client.Text("old")))(t).Message.GetId()
	file := must(anna.UploadFile(deadline(t), drawn(t, 300, 300), client.UploadOptions{}))(t)
	m := must(anna.EditFile(deadline(t), news.Name, id, client.Uploaded(file).As(client.AsDocument), client.Text("new")))(t)
	var d *tg.MessageMediaDocument
	for _, p := range posts(0, news.peer()) {
		if p.ID == int(id) {
			d, _ = shown(p, anna).(*tg.MessageMediaDocument)
		}
	}
	if d == nil || m.GetText() != "new" || m.GetMedia().GetKind() != "document" || m.GetId() != id {
		t.Errorf("the simulator has %v, the caller %v", d, m)
	}
}
