package dcs

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestBuiltInLists(t *testing.T) {
	for name, l := range map[string]List{"production": Production(), "test": Test()} {
		ids := map[int]bool{}
		for _, o := range l.Options {
			host, _, err := net.SplitHostPort(o.Addr)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			ip, err := netip.ParseAddr(host)
			if err != nil || ip.Is6() != o.IPv6 {
				t.Errorf("%s: %s: IPv6 = %v, err %v", name, o.Addr, o.IPv6, err)
			}
			ids[o.ID] = true
		}
		want := map[string]int{"production": 5, "test": 3}[name]
		if len(ids) != want || len(l.IDs()) != want {
			t.Errorf("%s has DCs %v", name, l.IDs())
		}
		for _, id := range l.IDs() {
			if len(l.Select(id, Want{})) == 0 {
				t.Errorf("%s: DC %d has no IPv4 address", name, id)
			}
		}
		if len(l.Keys) != 1 || l.Test != (name == "test") {
			t.Errorf("%s: %d keys, test %v", name, len(l.Keys), l.Test)
		}
	}
}

func TestSelect(t *testing.T) {
	l := List{Options: []Option{
		{ID: 2, Addr: "a:1"},
		{ID: 2, Addr: "[::6]:1", IPv6: true},
		{ID: 2, Addr: "s:1", Static: true},
		{ID: 2, Addr: "a:1", Static: true},
		{ID: 2, Addr: "m:1", MediaOnly: true},
		{ID: 2, Addr: "c:1", CDN: true},
		{ID: 3, Addr: "b:1"},
	}}
	for _, tc := range []struct {
		id   int
		want Want
		get  string
	}{
		{2, Want{}, "a:1 s:1"},
		{2, Want{IPv6: IPv6Fallback}, "a:1 s:1 [::6]:1"},
		{2, Want{IPv6: IPv6Prefer}, "[::6]:1 a:1 s:1"},
		{2, Want{IPv6: IPv6Only}, "[::6]:1"},
		{3, Want{IPv6: IPv6Only}, ""},
		{2, Want{CDN: true}, "c:1"},
		{2, Want{Static: true}, "s:1 a:1"},
		{2, Want{Media: true}, "m:1"},
		{3, Want{Media: true}, ""},
		{4, Want{}, ""},
	} {
		var got []string
		for _, o := range l.Select(tc.id, tc.want) {
			got = append(got, o.Addr)
		}
		if strings.Join(got, " ") != tc.get {
			t.Errorf("Select(%d, %+v) = %v, want %s", tc.id, tc.want, got, tc.get)
		}
	}
}

func TestWriteThenLoad(t *testing.T) {
	for _, l := range []List{Production(), Test()} {
		path := filepath.Join(t.TempDir(), "dcs.json")
		if err := l.Write(path); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, l) {
			t.Errorf("got %+v", got)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Errorf("files left behind: %v", left)
		}
	}
}

func TestLoadTakesTheSimulatorsForm(t *testing.T) {
	text := `{"test":false,"dcs":[{"id":1,"addr":"127.0.0.1:1234","media_only":false},{"id":2,"addr":"[::1]:9"}],"public_keys":[` +
		strings.ReplaceAll(`"`+productionKey+`"`, "\n", `\n`) + `]}`
	l, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Option{{ID: 1, Addr: "127.0.0.1:1234"}, {ID: 2, Addr: "[::1]:9", IPv6: true}}
	if !reflect.DeepEqual(l.Options, want) || !l.Keys[0].Equal(Production().Keys[0]) {
		t.Errorf("got %+v", l)
	}
}

func TestBadFilesAreRefusedByField(t *testing.T) {
	key := strings.ReplaceAll(`"`+productionKey+`"`, "\n", `\n`)
	for name, tc := range map[string]struct{ text, field string }{
		"empty":         {``, "file"},
		"cut":           {`{"dcs":[`, "file"},
		"syntax":        {`{"dcs":]`, "file"},
		"trailing":      {`{"dcs":[{"id":1,"addr":"a:1"}],"public_keys":[` + key + `]} {}`, "file"},
		"unknown field": {`{"dc":[]}`, "dc"},
		"wrong type":    {`{"dcs":[{"id":"1","addr":"a:1"}],"public_keys":[` + key + `]}`, "dcs.id"},
		"no dcs":        {`{"public_keys":[` + key + `]}`, "dcs"},
		"no keys":       {`{"dcs":[{"id":1,"addr":"a:1"}]}`, "public_keys"},
		"bad id":        {`{"dcs":[{"id":0,"addr":"a:1"}],"public_keys":[` + key + `]}`, "dcs[0].id"},
		"test id":       {`{"dcs":[{"id":10002,"addr":"a:1"}],"public_keys":[` + key + `]}`, "dcs[0].id"},
		"no port":       {`{"dcs":[{"id":1,"addr":"a"}],"public_keys":[` + key + `]}`, "dcs[0].addr"},
		"no host":       {`{"dcs":[{"id":1,"addr":":1"}],"public_keys":[` + key + `]}`, "dcs[0].addr"},
		"bad port":      {`{"dcs":[{"id":1,"addr":"a:70000"}],"public_keys":[` + key + `]}`, "dcs[0].addr"},
		"bad key":       {`{"dcs":[{"id":1,"addr":"a:1"}],"public_keys":["x"]}`, "public_keys[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dcs.json")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			var fe *FieldError
			if !errors.As(err, &fe) {
				t.Fatalf("got %v", err)
			}
			if fe.Field != tc.field || fe.Next == "" || fe.Value == "" || !strings.Contains(err.Error(), path) {
				t.Errorf("got %+v (%v)", fe, err)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "missing.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	_, err := Parse([]byte(`{"dcs":[{"id":0,"addr":"a"}]}`))
	for _, field := range []string{"dcs[0].id", "dcs[0].addr", "public_keys"} {
		if err == nil || !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s is not among the problems: %v", field, err)
		}
	}
}

func TestWriteIntoNowhere(t *testing.T) {
	if err := Production().Write(filepath.Join(t.TempDir(), "no", "dcs.json")); err == nil {
		t.Error("no error")
	}
}
