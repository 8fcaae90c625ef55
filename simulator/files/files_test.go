package files

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/png"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// desk is a Store whose clock the test moves.
type desk struct {
	*Store
	t   *testing.T
	now time.Time
	rng *rand.Rand
}

func newDesk(t *testing.T, cfg Config) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Unix(1_700_000_000, 0), rng: rand.New(rand.NewPCG(1, 2))}
	cfg.Dir, cfg.Now, cfg.Rand = t.TempDir(), func() time.Time { return d.now }, d.rng.Int64
	d.Store = New(cfg)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *desk) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.rng.Uint32())
	}
	return b
}

// upload saves data in parts of a size and returns how it is named then.
func (d *desk) upload(who Who, id int64, data []byte, part int) tg.InputFileClass {
	d.t.Helper()
	total := (len(data) + part - 1) / part
	for i := range total {
		piece := data[i*part : min(len(data), (i+1)*part)]
		var err error
		if len(data) > maxSmall {
			err = d.SaveBigPart(who, id, i, total, piece)
		} else {
			err = d.SavePart(who, id, i, piece)
		}
		if err != nil {
			d.t.Fatalf("part %d: %v", i, err)
		}
	}
	if len(data) > maxSmall {
		return &tg.InputFileBig{ID: id, Parts: total, Name: "a.bin"}
	}
	sum := md5.Sum(data)
	return &tg.InputFile{ID: id, Parts: total, Name: "a.bin", MD5Checksum: hex.EncodeToString(sum[:])}
}

func (d *desk) document(who Who, data []byte) *File {
	d.t.Helper()
	m, err := d.Media(who, &tg.InputMediaUploadedDocument{File: d.upload(who, d.rng.Int64(), data, maxPart), MimeType: "text/plain"})
	if err != nil {
		d.t.Fatal(err)
	}
	return m.File
}

func (d *desk) location(f *File, viewer int64) *tg.InputDocumentFileLocation {
	doc := d.Document(f, viewer)
	return &tg.InputDocumentFileLocation{ID: doc.ID, AccessHash: doc.AccessHash, FileReference: doc.FileReference}
}

func want(t *testing.T, err error, name string) {
	t.Helper()
	if name == "" && err == nil || name != "" && tgerr.Is(err, tgerr.New(400, name).Type) {
		return
	}
	t.Errorf("got %v, want %q", err, name)
}

var ann = Who{User: 1, DC: 2}

func TestSizesAreExact(t *testing.T) {
	for _, size := range []int{1, maxPart - 1, maxPart, maxPart + 1, maxSmall - 1, maxSmall, maxSmall + 1} {
		d := newDesk(t, Config{})
		data := d.bytes(size)
		f := d.document(ann, data)
		var got []byte
		for at := 0; ; at += maxRead {
			part, err := d.GetFile(ann, &tg.UploadGetFileRequest{Location: d.location(f, 1), Offset: int64(at), Limit: maxRead})
			if err != nil {
				t.Fatal(err)
			}
			piece := part.(*tg.UploadFile).Bytes
			if got = append(got, piece...); len(piece) < maxRead {
				break
			}
		}
		if !bytes.Equal(got, data) || f.Bytes() != int64(size) {
			t.Errorf("%d bytes came back as %d", size, len(got))
		}
	}
}

// TestZerosTakeNoRoom: 2 GiB fit where nothing is written.
func TestZerosTakeNoRoom(t *testing.T) {
	d := newDesk(t, Config{})
	who := Who{User: 1, DC: 2, Premium: true}
	part, total := make([]byte, maxPart), 4096
	for i := range total {
		if err := d.SaveBigPart(who, 9, i, total, part); err != nil {
			t.Fatal(err)
		}
	}
	m, err := d.Media(who, &tg.InputMediaUploadedDocument{File: &tg.InputFileBig{ID: 9, Parts: total}})
	if err != nil || m.File.Bytes() != 2<<30 || d.arena.end != 0 {
		t.Errorf("%v, %d bytes on disk", err, d.arena.end)
	}
	_, err = d.Media(Who{User: 1, DC: 2}, &tg.InputMediaUploadedDocument{File: &tg.InputFileBig{ID: 9, Parts: total}})
	want(t, err, "FILE_PARTS_INVALID")
}

