package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

var update = flag.Bool("update", false, "write testdata/ours.json and the tdata zips anew; check them with the libraries then")

// The values that testdata/make/known.py names.
const (
	knownUser  = 123456789
	knownWide  = 5123456789
	knownAPI   = 1234567
	knownPass  = "correct horse"
	passFolder = "-passcode"
)

func knownKey(dc int) (k sessionstore.AuthKey) {
	for i := range k {
		k[i] = byte(i*31 + 17*dc)
	}
	return k
}

func known(dc int, s Session) Session {
	s.HomeDC = dc
	s.Keys = map[int]sessionstore.DCKey{dc: {Key: knownKey(dc)}}
	return s
}

// same compares what strings carry.
func same(t *testing.T, got, want Session) {
	t.Helper()
	if fmt.Sprintf("%v %v %v", got.Keys, got.Peers, got) != fmt.Sprintf("%v %v %v", want.Keys, want.Peers, want) ||
		got.UserID != want.UserID || got.Bot != want.Bot || got.Addr != want.Addr || got.APIID != want.APIID ||
		!bytes.Equal(got.Checkpoint, want.Checkpoint) || !bytes.Equal(got.FutureAuthToken, want.FutureAuthToken) {
		t.Errorf("got  %v user %d bot %t addr %q api %d\nwant %v user %d bot %t addr %q api %d",
			got, got.UserID, got.Bot, got.Addr, got.APIID, want, want.UserID, want.Bot, want.Addr, want.APIID)
	}
	for dc, k := range want.Keys {
		if got.Keys[dc].Key != k.Key {
			t.Errorf("the key of DC %d differs", dc)
		}
	}
}

func load(t testing.TB, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]string
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// theirs is what the real libraries wrote; exact: our export has the same letters.
var theirs = []struct {
	file, name string
	format     Format
	exact      bool
	want       Session
}{
	{"telethon.json", "ipv4", Telethon, true, known(2, Session{Addr: "149.154.167.51:443"})},
	{"telethon.json", "ipv6", Telethon, true, known(4, Session{Addr: "[2001:67c:4e8:f004::a]:443"})},
	{"telethon.json", "test", Telethon, true, known(2, Session{Addr: "149.154.167.40:80", Test: true})},
	{"gramjs.json", "ipv4", GramJS, true, known(2, Session{Addr: "149.154.167.51:443"})},
	{"gramjs.json", "short", GramJS, true, known(5, Session{Addr: "91.108.56.1:443"})},
	{"gramjs.json", "ipv6", GramJS, true, known(4, Session{Addr: "[2001:67c:4e8:f004::a]:443"})},
	{"gramjs.json", "name", GramJS, true, known(2, Session{Addr: "venus.web.telegram.org:443"})},
	{"gramjs.json", "test", GramJS, true, known(2, Session{Addr: "149.154.167.40:80", Test: true})},
	{"pyrogram-1.4.json", "user", PyrogramOld, true, known(2, Session{UserID: knownUser})},
	{"pyrogram-1.4.json", "bot", PyrogramOld, true, known(4, Session{UserID: knownUser, Bot: true})},
	{"pyrogram-1.4.json", "test", PyrogramOld, true, known(1, Session{UserID: knownUser, Test: true})},
	{"pyrogram-1.4.json", "wide", PyrogramOld, true, known(5, Session{UserID: knownWide})},
	{"pyrogram-2.0.json", "user", Pyrogram, true, known(2, Session{UserID: knownUser, APIID: knownAPI})},
	{"pyrogram-2.0.json", "bot", Pyrogram, true, known(4, Session{UserID: knownUser, APIID: knownAPI, Bot: true})},
	{"pyrogram-2.0.json", "test", Pyrogram, true, known(1, Session{UserID: knownUser, APIID: knownAPI, Test: true})},
	{"pyrogram-2.0.json", "wide", Pyrogram, true, known(5, Session{UserID: knownWide, APIID: knownAPI})},
	{"kurigram.json", "user", Pyrogram, true, known(2, Session{UserID: knownUser, APIID: knownAPI})},
	{"kurigram.json", "bot", Pyrogram, true, known(4, Session{UserID: knownUser, APIID: knownAPI, Bot: true})},
	{"kurigram.json", "test", Pyrogram, true, known(1, Session{UserID: knownUser, APIID: knownAPI, Test: true})},
	{"kurigram.json", "wide", Pyrogram, true, known(5, Session{UserID: knownWide, APIID: knownAPI})},
	// mtcute adds a media address, which we leave out.
	{"mtcute.json", "user", Mtcute, false, known(2, Session{UserID: knownUser, Addr: "149.154.167.50:443"})},
	{"mtcute.json", "bot", Mtcute, false, known(2, Session{UserID: knownWide, Bot: true, Addr: "149.154.167.50:443"})},
	{"mtcute.json", "ipv6", Mtcute, false, known(2, Session{UserID: knownUser, Addr: "[2001:67c:4e8:f002::a]:443"})},
	{"mtcute.json", "test", Mtcute, false, known(2, Session{UserID: knownUser, Test: true, Addr: "149.154.167.40:443"})},
	{"mtcute.json", "nobody", Mtcute, true, known(2, Session{Addr: "149.154.167.50:443"})},
}

