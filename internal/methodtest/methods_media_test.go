package methodtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/faultproxy"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// noise is data that nothing compresses.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b) // never fails
	return b
}

func picture(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func reason(err error) string {
	var e *client.Error
	if errors.As(err, &e) {
		return string(e.Reason)
	}
	return ""
}

// kept is the file that the simulator keeps under this id, and its bytes.
func kept(t *testing.T, id int64) (*files.File, []byte) {
	t.Helper()
	var f *files.File
	var data []byte
	var err error
	sim.Files(func(s *files.Store) {
		if f = s.Find(id); f != nil {
			data, err = s.Content(id)
		}
	})
	if f == nil || err != nil {
		t.Fatalf("the simulator has no file %d: %v", id, err)
	}
	return f, data
}

func on(dc int) func(*simulator.UserSpec) { return func(s *simulator.UserSpec) { s.HomeDC = dc } }

// sizes are around every border of core.telegram.org/api/files.
var sizes = []int{1, 512<<10 - 1, 512 << 10, 512<<10 + 1, 10<<20 - 1, 10 << 20, 10<<20 + 1}

func TestMethod50_UploadFile(t *testing.T) {
	t.Parallel()
	anna := account(t)
	dir := t.TempDir()
	for _, size := range sizes {
		data := noise(size)
		path := filepath.Join(dir, "a.bin")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var last int64
		file, err := anna.UploadFile(deadline(t), path, client.UploadOptions{Progress: func(n int64) { last = n }})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if file.GetSize() != int64(size) || file.GetName() != "a.bin" || last != int64(size) || (file.GetMd5() == "") != (size >= 10<<20) {
			t.Errorf("%d bytes: %v, progress %d", size, file, last)
		}
		sent := must(anna.SendFile(deadline(t), "me", client.Uploaded(file), nil))(t)
		if _, got := kept(t, sent.Message.GetMedia().GetFileId()); !bytes.Equal(got, data) {
			t.Errorf("%d bytes: the simulator has %d others", size, len(got))
		}
	}
	// A stream of unknown length, and what is refused before anything is sent.
	data := noise(11 << 20)
	file := must(anna.Upload(deadline(t), struct{ io.Reader }{bytes.NewReader(data)}, client.UploadOptions{Name: "s.bin"}))(t)
	sent := must(anna.SendFile(deadline(t), "me", client.Uploaded(file), nil))(t)
	if f, got := kept(t, sent.Message.GetMedia().GetFileId()); !bytes.Equal(got, data) || f.DC != homeOf(anna) {
		t.Errorf("the stream came as %d bytes on DC %d", len(got), f.DC)
	}
	for want, o := range map[string]client.UploadOptions{
		"FILE_TOO_LARGE":  {Size: 4000*512<<10 + 1},
		"PHOTO_INVALID":   {Size: 5, Photo: true},
		"FILE_SIZE_WRONG": {Size: 6},
	} {
		if _, err := anna.Upload(deadline(t), strings.NewReader("hello"), o); reason(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := anna.Upload(deadline(t), strings.NewReader(""), client.UploadOptions{}); reason(err) != "FILE_EMPTY" {
		t.Errorf("an empty file: %v", err)
	}
	broken := errors.New("disk gone")
	if _, err := anna.Upload(deadline(t), io.MultiReader(strings.NewReader("x"), failing{broken}), client.UploadOptions{}); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
	if out, err := cli(t, "upload", anna.ID(), filepath.Join(dir, "a.bin")); err != nil || !strings.Contains(out, "a.bin") {
		t.Errorf("%v: %s", err, out)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func homeOf(p *person) (dc int) {
	inside(func(w *model.World) { dc = w.Users[p.UserID].Home })
	return dc
}

func TestMethod51_SendFile(t *testing.T) {
	t.Parallel()
	anna, boris := account(t, on(1)), account(t, on(3))
	dir := t.TempDir()
	path := filepath.Join(dir, "view.jpg")
	if err := os.WriteFile(path, picture(t, 800, 600), 0o600); err != nil {
		t.Fatal(err)
	}
	bold := &client.Entity{Type: v1.EntityType_ENTITY_TYPE_BOLD, Length: 4}
	sent := must(anna.SendFile(deadline(t), boris.Ref(), client.Local(path), client.Text("look here"), client.Entities(bold), client.Silent()))(t)
	if m := sent.Message.GetMedia(); m.GetKind() != "photo" || m.GetWidth() != 800 || m.GetHeight() != 600 {
		t.Errorf("a picture became %v", m)
	}
	document := must(anna.SendFile(deadline(t), boris.Ref(), client.Local(path).As(client.AsDocument).Named("x.jpg", "").Spoiler(), nil))(t)
	if m := document.Message.GetMedia(); m.GetKind() != "document" || m.GetFileName() != "x.jpg" || m.GetMimeType() != "image/jpeg" || m.GetWidth() != 800 {
		t.Errorf("as a document: %v", m)
	}
	got := posts(boris.UserID, model.UserPeer(anna.UserID))
	if len(got) != 2 || got[0].Text != "look here" || len(got[0].Entities) != 1 || !got[0].Silent || got[1].Media == nil {
		t.Fatalf("the simulator has %+v", got)
	}

	// A file that Telegram has is sent by where it is seen; its reference is found again.
	sim.Files(func(s *files.Store) { s.ExpireReferences() })
	id := int32(got[0].ID)
	again := must(boris.SendFile(deadline(t), "me", client.Stored(client.FileOf(anna.Ref(), id)), client.Text("saved")))(t)
	if again.Message.GetMedia().GetFileId() != sent.Message.GetMedia().GetFileId() {
		t.Errorf("sent again as %v", again.Message.GetMedia())
	}
	if _, err := boris.SendFile(deadline(t), "me", client.Stored(client.FileOf(anna.Ref(), 9999)), nil); reason(err) != "MESSAGE_NOT_FOUND" {
		t.Errorf("of a message that is not there: %v", err)
	}

	// Under one request id it is sent once; parts that Telegram has dropped are uploaded again.
	file := must(anna.Upload(deadline(t), strings.NewReader("once"), client.UploadOptions{Name: "once.txt"}))(t)
	ctx := client.WithRequestID(deadline(t), "file-once")
	first := must(anna.SendFile(ctx, boris.Ref(), client.Uploaded(file), nil))(t)
	second := must(anna.SendFile(ctx, boris.Ref(), client.Uploaded(file), nil))(t)
	if !second.Repeated || second.Message.GetId() != first.Message.GetId() || len(posts(boris.UserID, model.UserPeer(anna.UserID))) != 3 {
		t.Errorf("sent again under one request id: %v", second)
	}
	ctx = client.WithRequestID(deadline(t), "file-local") // also where the command uploads it each time
	first = must(anna.SendFile(ctx, "me", client.Local(path), nil))(t)
	second = must(anna.SendFile(ctx, "me", client.Local(path), nil))(t)
	if !second.Repeated || second.Message.GetId() != first.Message.GetId() || len(posts(anna.UserID, model.UserPeer(anna.UserID))) != 1 {
		t.Errorf("uploaded and sent again under one request id: %v", second)
	}
	gone := must(anna.Upload(deadline(t), strings.NewReader("gone"), client.UploadOptions{Name: "gone.txt"}))(t)
	sim.Files(func(s *files.Store) { s.Forget(files.Who{User: anna.UserID, DC: 1}, gone.GetId(), 0) })
	if _, err := anna.SendFile(deadline(t), boris.Ref(), client.Uploaded(gone), nil); reason(err) != "FILE_PART_MISSING" && reason(err) != "FILE_PART_0_MISSING" {
		t.Errorf("without its parts: %v", err)
	}
	if out, err := cli(t, "send", anna.ID(), boris.Ref(), "by hand", "--file", path); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := posts(boris.UserID, model.UserPeer(anna.UserID)); len(got) != 4 || got[3].Text != "by hand" || got[3].Media == nil {
		t.Errorf("the simulator has %+v", got)
	}
}

// TestAlbumWhoseAnswerIsLostIsSentOnce: the connection dies with the answer to messages.sendMultiMedia, and Telegram
// forgets the session and the answer. The call is repeated, and the album that it sent first is found.
func TestAlbumWhoseAnswerIsLostIsSentOnce(t *testing.T) {
	t.Parallel()
	p := start(t)
	anna, boris := p.account(t), p.account(t)
	var photos []client.OutgoingFile
	for _, name := range []string{"1.jpg", "2.jpg"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, picture(t, 100, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		photos = append(photos, client.Local(path))
	}
	// Another album with the same caption is older than the command.
	earlier := must(anna.SendAlbum(deadline(t), boris.Ref(), photos, client.Text("look")))(t)
	lost, calls := false, 0
	p.sim.Faults().SetRPCHook(func(call *mtserver.Call) (int, string) {
		if call.Constructor() != tg.MessagesSendMultiMediaRequestTypeID {
			return 0, ""
		}
		if calls++; !lost {
			lost = true
			p.sim.Server().KillConnections(nil)
			p.sim.Server().DropSessions(call.KeyID)
		}
		return 0, ""
	})
	ctx := client.WithRequestID(deadline(t), "album-once")
	sent := must(anna.SendAlbum(ctx, boris.Ref(), photos, client.Text("look")))(t)
	again := must(anna.SendAlbum(ctx, boris.Ref(), photos, client.Text("look")))(t)
	p.sim.Faults().SetRPCHook(nil)
	if calls != 2 || !lost {
		t.Errorf("messages.sendMultiMedia came %d times", calls)
	}
	seen := must(boris.HistoryPage(deadline(t), anna.Ref(), 0, 10))(t)
	if len(seen.Messages) != 4 {
		t.Errorf("%d messages were sent", len(seen.Messages))
	}
	if len(sent.Messages) != 2 || len(again.Messages) != 2 || !again.Repeated {
		t.Fatalf("the album is %v, then %v", sent, again)
	}
	for i, m := range sent.Messages {
		if m.GetId() <= earlier.Messages[1].GetId() || m.GetGroupedId() == 0 || m.GetGroupedId() != sent.Messages[0].GetGroupedId() ||
			m.GetMedia().GetFileId() == earlier.Messages[i].GetMedia().GetFileId() || again.Messages[i].GetId() != m.GetId() {
			t.Errorf("item %d: %v, then %v; the earlier album has %v", i, m, again.Messages[i], earlier.Messages[i])
		}
	}
}

func TestMethod52_SendAlbum(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	dir := t.TempDir()
	var photos []client.OutgoingFile
	var paths []string
	for _, name := range []string{"1.jpg", "2.jpg", "3.jpg"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, picture(t, 100, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		photos, paths = append(photos, client.Local(path)), append(paths, path)
	}
	photos[1] = photos[1].Caption(client.Text("the second"))
	album := must(anna.SendAlbum(deadline(t), boris.Ref(), photos, client.Text("the first")))(t)
	got := posts(boris.UserID, model.UserPeer(anna.UserID))
	if len(got) != 3 || len(album.Messages) != 3 {
		t.Fatalf("%d messages of %d", len(album.Messages), len(got))
	}
	for i, text := range []string{"the first", "the second", ""} {
		if got[i].Text != text || got[i].GroupedID == 0 || got[i].GroupedID != got[0].GroupedID ||
			album.Messages[i].GetText() != text || got[i].Copies[anna.UserID] != int(album.Messages[i].GetId()) {
			t.Errorf("item %d: %+v, and the caller got %v", i, got[i], album.Messages[i])
		}
	}
	// What cannot be one album is refused, and nothing is sent.
	song := client.Uploaded(must(anna.Upload(deadline(t), strings.NewReader("ID3 la la"), client.UploadOptions{Name: "a.mp3"}))(t)).Music("La", "Lo")
	for want, files := range map[string][]client.OutgoingFile{
		"ALBUM_SIZE_INVALID": photos[:1],
		"ALBUM_MIXED":        {photos[0], song},
	} {
		if _, err := anna.SendAlbum(deadline(t), boris.Ref(), files, nil); reason(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	eleven := append(append(append([]client.OutgoingFile{}, photos...), photos...), append(append([]client.OutgoingFile{}, photos...), photos[:2]...)...)
	if _, err := anna.SendAlbum(deadline(t), boris.Ref(), eleven, nil); reason(err) != "ALBUM_SIZE_INVALID" {
		t.Errorf("eleven files: %v", err)
	}
	if n := len(posts(boris.UserID, model.UserPeer(anna.UserID))); n != 3 {
		t.Errorf("%d messages after refusals", n)
	}
	// Files that Telegram has, with new ones.
	sim.Files(func(s *files.Store) { s.ExpireReferences() })
	stored := client.Stored(client.FileOf(boris.Ref(), album.Messages[0].GetId()))
	must(anna.SendAlbum(deadline(t), boris.Ref(), []client.OutgoingFile{stored, photos[2]}, nil))(t)
	if out, err := cli(t, "send", anna.ID(), boris.Ref(), "", "--file", paths[0], "--file", paths[1]); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if n := len(posts(boris.UserID, model.UserPeer(anna.UserID))); n != 7 {
		t.Errorf("%d messages at the end", n)
	}
}

func TestMethod53_DownloadMediaToFile(t *testing.T) {
	t.Parallel()
	anna, boris := account(t, on(2)), account(t, on(1)) // files lie on anna's DC: boris meets FILE_MIGRATE
	dir := t.TempDir()
	for _, size := range sizes {
		data := noise(size)
		sent := must(anna.SendFile(deadline(t), boris.Ref(), client.Uploaded(
			must(anna.Upload(deadline(t), bytes.NewReader(data), client.UploadOptions{Name: "d.bin"}))(t)), nil))(t)
		ref := client.FileOf(anna.Ref(), seenBy(boris, anna, sent.Message.GetId()))
		path := filepath.Join(dir, "d.bin")
		var done int64
		d, err := boris.DownloadToFile(deadline(t), ref, path, client.DownloadOptions{Progress: func(n, of int64) { done = n }})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got := must(os.ReadFile(path))(t)
		if !bytes.Equal(got, data) || d.Size != int64(size) || d.Name != "d.bin" || done != d.Size {
			t.Errorf("%d bytes: %d, progress %d, %+v", size, len(got), done, d)
		}
	}
	if dc := homeOf(boris); dc != 1 {
		t.Errorf("boris moved to DC %d", dc)
	}
	data := noise(3<<20 + 5)
	sent := must(anna.SendFile(deadline(t), boris.Ref(), client.Uploaded(
		must(anna.Upload(deadline(t), bytes.NewReader(data), client.UploadOptions{Name: "e.bin"}))(t)), nil))(t)
	ref := client.FileOf(anna.Ref(), seenBy(boris, anna, sent.Message.GetId()))

	// A reference that expires while the file is read is found again.
	d := must(boris.Download(deadline(t), ref, client.DownloadOptions{}))(t)
	head := make([]byte, 1000)
	if _, err := io.ReadFull(d, head); err != nil {
		t.Fatal(err)
	}
	sim.Files(func(s *files.Store) { s.ExpireReferences() })
	rest := must(io.ReadAll(d))(t)
	if !bytes.Equal(append(head, rest...), data) {
		t.Errorf("%d bytes after the reference had expired", len(head)+len(rest))
	}
	_ = d.Close()

	// A download that broke off goes on with what is there, and leaves one file.
	path := filepath.Join(dir, "e.bin")
	ctx, cancel := context.WithCancel(deadline(t))
	_, err := boris.DownloadToFile(ctx, ref, path, client.DownloadOptions{Progress: func(n, _ int64) {
		if n > 1<<20 {
			cancel()
		}
	}})
	if err == nil {
		t.Error("a download that was cancelled succeeded")
	}
	if partial, _ := filepath.Glob(path + ".*.partial"); len(partial) != 1 {
		t.Fatalf("left behind: %v", partial)
	}
	first := int64(-1)
	must(boris.DownloadToFile(deadline(t), ref, path, client.DownloadOptions{Progress: func(n, _ int64) {
		if first < 0 && n > 0 {
			first = n
		}
	}}))(t)
	left, _ := filepath.Glob(filepath.Join(dir, "e.bin*"))
	if got := must(os.ReadFile(path))(t); !bytes.Equal(got, data) || len(left) != 1 {
		t.Errorf("%d bytes, files %v", len(got), left)
	}
	target := filepath.Join(dir, "cli.bin")
	if out, err := cli(t, "download", boris.ID(), anna.Ref(), fmt.Sprint(seenBy(boris, anna, sent.Message.GetId())), target); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := must(os.ReadFile(target))(t); !bytes.Equal(got, data) {
		t.Errorf("by hand: %d bytes", len(got))
	}
}

// TestMethod53_CDNThatLies: nothing of a CDN's wrong bytes is given out. Files of a MiB and more are at
// the CDN.
func TestMethod53_CDNThatLies(t *testing.T) {
	p := start(t)
	anna := p.account(t)
	data := noise(2 << 20)
	sent := must(anna.SendFile(deadline(t), "me", client.Uploaded(must(anna.Upload(deadline(t), bytes.NewReader(data), client.UploadOptions{}))(t)), nil))(t)
	p.sim.Files(func(s *files.Store) { s.Tamper(true) })
	path := filepath.Join(t.TempDir(), "a")
	if _, err := anna.DownloadToFile(deadline(t), client.FileOf("me", sent.Message.GetId()), path, client.DownloadOptions{}); reason(err) != "CDN_FILE_CORRUPT" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("a file was left")
	}
	p.sim.Files(func(s *files.Store) { s.Tamper(false) })
	must(anna.DownloadToFile(deadline(t), client.FileOf("me", sent.Message.GetId()), path, client.DownloadOptions{}))(t)
	if got := must(os.ReadFile(path))(t); !bytes.Equal(got, data) {
		t.Errorf("%d bytes by the CDN", len(got))
	}
}

func TestMethod48_GetProfilePhotos(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	var ids []int64
	for i := range 3 {
		data := picture(t, 200+i, 200)
		ids = append([]int64{profilePhoto(t, anna, data)}, ids...)
	}
	got, total, err := boris.ProfilePhotos(deadline(t), anna.Ref(), 0, 0)
	if err != nil || total != 3 || len(got) != 3 || got[0].GetId() != ids[0] || got[0].GetWidth() != 202 {
		t.Fatalf("%d of %d photos %v, %v", len(got), total, got, err)
	}
	got, total, err = boris.ProfilePhotos(deadline(t), anna.Ref(), 1, 1)
	if err != nil || total != 3 || len(got) != 1 || got[0].GetId() != ids[1] {
		t.Errorf("the second: %v of %d, %v", got, total, err)
	}
	if got, total, err = boris.ProfilePhotos(deadline(t), boris.Ref(), 0, 0); err != nil || total != 0 || len(got) != 0 {
		t.Errorf("none: %v of %d, %v", got, total, err)
	}
	path := filepath.Join(t.TempDir(), "a.jpg")
	must(boris.DownloadToFile(deadline(t), client.ProfilePhotoOf(anna.Ref(), ids[2]), path, client.DownloadOptions{}))(t)
	if _, data := kept(t, ids[2]); !bytes.Equal(must(os.ReadFile(path))(t), data) {
		t.Error("the photo came as other bytes")
	}
	if out, err := cli(t, "photos", boris.ID(), anna.Ref()); err != nil || strings.Count(out, "200") < 3 {
		t.Errorf("%v: %s", err, out)
	}
}

// seenBy is the id that one person has for another's message in their private chat.
func seenBy(who, other *person, id int32) (seen int32) {
	inside(func(w *model.World) {
		seen = int32(w.Users[other.UserID].Box.Messages[int(id)].Post.Copies[who.UserID])
	})
	return seen
}

// profilePhoto gives a person a profile photo, by a raw call.
func profilePhoto(t *testing.T, p *person, data []byte) int64 {
	t.Helper()
	up := must(p.Upload(deadline(t), bytes.NewReader(data), client.UploadOptions{Name: "me.jpg", Photo: true}))(t)
	call := fmt.Sprintf(`{"_":"photos.uploadProfilePhoto","file":{"_":"inputFile","id":%d,"parts":%d,"name":"me.jpg","md5_checksum":%q}}`,
		up.GetId(), up.GetParts(), up.GetMd5())
	var answer struct {
		Photo struct{ ID json.Number }
	}
	if err := json.Unmarshal(must(p.InvokeJSON(deadline(t), json.RawMessage(call)))(t), &answer); err != nil {
		t.Fatal(err)
	}
	return must(answer.Photo.ID.Int64())(t)
}

// TestMethod50_GoesOnAfterBreaks cuts Telegram's connections, and those between the SDK and the node,
// while files are moved: both directions go on, and what Telegram has is not sent from the beginning.
func TestMethod50_GoesOnAfterBreaks(t *testing.T) {
	p := start(t)
	anna := p.account(t)
	proxy, err := faultproxy.Start(deadline(t), strings.TrimPrefix(p.node.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	far := must(client.New([]string{"http://" + proxy.Addr()}))(t)
	t.Cleanup(far.Close)
	data := noise(14<<20 + 7)
	breaks := map[int64]func(){
		12 << 20: func() { proxy.Reset() },
		13 << 20: func() { p.sim.Server().KillConnections(nil) },
	}
	back := false // the upload began anew
	last := int64(0)
	up, err := far.Account(anna.ID()).Upload(deadline(t), bytes.NewReader(data), client.UploadOptions{Name: "big.bin", Size: int64(len(data)), Progress: func(n int64) {
		back = back || n < last && n <= 512<<10
		last = n
		if cut := breaks[n]; cut != nil {
			delete(breaks, n)
			cut()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if back || len(breaks) != 0 || last != int64(len(data)) {
		t.Errorf("began anew: %t, breaks left %d, last %d", back, len(breaks), last)
	}
	sent := must(anna.SendFile(deadline(t), "me", client.Uploaded(up), nil))(t)
	again := 0
	path := filepath.Join(t.TempDir(), "big.bin")
	cuts := []func(){func() { proxy.Reset() }, func() { p.sim.Server().KillConnections(nil) }}
	_, err = far.Account(anna.ID()).DownloadToFile(deadline(t), client.FileOf("me", sent.Message.GetId()), path, client.DownloadOptions{
		Interrupted: func(error) { again++ },
		Progress: func(n, _ int64) {
			if len(cuts) > 0 && n > int64(5-len(cuts))<<20 {
				cuts[0]()
				cuts = cuts[1:]
			}
		},
	})
	if err != nil || again == 0 || len(cuts) != 0 {
		t.Errorf("download: %v, %d streams broke", err, again)
	}
	if got := must(os.ReadFile(path))(t); !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes", len(got), len(data))
	}
}

// TestMethod50_AnotherFileUnderTheNameBeginsAnew: what another upload has sent under its name is not mixed
// with it.
func TestMethod50_AnotherFileUnderTheNameBeginsAnew(t *testing.T) {
	t.Parallel()
	p := start(t)
	anna := p.account(t)
	former, other := noise(14<<20), noise(14<<20)
	other[5] ^= 1
	upload := func(ctx context.Context, data []byte, progress func(int64)) (*client.UploadedFile, error) {
		return anna.Upload(ctx, bytes.NewReader(data), client.UploadOptions{Name: "film", Size: int64(len(data)), Resume: "film", Progress: progress})
	}
	ctx, cancel := context.WithCancel(deadline(t))
	_, err := upload(ctx, former, func(sent int64) {
		if sent >= 12<<20 {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("the first upload was not broken off")
	}
	node := orchestratorv1connect.NewMediaServiceClient(http.DefaultClient, p.node.URL())
	for { // it is noted soon
		if at := must(node.GetUpload(deadline(t), &v1.GetUploadRequest{Account: anna.ID(), Upload: "film"}))(t); at.GetOffset() > 0 {
			break
		}
	}
	began := int64(-1)
	file := must(upload(deadline(t), other, func(sent int64) {
		if began < 0 {
			began = sent
		}
	}))(t)
	sent := must(anna.SendFile(deadline(t), "me", client.Uploaded(file), nil))(t)
	var content []byte
	p.sim.Files(func(s *files.Store) { content, err = s.Content(sent.Message.GetMedia().GetFileId()) })
	if err != nil || !bytes.Equal(content, other) || began > 1<<20 {
		t.Errorf("Telegram has %d bytes, or those of the other file (%v); the upload began with %d", len(content), err, began)
	}
}

// TestMethod48_PhotosOfChats: the present photo and former ones, of a basic group and of a channel.
func TestMethod48_PhotosOfChats(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	call := func(format string, args ...any) map[string]any {
		t.Helper()
		var answer map[string]any
		if err := json.Unmarshal(must(anna.InvokeJSON(deadline(t), json.RawMessage(fmt.Sprintf(format, args...))))(t), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var known int64
	inside(func(w *model.World) { known = w.AccessHash(anna.UserID, model.UserPeer(boris.UserID)) })
	call(`{"_":"messages.createChat","users":[{"_":"inputUser","user_id":%d,"access_hash":%d}],"title":"photo group"}`, boris.UserID, known)
	call(`{"_":"channels.createChannel","title":"photo channel","about":"","broadcast":true}`)
	var chats []model.Peer
	var hash int64
	inside(func(w *model.World) {
		for _, g := range w.Groups {
			if g.Title == "photo group" {
				chats = append(chats, g.Peer())
			}
		}
		for _, ch := range w.Channels {
			if ch.Title == "photo channel" {
				chats, hash = append(chats, ch.Peer()), w.AccessHash(anna.UserID, ch.Peer())
			}
		}
	})
	if len(chats) != 2 {
		t.Fatalf("chats %v", chats)
	}
	for _, chat := range chats {
		ref := fmt.Sprint(-chat.ID)
		if chat.Kind == model.PeerChannel {
			ref = fmt.Sprint(-1_000_000_000_000 - chat.ID)
		}
		if got, total, err := anna.ProfilePhotos(deadline(t), ref, 0, 0); err != nil || len(got) != 0 || total != 0 {
			t.Errorf("%s without photos: %v of %d, %v", chat.Kind, got, total, err)
		}
		for i := range 3 {
			up := must(anna.Upload(deadline(t), bytes.NewReader(picture(t, 200+i, 200)), client.UploadOptions{Name: "c.jpg", Photo: true}))(t)
			photo := fmt.Sprintf(`{"_":"inputChatUploadedPhoto","file":{"_":"inputFile","id":%d,"parts":1,"name":"c.jpg","md5_checksum":""}}`, up.GetId())
			if chat.Kind == model.PeerChannel {
				call(`{"_":"channels.editPhoto","channel":{"_":"inputChannel","channel_id":%d,"access_hash":%d},"photo":%s}`, chat.ID, hash, photo)
			} else {
				call(`{"_":"messages.editChatPhoto","chat_id":%d,"photo":%s}`, chat.ID, photo)
			}
		}
		got, total, err := anna.ProfilePhotos(deadline(t), ref, 0, 0)
		if err != nil || total != 3 || len(got) != 3 || got[0].GetWidth() != 202 || got[2].GetWidth() != 200 {
			t.Fatalf("%s: %v of %d, %v", chat.Kind, got, total, err)
		}
		got, _, err = anna.ProfilePhotos(deadline(t), ref, 1, 1)
		if err != nil || len(got) != 1 || got[0].GetWidth() != 201 {
			t.Errorf("%s, the second: %v, %v", chat.Kind, got, err)
		}
		path := filepath.Join(t.TempDir(), "c.jpg")
		must(anna.DownloadToFile(deadline(t), client.ProfilePhotoOf(ref, got[0].GetId()), path, client.DownloadOptions{}))(t)
		if _, data := kept(t, got[0].GetId()); !bytes.Equal(must(os.ReadFile(path))(t), data) {
			t.Errorf("%s: the photo came as other bytes", chat.Kind)
		}
	}
}