func TestPartsAreChecked(t *testing.T) {
	d := newDesk(t, Config{})
	want(t, d.SavePart(ann, 1, 0, nil), "FILE_PART_EMPTY")
	want(t, d.SavePart(ann, 1, 0, make([]byte, maxPart+1)), "FILE_PART_TOO_BIG")
	want(t, d.SavePart(ann, 1, maxParts, []byte{1}), "FILE_PART_INVALID")
	want(t, d.SaveBigPart(ann, 1, 3, 3, make([]byte, 1024)), "FILE_PARTS_INVALID")
	want(t, d.SaveBigPart(ann, 1, 0, maxParts+1, make([]byte, 1024)), "FILE_PARTS_INVALID")
	want(t, d.SaveBigPart(ann, 1, 0, 2, make([]byte, 1000)), "FILE_PART_SIZE_INVALID")
	want(t, d.SaveBigPart(ann, 1, 0, 2, make([]byte, 3<<10)), "FILE_PART_SIZE_INVALID")
	want(t, d.SaveBigPart(ann, 1, 0, -1, make([]byte, 4<<10)), "")
	want(t, d.SaveBigPart(ann, 1, 1, -1, make([]byte, 8<<10)), "FILE_PART_SIZE_CHANGED")
	want(t, d.SaveBigPart(ann, 1, 1, 2, make([]byte, 17)), "")
	want(t, d.SavePart(ann, 1, 0, []byte{1}), "FILE_PART_INVALID") // big and small at once

	file := d.upload(ann, 5, d.bytes(maxPart+5), maxPart).(*tg.InputFile)
	send := func(who Who, in tg.InputFileClass) error {
		_, err := d.Media(who, &tg.InputMediaUploadedDocument{File: in})
		return err
	}
	want(t, send(ann, &tg.InputFile{ID: 5, Parts: 3}), "FILE_PART_2_MISSING")
	want(t, send(ann, &tg.InputFile{ID: 5}), "FILE_PARTS_INVALID")
	want(t, send(ann, &tg.InputFileBig{ID: 5, Parts: 2}), "FILE_PARTS_INVALID")
	want(t, send(ann, &tg.InputFile{ID: 5, Parts: 2, MD5Checksum: "00"}), "MD5_CHECKSUM_INVALID")
	want(t, send(Who{User: 2, DC: 2}, file), "FILE_PART_0_MISSING")
	want(t, send(Who{User: 1, DC: 3}, file), "FILE_PART_0_MISSING")
	want(t, send(ann, file), "")
	d.Forget(ann, 5, 1)
	want(t, send(ann, file), "FILE_PART_1_MISSING")
	d.upload(ann, 6, d.bytes(100), 64) // not a size that parts may have
	want(t, send(ann, &tg.InputFile{ID: 6, Parts: 2}), "FILE_PART_LENGTH_INVALID")
}

// TestUnusedPartsExpire, and their room is used again.
func TestUnusedPartsExpire(t *testing.T) {
	d := newDesk(t, Config{UploadLife: time.Hour})
	d.upload(ann, 1, d.bytes(maxPart), maxPart)
	end := d.arena.end
	d.now = d.now.Add(time.Hour + time.Second)
	d.upload(ann, 2, d.bytes(maxPart), maxPart)
	if d.arena.end != end || d.Uploads() != 1 {
		t.Errorf("%d bytes after %d, %d uploads", d.arena.end, end, d.Uploads())
	}
}

func TestRangesAreChecked(t *testing.T) {
	d := newDesk(t, Config{})
	f := d.document(ann, d.bytes(2<<20))
	for _, c := range []struct {
		offset  int64
		limit   int
		precise bool
		name    string
	}{
		{0, 1 << 20, false, ""}, {1 << 20, 4 << 10, false, ""}, {2 << 20, 4 << 10, false, ""}, // behind the end: nothing
		{1 << 10, 4 << 10, false, "OFFSET_INVALID"}, {-4096, 4096, false, "OFFSET_INVALID"}, {1, 1024, true, "OFFSET_INVALID"},
		{0, 0, false, "LIMIT_INVALID"}, {0, 2 << 20, false, "LIMIT_INVALID"}, {0, 12 << 10, false, "LIMIT_INVALID"}, {0, 1000, true, "LIMIT_INVALID"},
		{1 << 10, 3 << 10, true, ""}, {1<<20 - 4096, 8 << 10, false, "LIMIT_INVALID"}, {1<<20 - 1024, 2 << 10, true, "LIMIT_INVALID"},
	} {
		_, err := d.GetFile(ann, &tg.UploadGetFileRequest{Location: d.location(f, 1), Offset: c.offset, Limit: c.limit, Precise: c.precise})
		want(t, err, c.name)
	}
	_, err := d.GetFile(Who{User: 1, DC: 4}, &tg.UploadGetFileRequest{Location: d.location(f, 1), Limit: 4096})
	if rpc, ok := tgerr.As(err); !ok || rpc.Code != 303 || rpc.Type != "FILE_MIGRATE" || rpc.Argument != 2 {
		t.Errorf("on another DC: %v", err)
	}
	hashes, err := d.GetHashes(ann, &tg.UploadGetFileHashesRequest{Location: d.location(f, 1), Offset: 300 << 10})
	if err != nil || hashes[0].Offset != 256<<10 || len(hashes) != 14 {
		t.Fatalf("%d hashes, %v", len(hashes), err)
	}
}