func TestSessionsOfRealLibrariesAreRead(t *testing.T) {
	for _, c := range theirs {
		t.Run(c.file+"/"+c.name, func(t *testing.T) {
			text := load(t, c.file)[c.name]
			if f, err := Detect([]byte(text)); err != nil || f != c.format {
				t.Errorf("detect: got %q, %v; want %q", f, err, c.format)
			}
			for _, f := range []Format{Auto, c.format} {
				im, err := Import(f, []byte(text+"\n"), Options{})
				if err != nil {
					t.Fatalf("import as %s: %v", f, err)
				}
				same(t, im.Session, c.want)
				if im.From != c.format {
					t.Errorf("from: got %s, want %s", im.From, c.format)
				}
				if im.UserID == 0 && !noted(im.Notes, "user id") {
					t.Errorf("nothing says that the user id is unknown: %v", im.Notes)
				}
			}
			if !c.exact {
				return
			}
			if out, err := Export(c.format, c.want, Options{}); err != nil || string(out.Data) != text {
				t.Errorf("our export differs from the library's own string (%v)", err)
			}
		})
	}
}

func noted(notes []Note, field string) bool {
	for _, n := range notes {
		if n.Field == field {
			return true
		}
	}
	return false
}

// ours are the exports that the libraries were given by hand; see testdata/README.md.
var ours = map[string]Session{
	"user": known(2, Session{UserID: knownUser, APIID: knownAPI}),
	"wide": known(5, Session{UserID: knownWide, APIID: knownAPI, Addr: "91.108.56.130:443"}),
	"bot":  known(4, Session{UserID: knownUser, APIID: knownAPI, Bot: true, Addr: "[2001:67c:4e8:f004::a]:443"}),
	"test": known(1, Session{UserID: knownUser, APIID: knownAPI, Test: true}),
}

