package formats

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/telefleet/orchestrator/fleet"
)

// fuzzText holds a decoder to what Import promises: a session with a home key that survives
// its own export, or a typed error.
func fuzzText(f *testing.F, format Format) {
	for _, c := range theirs {
		if c.format == format {
			f.Add([]byte(load(f, c.file)[c.name]))
		}
	}
	for name, text := range load(f, "ours.json") {
		if filepath.Dir(name) == string(format) {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := Import(format, data, Options{})
		if err != nil {
			typed(t, err)
			return
		}
		if im.HomeKey().Zero() || im.HomeDC == 0 {
			t.Fatalf("a session without a key was read: %v", im)
		}
		out, err := Export(format, im.Session, Options{})
		if err != nil {
			typed(t, err) // no user id, or an address that is not known
			return
		}
		back, err := Import(format, out.Data, Options{})
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		if back.HomeKey() != im.HomeKey() || back.HomeDC != im.HomeDC || back.UserID != im.UserID || back.Bot != im.Bot || back.Test != im.Test {
			t.Fatalf("%v came back as %v", im, back)
		}
	})
}

func typed(t *testing.T, err error) {
	t.Helper()
	var e *fleet.Error
	if !errors.As(err, &e) || e.Code == "" || e.Reason == "" || e.Remedy == "" {
		t.Fatalf("error without code, reason or remedy: %#v", err)
	}
}

func FuzzTelethon(f *testing.F)    { fuzzText(f, Telethon) }
func FuzzGramJS(f *testing.F)      { fuzzText(f, GramJS) }
func FuzzPyrogram(f *testing.F)    { fuzzText(f, Pyrogram) }
func FuzzPyrogramOld(f *testing.F) { fuzzText(f, PyrogramOld) }
func FuzzMtcute(f *testing.F)      { fuzzText(f, Mtcute) }
func FuzzGotd(f *testing.F)        { fuzzText(f, Gotd) }

// FuzzOwn fuzzes the fields behind the checksum, which would stop almost all other input.
func FuzzOwn(f *testing.F) {
	for _, n := range []int{0, 3} {
		out, err := Export(Own, rich(n), Options{})
		if err != nil {
			f.Fatal(err)
		}
		raw, err := decode64(out.Data[len(ownMagic)+1:])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw[:len(raw)-ownSum])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		im, err := decodeOwn(ownText(body))
		if err != nil {
			typed(t, err)
			return
		}
		out, err := Export(Own, im.Session, Options{})
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := Import(Own, out.Data, Options{})
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		again, err := Export(Own, back.Session, Options{})
		if err != nil || !bytes.Equal(again.Data, out.Data) {
			t.Fatalf("the second export differs from the first: %v", err)
		}
	})
}

func FuzzDetect(f *testing.F) {
	for _, c := range theirs {
		f.Add([]byte(load(f, c.file)[c.name]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if format, err := Detect(data); err != nil {
			typed(t, err)
		} else if _, err := ImportAll(format, data, Options{}); err != nil {
			typed(t, err)
		}
	})
}

// FuzzTData fuzzes the parts of a folder behind checksum and cipher, and the zip around it.
func FuzzTData(f *testing.F) {
	for _, name := range []string{"tdata-mtcute.zip", "ours-tdata.zip"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(3), data)
	}
	f.Add(uint8(0), be(2, 0, 1, 0))
	f.Add(uint8(1), append(be(75), qt(be(5, 2, 1, 2))...))
	f.Add(uint8(2), qt(be(1, 1)))
	f.Fuzz(func(t *testing.T, part uint8, data []byte) {
		if part > 2 {
			if _, err := ImportAll(TData, data, Options{}); err != nil {
				typed(t, err)
			}
			return
		}
		l := newLayout(t, "", 0)
		l.account(firstAccount, knownUser, true, 2, 2)
		switch part {
		case 0:
			wrap, err := tdPasscodeKey(nil, bytes.Repeat([]byte("salt"), 8))
			if err != nil {
				t.Fatal(err)
			}
			l.file("key_datas", append(append(qt(bytes.Repeat([]byte("salt"), 8)), l.seal(wrap, l.localKey)...), l.seal(l.localKey, data)...))
		case 1:
			l.file(firstAccount+"s", l.seal(l.localKey, data))
		case 2:
			l.file(firstAccount+"/configs", l.seal(l.localKey, data))
		}
		if _, err := ImportFolder(fstest.MapFS(l.fs), Options{}); err != nil {
			typed(t, err)
		}
	})
}
