package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator/files"
)

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b) // never fails
	return b
}

func reason(err error) string {
	var own *fleet.Error
	if errors.As(err, &own) {
		return own.Reason
	}
	return ""
}

// onlyReader hides that a source could seek.
type onlyReader struct{ io.Reader }

// TestExactSizes uploads and downloads files around every border, of known and unknown length.
func TestExactSizes(t *testing.T) {
	for _, size := range []int{1, 253, 254, 1023, PartSize - 1, PartSize, PartSize + 1, 3*PartSize + 17, bigFrom - 1, bigFrom, bigFrom + 1, bigFrom + PartSize} {
		for _, announced := range []int64{int64(size), SizeUnknown} {
			e := newEnv(t, files.Config{})
			data := random(size)
			var last atomic.Int64
			f, err := NewUpload(UploadOptions{Name: "a.bin", Size: announced, Progress: func(n int64) {
				last.Store(max(last.Load(), n))
			}}).Send(t.Context(), e, onlyReader{bytes.NewReader(data)})
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if f.Size != int64(size) || f.Parts != partsOf(int64(size)) || f.Big() != (size >= bigFrom) || last.Load() != int64(size) {
				t.Errorf("%d bytes: got %+v, progress %d", size, f, last.Load())
			}
			var got bytes.Buffer
			err = Download(t.Context(), e, e.document(t, f), DownloadOptions{}, func(p []byte) error { got.Write(p); return nil })
			if err != nil || !bytes.Equal(got.Bytes(), data) {
				t.Errorf("%d bytes came back as %d: %v", size, got.Len(), err)
			}
			if e.most > DefaultParallel {
				t.Errorf("%d calls at once", e.most)
			}
		}
	}
}

func TestNothingIsSentOfWhatTelegramRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		o      UploadOptions
		data   io.Reader
		reason string
	}{
		"empty":                  {UploadOptions{Size: 0}, bytes.NewReader(nil), "FILE_EMPTY"},
		"empty, unknown":         {UploadOptions{Size: SizeUnknown}, bytes.NewReader(nil), "FILE_EMPTY"},
		"negative":               {UploadOptions{Size: -2}, bytes.NewReader(nil), "FILE_SIZE_INVALID"},
		"too large":              {UploadOptions{Size: maxParts*PartSize + 1}, nil, "FILE_TOO_LARGE"},
		"too large with premium": {UploadOptions{Size: maxPartsPremium*PartSize + 1}, nil, "FILE_TOO_LARGE"},
		"no picture":             {UploadOptions{Size: 5, Photo: true}, bytes.NewReader([]byte("hello")), "PHOTO_INVALID"},
		"large picture":          {UploadOptions{Size: maxPhoto + 1, Photo: true}, bytes.NewReader(append(picture(t, 9, 9), make([]byte, maxPhoto)...)), "PHOTO_INVALID"},
		"long picture":           {UploadOptions{Size: SizeUnknown, Photo: true}, bytes.NewReader(picture(t, 300, 10)), "PHOTO_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, files.Config{})
			_, err := NewUpload(c.o).Send(t.Context(), e, c.data)
			if reason(err) != c.reason {
				t.Errorf("got %v, want %s", err, c.reason)
			}
			if n := e.count("upload.saveFilePart") + e.count("upload.saveBigFilePart"); n != 0 {
				t.Errorf("%d parts were sent", n)
			}
		})
	}
}

func TestWrongLengthIsRefused(t *testing.T) {
	for _, actual := range []int{PartSize, 2*PartSize - 1, 2*PartSize + 1, 3 * PartSize} {
		e := newEnv(t, files.Config{})
		_, err := NewUpload(UploadOptions{Size: 2 * PartSize}).Send(t.Context(), e, bytes.NewReader(random(actual)))
		if reason(err) != "FILE_SIZE_WRONG" {
			t.Errorf("%d bytes: got %v", actual, err)
		}
	}
}

// zeros is a stream of a length that takes no room.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.left))
	clear(p[:n])
	z.left -= int64(n)
	return n, nil
}