// TestExportsStayThoseTheLibrariesTook compares with the strings that were given to the real
// libraries by the check scripts in testdata/make.
func TestExportsStayThoseTheLibrariesTook(t *testing.T) {
	got := map[string]string{}
	for name, s := range ours {
		for _, f := range All() {
			if f == Own || f == TData {
				continue
			}
			out, err := Export(f, s, Options{})
			if err != nil {
				t.Fatalf("%s as %s: %v", name, f, err)
			}
			got[string(f)+"/"+name] = string(out.Data)
			back, err := Import(Auto, out.Data, Options{})
			if err != nil {
				t.Fatalf("%s as %s: import: %v", name, f, err)
			}
			if back.From != f || back.HomeKey() != s.HomeKey() || back.HomeDC != s.HomeDC || back.Test != s.Test {
				t.Errorf("%s as %s: came back as %v", name, f, back)
			}
			if back.UserID != s.UserID && !noted(out.Notes, "user id") {
				t.Errorf("%s as %s: nothing says that the user id is lost", name, f)
			}
		}
	}
	path := filepath.Join("testdata", "ours.json")
	if *update {
		data, _ := json.MarshalIndent(got, "", " ")
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := load(t, "ours.json")
	if len(want) != len(got) {
		t.Errorf("%d strings are kept, %d are made", len(want), len(got))
	}
	for name := range got {
		if got[name] != want[name] {
			t.Errorf("%s: the string is not the one that the library took", name)
		}
	}
}

func rich(peers int) Session {
	s := known(2, Session{UserID: knownWide, Bot: true, Test: true, Addr: "149.154.167.40:443", APIID: knownAPI,
		Checkpoint: []byte("checkpoint"), FutureAuthToken: []byte("token")})
	at := time.UnixMilli(1_700_000_000_000).UTC()
	s.Keys[2] = sessionstore.DCKey{Key: knownKey(2), TimeOffset: -3 * time.Second, CreatedAt: at,
		Salts: []sessionstore.Salt{{ValidSince: at.Unix(), ValidUntil: at.Add(time.Hour).Unix(), Value: -7}}}
	s.Keys[4] = sessionstore.DCKey{Key: knownKey(4)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range peers {
		s.Peers = append(s.Peers, Peer{ID: r.Int64N(maxUserID), Kind: Kind(1 + i%3), AccessHash: int64(r.Uint64()), Min: i%5 == 0})
		if i%2 == 0 {
			s.Peers[i].Username = fmt.Sprintf("peer_%d", i)
		}
	}
	return s
}

func TestOwnStringCarriesEverything(t *testing.T) {
	for _, peers := range []int{0, 1, 70_000} {
		s := rich(peers)
		out, err := Export(Own, s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(string(out.Data), func(r rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", r)
		}); i >= 0 {
			t.Errorf("letter %d is not of the URL-safe alphabet", i)
		}
		if _, err := decode64(out.Data); err != nil {
			t.Errorf("as a whole it is not base64: %v", err)
		}
		im, err := Import(Auto, out.Data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, im.Session, s)
		if len(im.Peers) != peers {
			t.Fatalf("%d peers came back, want %d", len(im.Peers), peers)
		}
		for i := range im.Peers {
			if im.Peers[i] != s.Peers[i] {
				t.Fatalf("peer %d differs", i)
			}
		}
		for dc, want := range s.Keys {
			got := im.Keys[dc]
			if got.TimeOffset != want.TimeOffset || !got.CreatedAt.Equal(want.CreatedAt) || len(got.Salts) != len(want.Salts) ||
				len(got.Salts) > 0 && got.Salts[0] != want.Salts[0] {
				t.Errorf("what belongs to the key of DC %d differs", dc)
			}
		}
	}
}

func TestEmptyStringIsAFreshSession(t *testing.T) {
	for _, f := range []Format{Own, Auto} {
		im, err := Import(f, nil, Options{})
		if err != nil || !im.Fresh() {
			t.Errorf("%s: got %v, %v", f, im, err)
		}
	}
	if out, err := Export(Own, Session{}, Options{}); err != nil || len(out.Data) != 0 {
		t.Errorf("a fresh session is written as %d bytes, %v", len(out.Data), err)
	}
	for _, f := range All() {
		if f == Own {
			continue
		}
		if _, err := Import(f, nil, Options{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: nothing at all: got %v", f, err)
		}
	}
	for _, blank := range []string{" ", "\n", "\r\n\t"} {
		if _, err := Import(Auto, []byte(blank), Options{}); err == nil {
			t.Errorf("white space is taken for a session")
		}
	}
}

// TestBadStringsAreErrors damages every string at every letter or cuts it there: nothing may
// come back as a fresh session, and no error may quote the string.
func TestBadStringsAreErrors(t *testing.T) {
	for _, f := range append(All(), Auto) {
		for _, text := range []string{"=", "1", "1=", "A", "AA", "{", "{}", "orcsess", "orcsess1", "orcsess2AAAA", "\x00", "null"} {
			if im, err := Import(f, []byte(text), Options{}); err == nil {
				t.Errorf("%q is read as %v", text, im)
			} else {
				checkError(t, err, "-")
			}
		}
	}
	own, err := Export(Own, rich(3), Options{})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"own": string(own.Data)}
	for _, c := range theirs {
		texts[c.file+"/"+c.name] = load(t, c.file)[c.name]
	}
	gotd := load(t, "ours.json")["gotd/user"]
	texts["gotd"] = gotd
	for name, text := range texts {
		f, err := Detect([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for cut := 1; cut < len(text); cut++ {
			for _, as := range []Format{f, Auto} {
				im, err := Import(as, []byte(text[:cut]), Options{})
				padding := strings.Trim(text[cut:], "=") == ""
				// Pyrogram's strings have no checksum: cut to the length of an older one, a newer one
				// can pass for it, unless its format is named.
				older := as == Auto && f == Pyrogram && im.From == PyrogramOld
				if err == nil && !padding && !older {
					t.Fatalf("%s cut after %d letters is read as %v", name, cut, im)
				}
				if err != nil {
					checkError(t, err, text)
				}
			}
		}
		for i := range text {
			damaged := []byte(text)
			damaged[i] = '!'
			im, err := Import(f, damaged, Options{})
			if err == nil && f != Gotd {
				t.Fatalf("%s with a wrong letter %d is read as %v", name, i, im)
			}
			if err == nil && im.Fresh() {
				t.Fatalf("%s with a wrong letter %d is a fresh session", name, i)
			}
			if err != nil {
				checkError(t, err, text)
			}
		}
	}
	for i := range own.Data {
		for _, c := range "Az-" {
			damaged := bytes.Clone(own.Data)
			if damaged[i] == byte(c) {
				continue
			}
			damaged[i] = byte(c)
			if im, err := Import(Own, damaged, Options{}); err == nil {
				t.Fatalf("own with letter %d changed is read as %v", i, im)
			}
		}
	}
}

// checkError: typed, with a next step, and no eight letters of the secret in a row.
func checkError(t *testing.T, err error, secret string) {
	t.Helper()
	var e *fleet.Error
	if !errors.As(err, &e) || e.Code == "" || e.Reason == "" || e.Remedy == "" {
		t.Fatalf("error without code, reason or remedy: %#v", err)
	}
	text := err.Error()
	for i := 0; i+8 <= len(text); i++ {
		if part := text[i : i+8]; strings.Contains(secret, part) && !strings.Contains(gotdNames, part) {
			t.Fatalf("the error quotes the session: %v", err)
		}
	}
}

// gotdNames are words of gotd's JSON that an error may name.
const gotdNames = `"Data.AuthKeyID":"Version":"AuthKey":"`

func TestOtherDataIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		want string
	}{
		"sqlite":    {"SQLite format 3\x00....", "SQLite"},
		"tdf":       {"TDF$....", "tdata"},
		"json":      {`{"auth_key":"x"}`, "JSON"},
		"words":     {"hello there", "white space"},
		"word":      {"hello", "known"},
		"cut":       {"1ApWapzMBuyJBYH", "Telethon"},
		"two lines": {"1AAA\n1BBB", "one session"},
		"binary":    {"\x00\x01\x02", "known"},
	} {
		if f, err := Detect([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v; want an error with %q", name, f, err, c.want)
		} else {
			checkError(t, err, "-")
		}
	}
	if _, err := Parse("whatsapp"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown format: %v", err)
	}
	if f, err := Parse("TData"); err != nil || f != TData {
		t.Errorf("tdata: %v %v", f, err)
	}
	for _, f := range []Format{"whatsapp", ""} {
		if _, err := Import(f, []byte("x"), Options{}); !errors.Is(err, ErrUnknown) {
			t.Errorf("import as %q: %v", f, err)
		}
		if _, err := Export(f, ours["user"], Options{}); !errors.Is(err, ErrUnknown) {
			t.Errorf("export as %q: %v", f, err)
		}
	}
	if _, err := Export(Auto, ours["user"], Options{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("export as auto: %v", err)
	}
}

func TestWrongValuesAreErrors(t *testing.T) {
	dead := known(2, Session{UserID: 1})
	dead.Keys[2] = sessionstore.DCKey{}
	for _, f := range All() {
		if _, err := Export(f, dead, Options{}); err == nil {
			t.Errorf("%s: a key of zeros is written", f)
		}
		if f != Own {
			if _, err := Export(f, Session{}, Options{}); !errors.Is(err, ErrNotExportable) {
				t.Errorf("%s: a fresh session: %v", f, err)
			}
		}
	}
	for name, c := range map[string]struct {
		format Format
		s      Session
		field  string
	}{
		"no user":          {Pyrogram, known(2, Session{}), "user id"},
		"no user, old":     {PyrogramOld, known(2, Session{}), "user id"},
		"no user in tdata": {TData, known(2, Session{}), "user id"},
		"bot in tdata":     {TData, known(2, Session{UserID: 1, Bot: true}), "bot"},
		"test in tdata":    {TData, known(2, Session{UserID: 1, Test: true}), "test"},
		"GramJS port":      {GramJS, known(2, Session{Addr: "127.0.0.1:40000"}), "port"},
		"no such DC":       {Telethon, known(7, Session{}), "server address"},
		"no such test DC":  {Mtcute, known(5, Session{Test: true}), "server address"},
		"bad address":      {Gotd, known(2, Session{Addr: "nowhere"}), "server address"},
		"bad port":         {Gotd, known(2, Session{Addr: "127.0.0.1:0"}), "server address"},
		"DC 0":             {Telethon, known(0, Session{}), "session"},
		"user id":          {Pyrogram, known(2, Session{UserID: 1 << 60}), "session"},
	} {
		_, err := Export(c.format, c.s, Options{})
		if !errors.Is(err, ErrNotExportable) || !strings.Contains(fmt.Sprint(err), c.field) {
			t.Errorf("%s: got %v; want an error about %s", name, err, c.field)
		}
	}
	// A host name does not fit Telethon's string: the shipped address is written and noted.
	out, err := Export(Telethon, known(2, Session{Addr: "venus.web.telegram.org:443"}), Options{})
	if err != nil || !noted(out.Notes, "server address") {
		t.Errorf("host name: %v, notes %v", err, out.Notes)
	}
}

func TestOwnSessionWithoutAKey(t *testing.T) {
	// What is left after a sign-out: no key, but a token that spares the next login its code.
	s := Session{FutureAuthToken: []byte("token"), Test: true}
	out, err := Export(Own, s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	im, err := Import(Own, out.Data, Options{})
	if err != nil || !im.Fresh() {
		t.Fatalf("got %v, %v", im, err)
	}
	same(t, im.Session, s)
	// A user without a key would count as authorised.
	if _, err := Export(Own, Session{UserID: knownUser}, Options{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a user without a key: %v", err)
	}
}

func TestNotesSayWhatIsLeftBehind(t *testing.T) {
	s := rich(2)
	for _, f := range All() {
		if f == Own || f == TData {
			continue
		}
		out, err := Export(f, s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"keys", "peers", "updates"} {
			if !noted(out.Notes, field) {
				t.Errorf("%s: nothing says that %s are left behind", f, field)
			}
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	s := rich(3)
	s.Keys[2] = sessionstore.DCKey{Key: sessionstore.AuthKey([]byte(strings.Repeat("SECRET__", 32)))}
	s.Checkpoint, s.FutureAuthToken = []byte("SECRETcheckpoint"), []byte("SECRETtoken")
	s.Peers[0].AccessHash = 4242424242424242
	out, err := Export(Own, s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	im := Imported{Session: s, From: Own}
	for _, v := range []any{s, &s, im, &im, out, &out, s.Peers[0], s.Peers, []Session{s}, Options{}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			hex := fmt.Sprintf("%x", "SECRET")
			if strings.Contains(text, "SECRET") || strings.Contains(text, hex) || strings.Contains(text, "83 69 67") ||
				strings.Contains(text, "4242424242424242") || strings.Contains(text, string(out.Data[20:40])) {
				t.Errorf("%s of %T prints a secret: %.200s", verb, v, text)
			}
		}
		if data, err := json.Marshal(v); err == nil {
			if strings.Contains(string(data), "SECRET") || strings.Contains(string(data), "4242424242424242") && !strings.Contains(fmt.Sprintf("%T", v), "Peer") {
				t.Errorf("the JSON of %T holds a secret", v)
			}
		}
	}
}

func TestRecordAndBack(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	s := rich(0)
	rec := s.Record("support-1", now)
	if rec.Account != "support-1" || rec.HomeDC != 2 || rec.UserID != knownWide || !rec.Bot || len(rec.Keys) != 2 {
		t.Errorf("got %v", rec)
	}
	if at := rec.Keys[4].CreatedAt; !at.Equal(now) {
		t.Errorf("a key of unknown age is from %v, want %v", at, now)
	}
	if at := rec.Keys[2].CreatedAt; at.Equal(now) {
		t.Errorf("a known age was overwritten")
	}
	if !s.Keys[4].CreatedAt.IsZero() {
		t.Errorf("Record changed the session")
	}
	back := FromRecord(rec)
	s.Keys[4] = rec.Keys[4] // dated now
	back.Test, back.Addr, back.APIID = s.Test, s.Addr, s.APIID
	same(t, back, s)
}

// TestASignedOutAccountIsNotExported in any format, and what is said is for who exports, not for who imports.
func TestASignedOutAccountIsNotExported(t *testing.T) {
	for _, f := range []Format{Own, Telethon, Pyrogram, PyrogramOld, GramJS, Mtcute, Gotd, TData} {
		_, err := Export(f, Session{HomeDC: 1}, Options{})
		own, ok := errors.AsType[*fleet.Error](err)
		if !ok || !errors.Is(err, ErrNotExportable) || !strings.Contains(own.Remedy, "orchestrator login") {
			t.Errorf("%s: %v", f, err)
		}
	}
}
