package accountfile

import (
	"fmt"
	"strings"
	"testing"

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
		"id: a\nspec:\n  pause: true\n":               "f: line 3: pause: unknown key of spec (it has app, proxy, dc, paused)",
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
