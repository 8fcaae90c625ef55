package formats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"

	"github.com/gotd/td/session/tdesktop"

	"github.com/telefleet/orchestrator/sessionstore"
)

// seeded is an endless stream of the same bytes each time.
func seeded() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{1}) }

// layout builds a tdata folder by the published layout, apart from the code under test except
// for its cipher.
type layout struct {
	t        *testing.T
	fs       fstest.MapFS
	localKey []byte
	rand     *rand.ChaCha8
}

func newLayout(t *testing.T, passcode string, indexes ...uint32) *layout {
	l := &layout{t: t, fs: fstest.MapFS{}, localKey: make([]byte, 256), rand: seeded()}
	_, _ = l.rand.Read(l.localKey)
	salt := bytes.Repeat([]byte("salt"), 8)
	wrap, err := tdPasscodeKey([]byte(passcode), salt)
	if err != nil {
		t.Fatal(err)
	}
	info := be(uint32(len(indexes)))
	for _, i := range indexes {
		info = append(info, be(i)...)
	}
	info = append(info, be(indexes[0])...)
	l.file("key_datas", slices.Concat(qt(salt), l.seal(wrap, l.localKey), l.seal(l.localKey, info)))
	return l
}

func be(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func qt(b []byte) []byte { return append(be(uint32(len(b))), b...) }

func qtString(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return qt(b)
}

func (l *layout) seal(key, plain []byte) []byte {
	b, err := tdEncrypt(plain, key, l.rand)
	if err != nil {
		l.t.Fatal(err)
	}
	return qt(b)
}

func (l *layout) file(name string, contents []byte) {
	version := binary.LittleEndian.AppendUint32(nil, 5_000_000)
	sum := tdfSum(contents, version)
	l.fs[name] = &fstest.MapFile{Data: slices.Concat([]byte("TDF$"), version, contents, sum[:])}
}

// account writes the file of keys; wide takes the form of user ids of 64 bits.
func (l *layout) account(name string, user uint64, wide bool, home uint32, dcs ...int) {
	auth := be(uint32(user), home)
	if wide {
		auth = slices.Concat(be(^uint32(0), ^uint32(0)), be(uint32(user>>32), uint32(user)), be(home))
	}
	auth = append(auth, be(uint32(len(dcs)))...)
	for _, dc := range dcs {
		key := knownKey(dc)
		auth = append(append(auth, be(uint32(dc))...), key[:]...)
	}
	old := knownKey(9)
	auth = append(append(auth, be(1, 3)...), old[:]...) // a key to be destroyed
	l.file(name+"s", l.seal(l.localKey, append(be(75), qt(auth)...)))
}

func (l *layout) config(name string, environment uint32) {
	options := slices.Concat(be(^uint32(0), 1), be(2, 0, 443), qt([]byte("149.154.167.40")), qt(nil))
	cfg := slices.Concat(be(1, environment), qt(options), make([]byte, 19*4), qtString("https://t.me/"), make([]byte, 6*4), qtString(""), make([]byte, 3*4), be(0))
	l.file(name+"/configs", l.seal(l.localKey, qt(cfg)))
}

const (
	firstAccount  = "D877F783D5D3EF8C"
	secondAccount = "A7FDF864FBC10B77"
)

func TestTDataFolderIsReadLikeGotdReadsIt(t *testing.T) {
	for _, passcode := range []string{"", knownPass} {
		l := newLayout(t, passcode, 0, 1)
		l.account(firstAccount, knownUser, false, 2, 2, 4)
		l.config(firstAccount, 1)
		l.account(secondAccount, knownWide, true, 5, 5)
		want := []Session{known(2, Session{UserID: knownUser, Test: true}), known(5, Session{UserID: knownWide})}
		want[0].Keys[4] = sessionstore.DCKey{Key: knownKey(4)}

		got, err := ImportFolder(l.fs, Options{Passcode: []byte(passcode)})
		if err != nil || len(got) != 2 {
			t.Fatalf("got %v, %v", got, err)
		}
		accounts, err := tdesktop.ReadFS(l.fs, []byte(passcode))
		if err != nil {
			t.Fatalf("gotd cannot read the folder of this test: %v", err)
		}
		for i, a := range accounts {
			same(t, got[i].Session, want[i])
			oracle := Session{HomeDC: a.Authorization.MainDC, UserID: int64(a.Authorization.UserID), Test: a.Config.Environment.Test(), Keys: map[int]sessionstore.DCKey{}}
			for dc, key := range a.Authorization.Keys {
				oracle.Keys[dc] = sessionstore.DCKey{Key: sessionstore.AuthKey(key)}
			}
			same(t, got[i].Session, oracle)
		}
		if !noted(got[1].Notes, "test") || noted(got[0].Notes, "test") {
			t.Errorf("the missing config is not noted, or the other one is: %v, %v", got[0].Notes, got[1].Notes)
		}
		one, err := Import(TData, pack(t, l.fs), Options{Passcode: []byte(passcode), Account: 2})
		if err != nil {
			t.Fatal(err)
		}
		same(t, one.Session, want[1])
		if _, err := Import(TData, pack(t, l.fs), Options{Passcode: []byte(passcode)}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "holds 2") {
			t.Errorf("two accounts as one: %v", err)
		}
	}
}

func pack(t testing.TB, folder fs.FS) []byte {
	t.Helper()
	data, err := PackFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTDataOfRealLibrariesIsRead reads what @mtcute/convert and opentele wrote.
func TestTDataOfRealLibrariesIsRead(t *testing.T) {
	mtcute := []Session{known(2, Session{UserID: knownUser}), known(4, Session{UserID: knownWide})}
	opentele := known(2, Session{UserID: knownWide})
	opentele.Keys[4] = sessionstore.DCKey{Key: knownKey(4)}
	for name, want := range map[string][]Session{
		"tdata-mtcute": mtcute, "tdata-mtcute" + passFolder: mtcute[:1],
		"tdata-opentele": {opentele}, "tdata-opentele" + passFolder: {opentele},
	} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		if f, err := Detect(data); err != nil || f != TData {
			t.Errorf("%s: detect: %v, %v", name, f, err)
		}
		var o Options
		if strings.HasSuffix(name, passFolder) {
			o.Passcode = []byte(knownPass)
			for _, wrong := range []string{"", "wrong horse"} {
				if _, err := ImportAll(TData, data, Options{Passcode: []byte(wrong)}); !errors.Is(err, ErrPasscode) {
					t.Errorf("%s with the passcode %q: %v", name, wrong, err)
				} else {
					checkError(t, err, knownPass)
				}
			}
		}
		got, err := ImportAll(Auto, data, o)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: got %v, %v", name, got, err)
		}
		for i := range want {
			same(t, got[i].Session, want[i])
		}
	}
}

