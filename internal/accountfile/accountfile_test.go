package accountfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

func TestReadsSeveralAccounts(t *testing.T) {
	got, err := Read("f", strings.NewReader("# team\n---\nid: a\nlabels: {team: x, n: 1}\n---\n---\nid: b\nlabels: {}\nspec: {dc: 2, paused: true}\n---\nid: c\n"))
	if err != nil || len(got) != 3 {
		t.Fatalf("%v, %v", got, err)
	}
	if got[0].Labels["team"] != "x" || got[0].Labels["n"] != "1" || got[0].Spec != nil || fmt.Sprint(got[0].Paths()) != "[labels]" {
		t.Errorf("first: %v", got[0])
	}
	if got[1].Labels == nil || got[1].Spec.GetDc() != 2 || !got[1].Spec.GetPaused() || fmt.Sprint(got[1].Paths()) != "[labels spec]" {
		t.Errorf("second: %v", got[1])
	}
	if got[2].Labels != nil || len(got[2].Paths()) != 0 {
		t.Errorf("third: %v", got[2])
	}
}

func TestProblemsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"id: a\n---\nid: b\nlables: {}\n":             "f: line 4: lables: unknown key of an account (it has id, labels, spec)",
		"id: a\nspec:\n  pause: true\n":               "f: line 3: pause: unknown key of spec (it has app, dc, device, disconnected, paused, pfs, proxy)",
		"id: a\nspec:\n  dc: two\n":                   `f: line 3: must be a whole number (got "two")`,
		"id: a\nspec:\n  paused: maybe\n":             `f: line 3: must be true or false (got "maybe")`,
		"labels: {}\n":                                "f: line 1: id is missing",
		"id: a\n---\nid: a\n":                         "f: line 3: account a is there already, on line 1",
		"id: A B\n":                                   "f: line 1: ",
		"- id: a\n":                                   "f: line 1: must be an account",
		"id: [\n":                                     "f: ",
		"id: a\n---\n" + strings.Repeat("#\n", 9<<20): "f: is longer than 16 MiB",
	} {
		if _, err := Read("f", strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
	}
}

func TestCompareNamesWhatDiffers(t *testing.T) {
	have := &v1.Account{Labels: map[string]string{"a": "1", "b": "2"}, Spec: &v1.AccountSpec{Proxy: "p", Dc: 1}}
	want := Account{ID: "x", Labels: map[string]string{"b": "3", "c": ""}, Spec: &v1.AccountSpec{Dc: 1, Paused: true}}
	if got := fmt.Sprint(want.Compare(have)); got != `[{labels.a "1" } {labels.b "2" "3"} {labels.c  ""} {spec.proxy "p" } {spec.paused false true}]` {
		t.Error(got)
	}
	same := Account{ID: "x", Labels: have.Labels, Spec: have.Spec}
	if got := same.Compare(have); got != nil {
		t.Error(got)
	}
	if got := (Account{ID: "x", Spec: &v1.AccountSpec{}}).Compare(&v1.Account{}); got != nil {
		t.Error(got)
	}
	if got := (Account{ID: "x"}).Compare(have); got != nil {
		t.Error(got)
	}
}

func TestProxyAsLinkPoolOrFields(t *testing.T) {
	got, err := Read("f", strings.NewReader(`id: a
spec: {proxy: "pool:de", pfs: true, device: {device_model: Pixel}}
---
id: b
spec:
  proxy: {kind: socks5, host: proxy.example, port: 1080, user: u, password: hunter2}
---
id: c
spec: {proxy: "socks5://u:hunter2@proxy.example:1080"}
`))
	if err != nil {
		t.Fatal(err)
	}
	if s := got[0].Spec; s.GetProxy() != "pool:de" || !s.GetPfs() || s.GetDevice().GetDeviceModel() != "Pixel" {
		t.Errorf("spec %v", s)
	}
	if link := got[1].Spec.GetProxy(); link != "tg://socks?server=proxy.example&port=1080&user=u&pass=hunter2" {
		t.Errorf("link %q", link)
	}
	const now = "tg://socks?server=proxy.example&port=1080&user=[redacted]&pass=[redacted]"
	for _, a := range got[1:] { // its secrets may have changed: it is sent again, and not shown
		changes := a.Compare(&v1.Account{Id: a.ID, Spec: &v1.AccountSpec{Proxy: now}})
		if len(changes) != 1 || changes[0].Field != "spec.proxy" || strings.Contains(fmt.Sprint(changes), "hunter2") {
			t.Errorf("%s: %v", a.ID, changes)
		}
		changes = a.Compare(&v1.Account{Id: a.ID, Spec: &v1.AccountSpec{}})
		if len(changes) != 1 || strings.Contains(fmt.Sprint(changes), "hunter2") || !strings.Contains(changes[0].To, "proxy.example") {
			t.Errorf("%s, new: %v", a.ID, changes)
		}
	}
	if changes := got[0].Compare(&v1.Account{Id: "a", Spec: got[0].Spec}); len(changes) != 0 {
		t.Errorf("equal: %v", changes)
	}
	for text, want := range map[string]string{
		"id: a\nspec:\n  proxy: {kind: socks5, host: h}\n": "f: line 3: spec.proxy: PROXY_INVALID: port: must be 1 to 65535",
		"id: a\nspec:\n  proxy: {kind: socks5, hots: h}\n": "f: line 3: hots: unknown key of proxy",
		"id: a\nspec:\n  device: {model: h}\n":             "f: line 3: model: unknown key of device",
	} {
		if _, err := Read("f", strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestEveryFieldOfASpecIsKnown: each field of AccountSpec, and of its device, can be written in a file,
// comes out as it was written, and is shown by Compare when it differs. A new field cannot be
// forgotten.
func TestEveryFieldOfASpecIsKnown(t *testing.T) {
	texts := map[string]string{"proxy": "pool:de"}
	var check func(t *testing.T, of protoreflect.MessageDescriptor, path []string)
	check = func(t *testing.T, of protoreflect.MessageDescriptor, path []string) {
		for i := range of.Fields().Len() {
			f := of.Fields().Get(i)
			at := append(slices.Clone(path), string(f.Name()))
			if f.Kind() == protoreflect.MessageKind {
				check(t, f.Message(), at)
				continue
			}
			value, ok := map[protoreflect.Kind]string{
				protoreflect.BoolKind: "true", protoreflect.Int32Kind: "4", protoreflect.StringKind: cmp.Or(texts[string(f.Name())], "some"),
			}[f.Kind()]
			if !ok {
				t.Errorf("spec.%s: the test knows no value of kind %s", strings.Join(at, "."), f.Kind())
				continue
			}
			text := "id: a\nspec: {" + strings.Join(at, ": {") + ": " + value + strings.Repeat("}", len(at)) + "\n"
			accounts, err := Read("f", strings.NewReader(text))
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			m := accounts[0].Spec.ProtoReflect()
			for _, name := range at[:len(at)-1] {
				m = m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name))).Message()
			}
			if got := fmt.Sprint(m.Get(f).Interface()); got != value {
				t.Errorf("spec.%s: %q was read as %q", strings.Join(at, "."), value, got)
			}
			changes := accounts[0].Compare(&v1.Account{Id: "a", Spec: &v1.AccountSpec{}})
			if len(changes) != 1 || changes[0].Field != "spec."+at[0] {
				t.Errorf("spec.%s: the difference is shown as %v", strings.Join(at, "."), changes)
			}
		}
	}
	check(t, (&v1.AccountSpec{}).ProtoReflect().Descriptor(), nil)
}