func TestFileReferences(t *testing.T) {
	d := newDesk(t, Config{ReferenceLife: time.Minute})
	f := d.document(ann, []byte("hello"))
	get := func(viewer int64, loc *tg.InputDocumentFileLocation) error {
		_, err := d.GetFile(Who{User: viewer, DC: 2}, &tg.UploadGetFileRequest{Location: loc, Limit: 4096})
		return err
	}
	loc := d.location(f, 1)
	want(t, get(1, loc), "")
	want(t, get(2, loc), "FILE_REFERENCE_INVALID") // another one's
	want(t, get(1, &tg.InputDocumentFileLocation{ID: loc.ID, AccessHash: loc.AccessHash}), "FILE_REFERENCE_EMPTY")
	want(t, get(1, &tg.InputDocumentFileLocation{ID: loc.ID, AccessHash: 1, FileReference: loc.FileReference}), "FILE_ID_INVALID")
	d.ExpireReferences()
	want(t, get(1, loc), "FILE_REFERENCE_EXPIRED")
	loc = d.location(f, 1)
	d.now = d.now.Add(time.Minute)
	want(t, get(1, loc), "FILE_REFERENCE_EXPIRED")
}

func TestCDN(t *testing.T) {
	d := newDesk(t, Config{CDN: func() int { return 203 }, CDNFrom: 1})
	data := d.bytes(300 << 10)
	f := d.document(ann, data)
	answer, err := d.GetFile(ann, &tg.UploadGetFileRequest{CDNSupported: true, Location: d.location(f, 1), Limit: 128 << 10})
	if err != nil {
		t.Fatal(err)
	}
	to := answer.(*tg.UploadFileCDNRedirect)
	ask := &tg.UploadGetCDNFileRequest{FileToken: to.FileToken, Offset: 128 << 10, Limit: 128 << 10}
	part, err := d.GetCDNFile(ask)
	if err != nil {
		t.Fatal(err)
	}
	need := part.(*tg.UploadCDNFileReuploadNeeded)
	_, err = d.Reupload(&tg.UploadReuploadCDNFileRequest{FileToken: to.FileToken, RequestToken: []byte("x")})
	want(t, err, "REQUEST_TOKEN_INVALID")
	if _, err = d.Reupload(&tg.UploadReuploadCDNFileRequest{FileToken: to.FileToken, RequestToken: need.RequestToken}); err != nil {
		t.Fatal(err)
	}
	if part, err = d.GetCDNFile(ask); err != nil {
		t.Fatal(err)
	}
	plain := part.(*tg.UploadCDNFile).Bytes
	if err := (&cdnFile{key: to.EncryptionKey, iv: to.EncryptionIv}).crypt(plain, ask.Offset); err != nil {
		t.Fatal(err)
	}
	hashes, err := d.GetCDNHashes(&tg.UploadGetCDNFileHashesRequest{FileToken: to.FileToken, Offset: ask.Offset})
	sum := sha256.Sum256(plain)
	if err != nil || !bytes.Equal(plain, data[128<<10:256<<10]) || !bytes.Equal(hashes[0].Hash, sum[:]) {
		t.Errorf("the CDN's part is wrong: %v", err)
	}
	d.ForgetTokens()
	_, err = d.GetCDNFile(ask)
	want(t, err, "FILE_TOKEN_INVALID")
}

func picture(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPhotos(t *testing.T) {
	d := newDesk(t, Config{})
	photo := func(data []byte) (Media, error) {
		return d.Media(ann, &tg.InputMediaUploadedPhoto{File: d.upload(ann, d.rng.Int64(), data, maxPart)})
	}
	m, err := photo(picture(t, 640, 480))
	if err != nil {
		t.Fatal(err)
	}
	shown := m.Render(d.Store, 2).(*tg.MessageMediaPhoto).Photo.(*tg.Photo)
	small := shown.Sizes[0].(*tg.PhotoSize)
	if len(shown.Sizes) != 2 || small.W != 320 || small.H != 240 {
		t.Errorf("sizes %v", shown.Sizes)
	}
	loc := &tg.InputPhotoFileLocation{ID: shown.ID, AccessHash: shown.AccessHash, FileReference: shown.FileReference, ThumbSize: small.Type}
	part, err := d.GetFile(Who{User: 2, DC: 2}, &tg.UploadGetFileRequest{Location: loc, Limit: 1 << 20})
	if err != nil || len(part.(*tg.UploadFile).Bytes) != small.Size {
		t.Errorf("thumbnail: %v", err)
	}
	loc.ThumbSize = "q"
	_, err = d.GetFile(Who{User: 2, DC: 2}, &tg.UploadGetFileRequest{Location: loc, Limit: 1 << 20})
	want(t, err, "LOCATION_INVALID")
	_, err = photo([]byte("no picture"))
	want(t, err, "IMAGE_PROCESS_FAILED")
	_, err = photo(picture(t, 400, 10))
	want(t, err, "PHOTO_INVALID_DIMENSIONS")
}