// TestTDataExportStaysTheOneThatWasTaken compares with the folders that opentele and
// @mtcute/convert have read, and reads them with gotd and ourselves.
func TestTDataExportStaysTheOneThatWasTaken(t *testing.T) {
	s := known(2, Session{UserID: knownWide})
	s.Keys[4] = sessionstore.DCKey{Key: knownKey(4)}
	for name, passcode := range map[string]string{"ours-tdata": "", "ours-tdata" + passFolder: knownPass} {
		out, err := Export(TData, s, Options{Passcode: []byte(passcode), Rand: seeded()})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".zip")
		if *update {
			if err := os.WriteFile(path, out.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		folder, err := OpenFolder(out.Data)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, folder, kept)
		im, err := Import(Auto, out.Data, Options{Passcode: []byte(passcode)})
		if err != nil {
			t.Fatal(err)
		}
		same(t, im.Session, s)
		accounts, err := tdesktop.ReadFS(folder, []byte(passcode))
		if err != nil || len(accounts) != 1 {
			t.Fatalf("gotd does not read it: %v", err)
		}
		a := accounts[0].Authorization
		if a.MainDC != 2 || a.UserID != knownWide || len(a.Keys) != 2 || sessionstore.AuthKey(a.Keys[2]) != knownKey(2) {
			t.Errorf("gotd reads DC %d, user %d, %d keys", a.MainDC, a.UserID, len(a.Keys))
		}
		again, err := Export(TData, s, Options{})
		if err != nil || bytes.Equal(again.Data, out.Data) {
			t.Errorf("without a given source of chance, local key and salt are not drawn (%v)", err)
		}
	}
}

// sameFiles compares contents: how well a zip is packed may change with the release of Go.
func sameFiles(t *testing.T, got fs.FS, zipped []byte) {
	t.Helper()
	want, err := OpenFolder(zipped)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = fs.WalkDir(want, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		a, err := fs.ReadFile(want, path)
		if err != nil {
			return err
		}
		if b, err := fs.ReadFile(got, path); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not as it was taken (%v)", path, err)
		}
		return nil
	})
	if err != nil || n != 3 {
		t.Errorf("%d files, want 3 (%v)", n, err)
	}
}