// TestTwoGiBInBoundedMemory: what is in memory does not depend on the size of the file. Files of more
// than 4000 parts need Premium.
func TestTwoGiBInBoundedMemory(t *testing.T) {
	if os.Getenv("ORCHESTRATOR_LONG") == "" {
		t.Skip("part of make test-long")
	}
	const size = 2 << 30
	e := newEnv(t, files.Config{})
	if _, err := NewUpload(UploadOptions{Size: size}).Send(t.Context(), e, &zeros{size}); reason(err) != "FILE_TOO_LARGE" {
		t.Fatalf("without Premium: %v", err)
	}
	e.who.Premium = true
	var peak uint64
	look := func(n int64) {
		if n%(256<<20) == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	f, err := NewUpload(UploadOptions{Size: size, Parallel: 1, Progress: look}).Send(t.Context(), e, &zeros{size})
	if err != nil {
		t.Fatal(err)
	}
	var got int64
	err = Download(t.Context(), e, e.document(t, f), DownloadOptions{}, func(p []byte) error {
		got += int64(len(p))
		look(got)
		return nil
	})
	if err != nil || got != size {
		t.Errorf("%d bytes came back: %v", got, err)
	}
	if peak > 64<<20 {
		t.Errorf("peak of %d MiB", peak>>20)
	}
}

// TestUploadGoesOn after its stream broke: parts that Telegram has are not sent again.
func TestUploadGoesOn(t *testing.T) {
	data := random(bigFrom + 3*PartSize + 5)
	for _, announced := range []int64{int64(len(data)), SizeUnknown} {
		e := newEnv(t, files.Config{})
		u := NewUpload(UploadOptions{Size: announced})
		broken := errors.New("stream broke")
		const had = bigFrom + PartSize + 100 // one and a half parts behind what makes it a big one
		_, err := u.Send(t.Context(), e, io.MultiReader(bytes.NewReader(data[:had]), failing{broken}))
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		from := u.Saved()
		if from == 0 || from > had || from%PartSize != 0 {
			t.Fatalf("goes on at %d", from)
		}
		if at, ok := u.Place(); !ok || at.Sum == nil || *at.Sum != crc32.Checksum(data[:from], castagnoli) {
			t.Errorf("place %+v is not that of the first %d bytes", at, from)
		}
		before := e.count("upload.saveBigFilePart")
		f, err := u.Send(t.Context(), e, bytes.NewReader(data[from:]))
		if err != nil {
			t.Fatal(err)
		}
		if sent := e.count("upload.saveBigFilePart") - before; sent != f.Parts-int(from/PartSize) {
			t.Errorf("%d parts were sent after %d of %d", sent, from/PartSize, f.Parts)
		}
		loc := e.document(t, f)
		var got bytes.Buffer
		if err := Download(t.Context(), e, loc, DownloadOptions{}, func(p []byte) error { got.Write(p); return nil }); err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("%d of %d bytes, %v", got.Len(), len(data), err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestPartFails: the first part that Telegram refuses ends the upload, with Telegram's error.
func TestPartFails(t *testing.T) {
	e := newEnv(t, files.Config{})
	e.before = func(string) error { return tgerr.New(400, "FILE_PART_INVALID") }
	_, err := NewUpload(UploadOptions{Size: bigFrom}).Send(t.Context(), e, bytes.NewReader(random(bigFrom)))
	if reason(err) != "FILE_PART_INVALID" {
		t.Errorf("got %v", err)
	}
}

func uploaded(t *testing.T, e *storeEnv, data []byte) Location {
	t.Helper()
	f, err := NewUpload(UploadOptions{Size: int64(len(data))}).Send(t.Context(), e, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return e.document(t, f)
}

func TestDownloadGoesOnAtAnOffset(t *testing.T) {
	e := newEnv(t, files.Config{})
	data := random(3*PartSize + 9)
	loc := uploaded(t, e, data)
	for offset, want := range map[int64]string{0: "", PartSize: "", 3 * PartSize: "", 4 * PartSize: "OFFSET_INVALID", 5: "OFFSET_INVALID", -PartSize: "OFFSET_INVALID"} {
		var got []byte
		err := Download(t.Context(), e, loc, DownloadOptions{Offset: offset}, func(p []byte) error { got = append(got, p...); return nil })
		if reason(err) != want || want == "" && (err != nil || !bytes.Equal(got, data[offset:])) {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
	}
}

func TestDownloadOfAnUnknownSize(t *testing.T) {
	for _, size := range []int{PartSize - 1, PartSize, 2*PartSize + 1} {
		e := newEnv(t, files.Config{})
		data := random(size)
		loc := uploaded(t, e, data)
		loc.Size = SizeUnknown
		var got []byte
		err := Download(t.Context(), e, loc, DownloadOptions{}, func(p []byte) error { got = append(got, p...); return nil })
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
	}
}

func TestWrongSizeIsNoticed(t *testing.T) {
	e := newEnv(t, files.Config{})
	loc := uploaded(t, e, random(PartSize+5))
	for _, size := range []int64{PartSize + 4, PartSize + 6, PartSize - 1, 2*PartSize + 1} {
		loc.Size = size
		if err := Download(t.Context(), e, loc, DownloadOptions{}, func([]byte) error { return nil }); reason(err) != "FILE_SIZE_WRONG" {
			t.Errorf("announced %d: got %v", size, err)
		}
	}
}

// TestExpiredReferenceIsRefreshed once for all parts that meet it.
func TestExpiredReferenceIsRefreshed(t *testing.T) {
	e := newEnv(t, files.Config{})
	data := random(6 * PartSize)
	loc := uploaded(t, e, data)
	id := e.store.Find(idOf(loc))
	refreshed := 0
	refresh := func(context.Context) (Location, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		refreshed++
		return e.location(id), nil
	}
	var got []byte
	err := Download(t.Context(), e, loc, DownloadOptions{Refresh: refresh}, func(p []byte) error {
		if len(got) == PartSize {
			e.mu.Lock()
			e.store.ExpireReferences()
			e.mu.Unlock()
		}
		got = append(got, p...)
		return nil
	})
	if err != nil || !bytes.Equal(got, data) || refreshed > 1 {
		t.Errorf("%d bytes, %d refreshes, %v", len(got), refreshed, err)
	}
	e.store.ExpireReferences()
	if err := Download(t.Context(), e, loc, DownloadOptions{}, func([]byte) error { return nil }); reason(err) != "FILE_REFERENCE_EXPIRED" {
		t.Errorf("without a way to refresh: %v", err)
	}
	never := func(context.Context) (Location, error) { return loc, nil }
	if err := Download(t.Context(), e, loc, DownloadOptions{Refresh: never}, func([]byte) error { return nil }); reason(err) != "FILE_REFERENCE_EXPIRED" {
		t.Errorf("with a refresh that helps nothing: %v", err)
	}
}

// TestFileOfAnotherDC is read there.
func TestFileOfAnotherDC(t *testing.T) {
	e := newEnv(t, files.Config{})
	e.who.DC = 4
	data := random(2*PartSize + 1)
	loc := uploaded(t, e, data)
	e.who.DC = home
	for _, known := range []bool{true, false} {
		if !known {
			loc.DC = 0
		}
		before := e.count("FILE_MIGRATE")
		var got []byte
		err := Download(t.Context(), e, loc, DownloadOptions{}, func(p []byte) error { got = append(got, p...); return nil })
		if err != nil || !bytes.Equal(got, data) || known != (e.count("FILE_MIGRATE") == before) {
			t.Errorf("DC known %t: %d bytes, %v", known, len(got), err)
		}
	}
}

func TestCDNIsCheckedAndFollowed(t *testing.T) {
	e := newEnv(t, files.Config{CDN: func() int { return 203 }})
	data := random(5*PartSize + 77777)
	loc := uploaded(t, e, data)
	var got []byte
	err := Download(t.Context(), e, loc, DownloadOptions{}, func(p []byte) error {
		if len(got) == 0 {
			e.mu.Lock()
			e.store.ForgetTokens() // parts that follow get FILE_TOKEN_INVALID, and begin at the master again
			e.mu.Unlock()
		}
		got = append(got, p...)
		return nil
	})
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if e.count("upload.getCdnFile") < 6 || e.count("upload.reuploadCdnFile") == 0 || e.count("upload.getCdnFileHashes") == 0 {
		t.Errorf("calls %v", e.calls)
	}
	e.store.Tamper(true)
	wrote := 0
	err = Download(t.Context(), e, loc, DownloadOptions{}, func(p []byte) error { wrote += len(p); return nil })
	if reason(err) != "CDN_FILE_CORRUPT" || wrote != 0 {
		t.Errorf("a CDN that lies: %d bytes were written, %v", wrote, err)
	}
}

// TestDownloadEndsWithItsReader: no call is left when it returns.
func TestDownloadEndsWithItsReader(t *testing.T) {
	e := newEnv(t, files.Config{})
	loc := uploaded(t, e, random(20*PartSize))
	full := errors.New("disk full")
	if err := Download(t.Context(), e, loc, DownloadOptions{}, func([]byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if e.running != 0 || e.count("upload.getFile") > 2*DefaultParallel {
		t.Errorf("%d calls run, %d were made", e.running, e.calls["upload.getFile"])
	}
}

func picture(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func box(kind string, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	out := binary.BigEndian.AppendUint32(nil, uint32(8+len(all)))
	return append(append(out, kind...), all...)
}

func TestInspect(t *testing.T) {
	mvhd := make([]byte, 100)
	binary.BigEndian.PutUint32(mvhd[12:], 1000)
	binary.BigEndian.PutUint32(mvhd[16:], 12_500)
	tkhd := make([]byte, 84)
	binary.BigEndian.PutUint32(tkhd[76:], 640<<16)
	binary.BigEndian.PutUint32(tkhd[80:], 360<<16)
	movie := append(box("ftyp", []byte("isom\x00\x00\x02\x00isommp42")), box("moov", box("mvhd", mvhd), box("trak", box("tkhd", tkhd)))...)
	wav := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00"), make([]byte, 16)...)
	binary.LittleEndian.PutUint32(wav[28:], 16_000)
	wav = append(wav, []byte("data\x00\x7d\x00\x00")...)
	for _, c := range []struct {
		name string
		head []byte
		want Info
	}{
		{"a.bin", picture(t, 30, 20), Info{Mime: "image/jpeg", Width: 30, Height: 20}},
		{"a.mp4", movie, Info{Mime: "video/mp4", Width: 640, Height: 360, Duration: 12.5}},
		{"a.m4a", movie, Info{Mime: "audio/mp4", Width: 640, Height: 360, Duration: 12.5}},
		{"a", wav, Info{Mime: "audio/wav", Duration: 2}},
		{"notes.md", []byte("# hello"), Info{Mime: "text/markdown"}},
		{"a.docx", []byte("PK\x03\x04xxxx"), Info{Mime: "application/vnd.openxmlformats-officedocument.wordprocessingml.document"}},
		{"a", []byte{0, 1, 2, 3}, Info{Mime: "application/octet-stream"}},
		{"cut.mp4", movie[:40], Info{Mime: "video/mp4"}},
	} {
		if got := Inspect(c.name, c.head, int64(len(c.head))); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// FuzzInspect: no file, however broken, makes it fail.
func FuzzInspect(f *testing.F) {
	f.Add("a.mp4", box("moov", box("mvhd", make([]byte, 100))))
	f.Add("a.wav", []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00data"))
	f.Fuzz(func(t *testing.T, name string, head []byte) {
		if got := Inspect(name, head, SizeUnknown); got.Width < 0 || got.Height < 0 || got.Duration < 0 {
			t.Errorf("got %+v", got)
		}
	})
}
