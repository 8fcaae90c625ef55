package formats

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	gotd "github.com/gotd/td/session"
	"github.com/gotd/td/telegram/dcs"

	"github.com/telefleet/orchestrator/sessionstore"
)

func gotdBytes(t testing.TB, data gotd.Data) []byte {
	t.Helper()
	var mem gotd.StorageMemory
	loader := gotd.Loader{Storage: &mem}
	if err := loader.Save(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	b, err := mem.LoadSession(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func gotdData(dc int, addr string) gotd.Data {
	key := knownKey(dc)
	id := key.ID()
	var le []byte
	for i := range 8 {
		le = append(le, byte(id>>(8*i)))
	}
	return gotd.Data{DC: dc, Addr: addr, AuthKey: key[:], AuthKeyID: le, Salt: 42, Config: gotd.Config{ThisDC: dc}}
}

func TestGotdFileIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		data gotd.Data
		want Session
	}{
		"plain":        {gotdData(2, "149.154.167.41:443"), known(2, Session{Addr: "149.154.167.41:443"})},
		"no port":      {gotdData(4, "149.154.167.91"), known(4, Session{})},
		"test address": {gotdData(2, "149.154.167.40:443"), known(2, Session{Addr: "149.154.167.40:443", Test: true})},
	} {
		im, err := Import(Auto, gotdBytes(t, c.data), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, im.Session, c.want)
		if im.From != Gotd || !noted(im.Notes, "user id") || (c.want.Addr == "") != noted(im.Notes, "server address") {
			t.Errorf("%s: from %s, notes %v", name, im.From, im.Notes)
		}
	}
	flagged := gotdData(1, "")
	flagged.DC, flagged.Config.TestMode = 0, true
	im, err := Import(Gotd, gotdBytes(t, flagged), Options{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, im.Session, known(1, Session{Test: true}))
}

func TestGotdTakesOurFile(t *testing.T) {
	for name, s := range ours {
		out, err := Export(Gotd, s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var mem gotd.StorageMemory
		if err := mem.StoreSession(context.Background(), out.Data); err != nil {
			t.Fatal(err)
		}
		data, err := (&gotd.Loader{Storage: &mem}).Load(context.Background())
		if err != nil {
			t.Fatalf("%s: gotd refuses it: %v", name, err)
		}
		key := s.HomeKey()
		if data.DC != s.HomeDC || !bytes.Equal(data.AuthKey, key[:]) || data.Config.TestMode != s.Test || data.Config.ThisDC != s.HomeDC ||
			!bytes.Equal(data.AuthKeyID, gotdData(s.HomeDC, "").AuthKeyID) {
			t.Errorf("%s: gotd reads DC %d, test %t", name, data.DC, data.Config.TestMode)
		}
	}
}

// TestTelethonLikeGotd reads our exports with gotd's reader of Telethon's strings.
func TestTelethonLikeGotd(t *testing.T) {
	for name, s := range ours {
		out, err := Export(Telethon, s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		data, err := gotd.TelethonSession(string(out.Data))
		if err != nil {
			t.Fatalf("%s: gotd refuses it: %v", name, err)
		}
		im, err := Import(Telethon, out.Data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if data.DC != im.HomeDC || data.Addr != im.Addr || sessionstore.AuthKey(data.AuthKey) != im.HomeKey() {
			t.Errorf("%s: gotd reads DC %d at %s, we read %d at %s", name, data.DC, data.Addr, im.HomeDC, im.Addr)
		}
	}
}

func TestBadGotdFilesAreErrors(t *testing.T) {
	good := string(gotdBytes(t, gotdData(2, "149.154.167.41:443")))
	for name, c := range map[string]struct{ old, new, want string }{
		"version":       {`"Version":1`, `"Version":2`, "Version"},
		"no key":        {`"AuthKey":"`, `"AuthKeyX":"`, "AuthKey"},
		"other key id":  {`"AuthKeyID":"`, `"AuthKeyID":"AAAA`, "AuthKeyID"},
		"DC":            {`"DC":2`, `"DC":200`, "dc"},
		"type":          {`"DC":2`, `"DC":"SECRET"`, "must be of type int"},
		"not JSON":      {`"DC":2`, `"DC":SECRET`, "near byte"},
		"not base64":    {`"AuthKey":"`, `"AuthKey":"%`, "base64"},
		"negative home": {`"DC":2`, `"DC":-2`, "dc"},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		_, err := Import(Gotd, []byte(bad), Options{})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
			continue
		}
		checkError(t, err, bad)
	}
}

// TestShippedAddressesAreKnownToGotd guards the addresses that are written when a session has
// none of its own.
func TestShippedAddressesAreKnownToGotd(t *testing.T) {
	for _, c := range []struct {
		ours   map[int]string
		theirs dcs.List
	}{{productionAddrs, dcs.Prod()}, {testAddrs, dcs.Test()}} {
		for dc, addr := range c.ours {
			found := false
			for _, o := range c.theirs.Options {
				found = found || o.ID == dc && net.JoinHostPort(o.IPAddress, strconv.Itoa(o.Port)) == addr
			}
			if !found {
				t.Errorf("gotd does not know %s as an address of DC %d", addr, dc)
			}
		}
	}
}
