package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestApplyMakesAccountsAsFilesSay: created, changed, and left alone the second time.
func TestApplyMakesAccountsAsFilesSay(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	s := newNode(t, dcFile).serve()
	file := filepath.Join(t.TempDir(), "accounts.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	differs := func(want string) {
		t.Helper()
		if r := s.cli("diff", "-f", file); r.code != exitFailed || r.stdout != want || r.stderr != "" {
			t.Errorf("diff: exit %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	printed := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s", got)
		}
	}
	write("id: a\nlabels: {team: x}\n---\nid: b\nspec: {paused: true}\n")
	differs("account a would be created\n+ labels.team: \"x\"\naccount b would be created\n- spec.paused: false\n+ spec.paused: true\n")
	printed(s.cli("apply", "-f", file).ok(), "account a: created\naccount b: created\n")
	printed(s.cli("apply", "-f", file).ok(), "account a: unchanged\naccount b: unchanged\n")
	printed(s.cli("diff", "-f", file).ok(), "")
	s.cli("wait", "account", "b", "--for=state=paused").ok()

	write("id: a\nlabels: {team: y}\n---\nid: b\nlabels: {}\n---\nid: c\n")
	differs("account a would be changed\n- labels.team: \"x\"\n+ labels.team: \"y\"\naccount c would be created\n")
	printed(s.cli("apply", "-f", file, "-o", "json").ok(),
		`{"id":"a","outcome":"updated"}`+"\n"+`{"id":"b","outcome":"unchanged"}`+"\n"+`{"id":"c","outcome":"created"}`+"\n")
	match(t, s.cli("account", "list").ok(), `(?m)^a .* team=y$`)
	printed(runWith(t, []string{envServer + "=" + s.url}, "id: b\nspec: {}\n", "apply", "-f", "-").ok(), "account b: updated\n")
	s.cli("wait", "account", "b", "--for=condition=Connected").ok()
	s.terminate()
}
