package calls_test

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
)

// put uploads a small file and returns how it is named then.
func put(t *testing.T, s *simtest.Session, id int64, data []byte) tg.InputFileClass {
	t.Helper()
	simtest.Must(s.UploadSaveFilePart(simtest.Ctx, &tg.UploadSaveFilePartRequest{FileID: id, Bytes: data}))(t)
	return &tg.InputFile{ID: id, Parts: 1, Name: "a.txt"}
}

func document(t *testing.T, s *simtest.Session, to tg.InputPeerClass, id int64, attributes ...tg.DocumentAttributeClass) *tg.InputMediaDocument {
	t.Helper()
	m := simtest.Must(s.MessagesUploadMedia(simtest.Ctx, &tg.MessagesUploadMediaRequest{Peer: to, Media: &tg.InputMediaUploadedDocument{
		File: put(t, s, id, []byte{byte(id)}), MimeType: "text/plain", Attributes: attributes,
	}}))(t)
	doc := m.(*tg.MessageMediaDocument).Document.(*tg.Document)
	return &tg.InputMediaDocument{ID: &tg.InputDocument{ID: doc.ID, AccessHash: doc.AccessHash, FileReference: doc.FileReference}}
}

func TestMediaIsSentAndSeenByBoth(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	send := func(random int64, media tg.InputMediaClass) error {
		_, err := ann.MessagesSendMedia(simtest.Ctx, &tg.MessagesSendMediaRequest{Peer: ann.To(bob), Media: media, Message: "look", RandomID: random})
		return err
	}
	fresh := &tg.InputMediaUploadedDocument{File: put(t, ann, 5, []byte("hello")), MimeType: "text/plain"}
	if err := send(1, fresh); err != nil {
		t.Fatal(err)
	}
	simtest.Refused(t, send(1, fresh), 500, "RANDOM_ID_DUPLICATE")
	simtest.Refused(t, send(2, &tg.InputMediaUploadedDocument{File: &tg.InputFile{ID: 6, Parts: 1}}), 400, "FILE_PART_0_MISSING")
	simtest.Refused(t, send(3, &tg.InputMediaEmpty{}), 400, "MEDIA_EMPTY")
	seen := simtest.Must(bob.MessagesGetHistory(simtest.Ctx, &tg.MessagesGetHistoryRequest{Peer: bob.To(ann), Limit: 1}))(t).(*tg.MessagesMessages)
	m := seen.Messages[0].(*tg.Message)
	doc := m.Media.(*tg.MessageMediaDocument).Document.(*tg.Document)
	part := simtest.Must(bob.UploadGetFile(simtest.Ctx, &tg.UploadGetFileRequest{Location: doc.AsInputDocumentFileLocation(""), Limit: 4096}))(t)
	if m.Message != "look" || string(part.(*tg.UploadFile).Bytes) != "hello" {
		t.Errorf("bob sees %q with %q", m.Message, part)
	}
	_, err := ann.UploadGetFile(simtest.Ctx, &tg.UploadGetFileRequest{Location: doc.AsInputDocumentFileLocation(""), Limit: 4096})
	simtest.Refused(t, err, 400, "FILE_REFERENCE_INVALID") // it is bob's
}

func TestAlbums(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	next := int64(0)
	album := func(media ...tg.InputMediaClass) error {
		q := &tg.MessagesSendMultiMediaRequest{Peer: ann.To(bob)}
		for _, m := range media {
			next++
			q.MultiMedia = append(q.MultiMedia, tg.InputSingleMedia{Media: m, RandomID: next})
		}
		_, err := ann.MessagesSendMultiMedia(simtest.Ctx, q)
		return err
	}
	one, two := document(t, ann, ann.To(bob), 1), document(t, ann, ann.To(bob), 2)
	simtest.Refused(t, album(), 400, "MULTI_MEDIA_EMPTY")
	simtest.Refused(t, album(one, one, one, one, one, one, one, one, one, one, one), 400, "MULTI_MEDIA_TOO_LONG")
	simtest.Refused(t, album(one, &tg.InputMediaUploadedDocument{File: put(t, ann, 9, []byte("x"))}), 400, "MEDIA_INVALID")
	simtest.Refused(t, album(one, document(t, ann, ann.To(bob), 3, &tg.DocumentAttributeVideo{W: 1, H: 1})), 400, "MEDIA_GROUPED_INVALID")
	if err := album(one, two); err != nil {
		t.Fatal(err)
	}
	seen := simtest.Must(bob.MessagesGetHistory(simtest.Ctx, &tg.MessagesGetHistoryRequest{Peer: bob.To(ann), Limit: 5}))(t).(*tg.MessagesMessages)
	if len(seen.Messages) != 2 {
		t.Fatalf("%d messages", len(seen.Messages))
	}
	first, second := seen.Messages[0].(*tg.Message), seen.Messages[1].(*tg.Message)
	if first.GroupedID == 0 || first.GroupedID != second.GroupedID {
		t.Errorf("albums %d and %d", first.GroupedID, second.GroupedID)
	}
	b.Do(func() { b.Rooms.Files.Store.ExpireReferences() })
	simtest.Refused(t, album(document(t, ann, ann.To(bob), 4), two), 400, "FILE_REFERENCE_1_EXPIRED")
}

func TestProfilePhotos(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 400, 400))); err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for i := range 3 {
		q := &tg.PhotosUploadProfilePhotoRequest{}
		q.SetFile(put(t, ann, int64(i+1), picture.Bytes()))
		p := simtest.Must(ann.PhotosUploadProfilePhoto(simtest.Ctx, q))(t)
		ids = append([]int64{p.Photo.GetID()}, ids...)
	}
	who := &tg.InputUser{UserID: ann.ID, AccessHash: bob.To(ann).AccessHash}
	slice := simtest.Must(bob.PhotosGetUserPhotos(simtest.Ctx, &tg.PhotosGetUserPhotosRequest{UserID: who, Offset: 1, Limit: 1}))(t).(*tg.PhotosPhotosSlice)
	if slice.Count != 3 || len(slice.Photos) != 1 || slice.Photos[0].GetID() != ids[1] {
		t.Errorf("the second of %v: %v", ids, slice.Photos)
	}
	all := simtest.Must(bob.PhotosGetUserPhotos(simtest.Ctx, &tg.PhotosGetUserPhotosRequest{UserID: who}))(t).(*tg.PhotosPhotos)
	shown, _ := all.Users[0].(*tg.User).Photo.(*tg.UserProfilePhoto)
	if len(all.Photos) != 3 || shown == nil || shown.PhotoID != ids[0] {
		t.Fatalf("%d photos, shown %v", len(all.Photos), shown)
	}
	part := simtest.Must(bob.UploadGetFile(simtest.Ctx, &tg.UploadGetFileRequest{Limit: 1 << 20, Location: &tg.InputPeerPhotoFileLocation{
		Big: true, Peer: bob.To(ann), PhotoID: ids[0],
	}}))(t)
	if !bytes.Equal(part.(*tg.UploadFile).Bytes, picture.Bytes()) {
		t.Error("the photo came back changed")
	}
}