func TestTDataFoldersAreFoundAndPacked(t *testing.T) {
	l := newLayout(t, "", 0)
	l.account(firstAccount, knownUser, false, 2, 2)
	l.fs["settingss"] = &fstest.MapFile{Data: []byte("private")}
	l.fs["user_data/cache/0"] = &fstest.MapFile{Data: make([]byte, 5<<20)}
	l.fs[firstAccount+"/maps"] = &fstest.MapFile{Data: []byte("private")}
	for _, prefix := range []string{"", "tdata/", "Telegram Desktop/tdata/"} {
		moved := fstest.MapFS{}
		for name, f := range l.fs {
			moved[prefix+name] = f
		}
		data := pack(t, moved)
		if bytes.Contains(data, []byte("settings")) || bytes.Contains(data, []byte("maps")) || len(data) > 4096 {
			t.Errorf("%q: more than the import needs is packed: %d bytes", prefix, len(data))
		}
		im, err := Import(TData, data, Options{})
		if err != nil {
			t.Fatalf("%q: %v", prefix, err)
		}
		same(t, im.Session, known(2, Session{UserID: knownUser}))
	}
	two := fstest.MapFS{"a/key_datas": l.fs["key_datas"], "b/key_datas": l.fs["key_datas"]}
	for name, folder := range map[string]fs.FS{"two": two, "none": fstest.MapFS{}} {
		if _, err := PackFolder(folder); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTDataOlderFileNames(t *testing.T) {
	l := newLayout(t, "", 0)
	l.account(firstAccount, knownUser, false, 2, 2)
	old := fstest.MapFS{"key_data0": l.fs["key_datas"], firstAccount + "1": l.fs[firstAccount+"s"]}
	im, err := ImportFolder(old, Options{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, im[0].Session, known(2, Session{UserID: knownUser}))
	// A damaged current file is an error, however good the old one is.
	old["key_datas"] = &fstest.MapFile{Data: []byte("TDF$damaged and so on, for long")}
	if _, err := ImportFolder(old, Options{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an old file stands in for a damaged one: %v", err)
	}
}

func TestBadTDataIsAnError(t *testing.T) {
	good := func() *layout {
		l := newLayout(t, "", 0)
		l.account(firstAccount, knownUser, false, 2, 2)
		l.config(firstAccount, 0)
		return l
	}
	for name, c := range map[string]struct {
		damage func(*layout)
		want   string
	}{
		"no account file":  {func(l *layout) { delete(l.fs, firstAccount+"s") }, firstAccount},
		"other block":      {func(l *layout) { l.file(firstAccount+"s", l.seal(l.localKey, be(1, 2, 3))) }, "block 75"},
		"other local key":  {func(l *layout) { l.localKey = bytes.Repeat([]byte{1}, 256); l.account(firstAccount, 1, true, 2, 2) }, "does not open"},
		"no home key":      {func(l *layout) { l.account(firstAccount, 1, true, 2, 4) }, "home DC 2"},
		"no key":           {func(l *layout) { l.account(firstAccount, 1, true, 2) }, "none is logged in"},
		"nobody":           {func(l *layout) { l.account(firstAccount, 0, true, 2, 2) }, "none is logged in"},
		"too many keys":    {func(l *layout) { l.account(firstAccount, 1, true, 2, make([]int, 65)...) }, "damaged"},
		"environment":      {func(l *layout) { l.config(firstAccount, 7) }, "environment"},
		"damaged config":   {func(l *layout) { l.fs[firstAccount+"/configs"].Data[20] ^= 1 }, "checksum"},
		"damaged account":  {func(l *layout) { l.fs[firstAccount+"s"].Data[100] ^= 1 }, "checksum"},
		"cut account":      {func(l *layout) { l.fs[firstAccount+"s"].Data = l.fs[firstAccount+"s"].Data[:20] }, "part"},
		"huge account":     {func(l *layout) { l.fs[firstAccount+"s"].Data = make([]byte, maxTDFile+1) }, "larger"},
		"short key file":   {func(l *layout) { l.file("key_datas", qt(nil)) }, "not all there"},
		"too many of them": {func(l *layout) { *l = *newLayout(t, "", make([]uint32, 65)...) }, "1 to 64"},
	} {
		l := good()
		c.damage(l)
		_, err := ImportFolder(l.fs, Options{})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
			continue
		}
		checkError(t, err, "-")
	}
	for _, n := range []int{-1, 2} {
		if _, err := ImportFolder(good().fs, Options{Account: n}); !errors.Is(err, ErrInvalid) {
			t.Errorf("account %d of 1: %v", n, err)
		}
	}
	if _, err := Import(TData, []byte("PK\x03\x04 no zip"), Options{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no zip: %v", err)
	}
	l := newLayout(t, "", 0, 1)
	l.account(firstAccount, 0, true, 2)
	l.account(secondAccount, knownUser, true, 2, 2)
	im, err := ImportFolder(l.fs, Options{})
	if err != nil || len(im) != 1 || !noted(im[0].Notes, "accounts") {
		t.Errorf("one of two logged in: %v, %v", im, err)
	}
}
