package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
)

// sessionReport is what `session import -o json` prints.
type sessionReport struct {
	Sessions []struct {
		Source  string `json:"source"`
		Account string `json:"account"`
		Format  string `json:"format"`
		UserID  int64  `json:"user_id"`
		HomeDC  int    `json:"home_dc"`
		KeyID   string `json:"key_id"`
		Peers   int    `json:"peers"`
		Outcome string `json:"outcome"`
		Error   string `json:"error"`
	} `json:"sessions"`
}

func reportOf(t *testing.T, r result) (report sessionReport) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%s: exit %d, no report: %v\n%s%s", r.command, r.code, err, r.stdout, r.stderr)
	}
	return report
}

// cliWith is cli with standard input.
func (s server) cliWith(stdin string, args ...string) result {
	s.t.Helper()
	return runWith(s.t, []string{envServer + "=" + s.url}, stdin, args...)
}

// TestSessionsMoveToAnotherFleet: by every format, without a login; peers and updates come along in
// our own. Nobody's key is ever on two connections.
func TestSessionsMoveToAnotherFleet(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	anna, boris := addUser(t, sim, userAnna), addUser(t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	from := newNode(t, dcFile).serve()
	from.signIn(sim, "anna", userAnna.Phone, "")
	from.signIn(sim, "boris", "+15550002", "")
	from.cli("send", "boris", "@anna", "before").ok()
	from.cli("send", "anna", "@boris", "before").ok()
	from.cli("session", "save", "anna", "boris").ok()

	dir := t.TempDir()
	file := filepath.Join(dir, "anna.session")
	from.cli("session", "export", "anna", "--out", file).fails(exitFailed, "406", "account pause anna", "--while-online")
	if _, err := os.Stat(file); err == nil {
		t.Error("a refused export left a file")
	}
	online := from.cli("session", "export", "anna", "--while-online")
	online.ok()
	match(t, online.stderr, `warning: .*406 AUTH_KEY_DUPLICATED`)
	from.cli("account", "pause", "anna", "boris").ok()
	from.cli("session", "export", "anna", "--out", file).ok()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	from.cli("session", "export", "anna", "--out", file).fails(exitUsage, "not overwritten")
	// Not GramJS's: it has no room for the simulator's high ports.
	for _, format := range []string{"telethon", "pyrogram", "pyrogram-old", "mtcute", "gotd"} {
		from.cli("session", "export", "anna", "--format", format, "--out", filepath.Join(dir, format)).ok()
	}
	from.cli("session", "export", "boris", "--format", "tdata", "--out", filepath.Join(dir, "desk")).ok()
	own := from.cli("session", "export", "boris").ok()
	from.cli("session", "export", "anna", "--format", "nonsense").fails(exitUsage, "nonsense", "telethon")

	// A fleet that has nothing yet.
	to := newNode(t, dcFile).serve()
	key := ""
	for _, name := range []string{"anna.session", "telethon", "pyrogram", "pyrogram-old", "mtcute", "gotd"} {
		r := reportOf(t, to.cli("session", "import", filepath.Join(dir, name), "--dry-run", "-o", "json")).Sessions
		want := name
		if name == "anna.session" {
			want = "own"
		}
		if len(r) != 1 || r[0].Format != want || r[0].Outcome != "would import" || r[0].Account != "session-"+r[0].KeyID || r[0].HomeDC != 2 {
			t.Fatalf("%s: %+v", name, r)
		}
		if key == "" {
			key = r[0].KeyID
		}
		if r[0].KeyID != key || r[0].UserID != anna.ID && r[0].UserID != 0 || want == "own" && r[0].Peers == 0 {
			t.Errorf("%s: %+v, want the key %s", name, r[0], key)
		}
	}
	if got := to.cli("account", "list", "-o", "json").ok(); strings.Contains(got, "session-") {
		t.Errorf("a dry run added accounts: %s", got)
	}
	imported := to.cli("session", "import", file, "--account", "anna2", "--label", "team=support").ok()
	match(t, imported, `(?m)^\S+anna.session +anna2 +own +\d+ +2 +\d+ +imported$`)
	a := to.awaitState("anna2", v1.AccountState_ACCOUNT_STATE_ONLINE)
	if a.GetStatus().GetUserId() != anna.ID || a.GetLabels()["team"] != "support" {
		t.Errorf("got %v", a)
	}
	if err := to.send("anna2", "@boris", "from the new fleet"); err != nil {
		t.Error(err)
	}
	// The same key once more, in whatever form.
	to.cli("session", "import", filepath.Join(dir, "telethon"), "--account", "copy").fails(exitFailed, "anna2 has this session already")
	to.cli("account", "get", "copy").fails(exitNotFound)
	if r := reportOf(t, to.cli("session", "import", filepath.Join(dir, "telethon"), "-o", "json")).Sessions; r[0].Outcome != "unchanged" || r[0].Account != "anna2" {
		t.Errorf("%+v", r)
	}
	// A tdata folder by its path; its user is asked for where the format does not say it.
	to.cli("session", "import", filepath.Join(dir, "desk"), "--account", "boris2").ok()
	if a := to.awaitState("boris2", v1.AccountState_ACCOUNT_STATE_ONLINE); a.GetStatus().GetUserId() != boris.ID {
		t.Errorf("got %v", a)
	}
	to.cliWith(own, "session", "import", "-", "--account", "anna2").fails(exitFailed, "boris2 has this session already")
	to.terminate()
	from.terminate()
	if c := sim.Referee().Counts(); c.Duplicated != 0 || c.Overlaps != 0 {
		t.Errorf("referee: %+v", c)
	}
}

// TestManySessionsAtOnce: a report for each, and the bad ones harm nobody.
func TestManySessionsAtOnce(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	from := newNode(t, dcFile).serve()
	var lines strings.Builder
	for i := range 3 {
		id, phone := fmt.Sprintf("user-%d", i), fmt.Sprintf("+1555000%d", i)
		addUser(t, sim, simulator.UserSpec{Phone: phone, Username: fmt.Sprintf("person_%d", i)})
		from.signIn(sim, id, phone, "")
		from.cli("account", "pause", id).ok()
		text := strings.TrimSpace(from.cli("session", "export", id, "--format", "telethon").ok())
		if i == 1 {
			lines.WriteString(text + "\n") // as it is
			continue
		}
		fmt.Fprintf(&lines, `{"session": %q, "account": "moved-%d", "labels": {"n": "%d"}}`+"\n", text, i, i)
		if i == 2 {
			fmt.Fprintf(&lines, "%s\n# a comment\n\nnonsense\n%s\n", text, text[:len(text)-9])
		}
	}
	from.terminate()
	file := filepath.Join(t.TempDir(), "sessions.jsonl")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	to := newNode(t, dcFile).serve()
	for _, args := range [][]string{{"--dry-run"}, nil, nil} {
		r := to.cli(append([]string{"session", "import", file, "-o", "json"}, args...)...)
		if r.code != exitFailed {
			t.Errorf("exit %d", r.code)
		}
		outcomes := map[string]string{}
		for _, s := range reportOf(t, r).Sessions {
			outcomes[s.Source] = s.Outcome
			if s.Outcome == "failed" && (s.Error == "" || !strings.Contains(r.stderr, s.Source)) {
				t.Errorf("no error with %+v", s)
			}
		}
		want := "imported"
		if len(args) > 0 {
			want = "would import"
		} else if strings.Contains(to.cli("account", "list").ok(), "moved-0") && outcomes[file+":1"] == "unchanged" {
			want = "unchanged"
		}
		for line, outcome := range map[int]string{1: want, 2: want, 3: want, 4: "failed", 7: "failed", 8: "failed"} {
			if got := outcomes[fmt.Sprintf("%s:%d", file, line)]; got != outcome {
				t.Errorf("%v: line %d: %q, want %q\n%s", args, line, got, outcome, r.stderr)
			}
		}
	}
	for i, id := range []string{"moved-0", "moved-2"} {
		if a := to.awaitState(id, v1.AccountState_ACCOUNT_STATE_ONLINE); a.GetLabels()["n"] != fmt.Sprint(2*i) {
			t.Errorf("%s: labels %v", id, a.GetLabels())
		}
	}
	if n := strings.Count(to.cli("account", "list").ok(), " online "); n != 3 {
		t.Errorf("%d accounts are online, want 3", n)
	}
	to.terminate()
}

// TestBadSessionIsNeverAFreshStart, and an empty one is nothing else.
func TestBadSessionIsNeverAFreshStart(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	n := newNode(t, dcFile).serve()
	n.cliWith("", "session", "import", "-").fails(exitUsage, "--account")
	match(t, n.cliWith("", "session", "import", "-", "--account", "fresh").ok(), `fresh +own.* fresh`)
	n.awaitState("fresh", v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED)
	for _, bad := range []string{"nonsense", "orcsess1AAAA", "1" + strings.Repeat("A", 100), "{}"} {
		n.cliWith(bad, "session", "import", "-", "--account", "bad").fails(exitUsage)
		n.cli("account", "get", "bad").fails(exitNotFound)
	}
	// A session on the command line is not repeated to whoever reads the screen.
	long := strings.Repeat("secret", 40)
	r := n.cli("session", "import", long)
	r.fails(exitUsage, "standard input")
	if strings.Contains(r.stderr, "secretsecret") {
		t.Errorf("shown: %s", r.stderr)
	}
	n.cli("session", "import", filepath.Join(t.TempDir(), "missing")).fails(exitUsage, "missing")
	n.terminate()
}

// TestSecretsAreNotShownOnATerminal unless asked for.
func TestSecretsAreNotShownOnATerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	defer terminal.Close()
	var errOut strings.Builder
	code := run([]string{"session", "export", "anna", "--server", "http://127.0.0.1:1"}, strings.NewReader(""), terminal, &errOut)
	if code != exitUsage || !strings.Contains(errOut.String(), "--out FILE") {
		t.Errorf("exit %d: %s", code, errOut.String())
	}
}
