package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// Environment variables of the command login.
const (
	envPassword = "ORCHESTRATOR_LOGIN_PASSWORD" //nolint:gosec // the name of a variable
	envBotToken = "ORCHESTRATOR_BOT_TOKEN"      //nolint:gosec // the name of a variable
)

// simulationProcess is a running `orchestrator simulate`.
type simulationProcess struct {
	*process
	dcFile   string
	botToken string
}

// simulate runs the simulator with anna, boris, who has a password and another home DC, and a bot.
func simulate(t *testing.T) simulationProcess {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dcs.json")
	p := start(t, nil, "simulate", "--dc-file", file,
		"--user", "+15550001:anna", "--user", "+15550002:boris:1:correct horse", "--bot", "helper_bot:3")
	s := simulationProcess{process: p, dcFile: file}
	p.line(`user \d+: \+15550001 anna, home DC \d\n`)
	p.line(`user \d+: \+15550002 boris, home DC 1\n`)
	s.botToken = p.line(`bot \d+: helper_bot, home DC 3, token (\S+)\n`)[1]
	p.line(`DC list in ` + regexp.QuoteMeta(file) + `\n`)
	return s
}

// code waits for the next login code of a phone.
func (s simulationProcess) code(phone string) string {
	s.t.Helper()
	return s.line(`login code for \+?` + phone + `: (\d+)\n`)[1]
}

// login signs a user in by flags, as a script does: ask, read the code, sign in.
func (s server) login(sim simulationProcess, account, phone string, more ...string) result {
	s.t.Helper()
	token := strings.TrimSpace(s.cli("login", account, "--phone", "+"+phone, "--request").ok())
	return s.cli(append([]string{"login", account, "--token", token, "--code", sim.code(phone)}, more...)...)
}

// TestCommandLineFromEndToEnd is the tour that the README invites to, against a simulator and
// a node that are processes of their own.
func TestCommandLineFromEndToEnd(t *testing.T) {
	t.Parallel()
	sim := simulate(t)
	node := newNode(t, sim.dcFile).serve()

	added := node.cli("account", "add", "support-1", "--label", "team=support").ok()
	match(t, added, `(?m)^ACCOUNT +STATE +REASON +USER +BOT +HOME DC +NODE +LABELS$`, `(?m)^support-1 .* team=support$`)
	node.cli("account", "add", "boris", "-l", "team=sales").ok()
	node.cli("account", "add", "helper").ok()

	// By flags; at the prompt; with a password from a file; as a bot.
	match(t, node.login(sim, "support-1", "15550001").ok(), `(?m)^ACCOUNT +USER +NAME +USERNAME$`, `(?m)^support-1 +\d+ +anna +anna$`)
	password := secretFile(t, "correct horse\n")
	prompt := start(t, []string{envServer + "=" + node.url}, "login", "boris", "--phone", "+15550002", "--password-file", password)
	fmt.Fprintln(prompt.stdin, sim.code("15550002"))
	if code := prompt.exit(); code != exitOK {
		t.Fatalf("login at the prompt: exit %d\n%s", code, prompt.stderr)
	}
	match(t, prompt.stdout.String(), `(?m)^boris +\d+ +boris +boris$`)
	match(t, prompt.stderr.String(), `^Code \(sent by \w+\): \n`)
	match(t, runCLI(t, []string{envServer + "=" + node.url, envBotToken + "=" + sim.botToken}, "login", "helper", "--bot").ok(),
		`(?m)^helper +\d+ +helper_bot +helper_bot$`)
	for _, account := range []string{"support-1", "boris", "helper"} {
		node.awaitState(account, v1.AccountState_ACCOUNT_STATE_ONLINE)
	}

	t.Run("accounts", func(t *testing.T) { node.tourAccounts(t) })
	t.Run("messages", func(t *testing.T) { node.tourMessages(t) })
	t.Run("call", func(t *testing.T) { node.tourCall(t) })

	// Each ends by a signal and says so by its exit code.
	node.signal(syscall.SIGTERM)
	if code := node.exit(); code != exitOK {
		t.Errorf("serve: exit %d", code)
	}
	sim.signal(syscall.SIGTERM)
	if code := sim.exit(); code != exitOK {
		t.Errorf("simulate: exit %d", code)
	}
}

// shownAccount is the part of `account get -o json` that is looked at.
type shownAccount struct {
	ID     string      `json:"id" yaml:"id"`
	Status shownStatus `json:"status" yaml:"status"`
}

type shownStatus struct {
	State  string `json:"state" yaml:"state"`
	Reason string `json:"reason" yaml:"reason"`
	HomeDC int    `json:"home_dc" yaml:"home_dc"`
}

func (s server) tourAccounts(t *testing.T) {
	list := s.cli("account", "list").ok()
	match(t, list, `(?m)^boris +online +- +\d+ +false +1 +n-\S+ +team=sales$`, `(?m)^helper +online +- +\d+ +true +3 `, `(?m)^support-1 +online `)
	if got := s.cli("account", "list", "-l", "team=sales").ok(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "boris") {
		t.Errorf("selected by label:\n%s", got)
	}
	wanted := shownAccount{ID: "boris", Status: shownStatus{State: "ACCOUNT_STATE_ONLINE", HomeDC: 1}}
	var one shownAccount
	if err := json.Unmarshal([]byte(s.cli("account", "get", "boris", "-o", "json").ok()), &one); err != nil || one != wanted {
		t.Errorf("as JSON: got %+v, %v", one, err)
	}
	one = shownAccount{}
	if err := yaml.Unmarshal([]byte(s.cli("account", "get", "boris", "-o", "yaml").ok()), &one); err != nil || one != wanted {
		t.Errorf("as YAML: got %+v, %v", one, err)
	}
}

func (s server) tourMessages(t *testing.T) {
	follower := start(t, []string{envServer + "=" + s.url}, "events", "-f", "--from", "begin", "--account", "support-1")
	match(t, s.cli("send", "boris", "@anna", "one\ntwo").ok(), `(?m)^ID +TIME +FROM +TEXT$`, `(?m)^\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +me +one two$`)
	follower.line(`\d\d:\d\d:\d\d\.\d{3}  support-1 +message_new +#\d+ from @boris: one two\n`)
	match(t, runWith(t, []string{envServer + "=" + s.url}, "from a pipe\n", "send", "support-1", "@boris", "-").ok(), `from a pipe`)
	follower.line(`support-1 +message_new +#\d+ to @boris: from a pipe\n`)
	follower.signal(os.Interrupt)
	if code := follower.exit(); code != exitOK {
		t.Errorf("events -f: exit %d after Ctrl-C\n%s", code, follower.stderr)
	}

	match(t, s.cli("history", "support-1", "@boris").ok(), `(?s)me +from a pipe\n.*@boris +one two\n`)
	if got := s.cli("history", "support-1", "@boris", "--limit", "1").ok(); strings.Contains(got, "one two") {
		t.Errorf("limit 1:\n%s", got)
	}

	// Everything that is retained, then what came after a cursor.
	all := eventsOf(t, s.cli("events", "--account", "support-1", "--type", "message_*", "-o", "json").ok())
	if len(all) < 2 {
		t.Fatalf("got %d events", len(all))
	}
	last := all[len(all)-1]
	if last.Account != "support-1" || last.Kind != "message_new" || last.ID == "" || last.MessageNew.Text != "from a pipe" || !last.MessageNew.Out {
		t.Errorf("got %+v", last)
	}
	if got := s.cli("events", "--account", "support-1", "--from", last.Cursor, "-o", "json").ok(); got != "" {
		t.Errorf("after the last cursor: %q", got)
	}
	s.cli("send", "boris", "@anna", "later").ok()
	after := start(t, []string{envServer + "=" + s.url}, "events", "-f", "--account", "support-1", "--from", last.Cursor, "-o", "json")
	if got := eventsOf(t, after.line(`.*\n`)[0]); got[0].MessageNew.Text != "later" {
		t.Errorf("after the cursor: got %+v", got[0])
	}
	s.cli("events", "--from", "yesterday").fails(exitUsage, `position: must be "begin" or the cursor of an event (got "yesterday")`)
	s.cli("send", "boris", "@nobody_of_this_name", "x").fails(exitNotFound, "USERNAME_NOT_OCCUPIED")
	s.cli("send", "boris", "", "x").fails(exitUsage, `peer: is empty`)
	s.cli("send", "boris", "@anna", "").fails(exitUsage, `message.text: is empty`)
}

func (s server) tourCall(t *testing.T) {
	match(t, s.cli("call", "support-1", "help.getNearestDc").ok(), `"_": "nearestDc"`, `"nearest_dc": \d`)
	match(t, s.cli("call", "support-1", "users.getUsers", `{"id":[{"_":"inputUserSelf"}]}`).ok(), `"username": "anna"`)
	match(t, s.cli("call", "support-1", "users.getUsers", `{"id":[{"_":"inputUserSelf"}]}`, "-o", "yaml").ok(), `(?m)^ +username: anna$`)
	s.cli("call", "support-1", "users.getUsers", `{"_":"users.getFullUser","id":[]}`).fails(exitUsage, `its _ is "users.getFullUser", but METHOD is "users.getUsers"`)
}

// TestCallNamesWhatIsWrong: JSON is checked against the schema before anything is sent.
func TestCallNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	node := newNode(t, dcFile).serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	for _, c := range []struct{ name, method, json, want string }{
		{"unknown field", "users.getUsers", `{"id":[],"foo":1}`, "json: foo: unknown field of users.getUsers (it has id)"},
		{"unknown field inside", "users.getUsers", `{"id":[{"_":"inputUserSelf","x":1}]}`, "json: id[0].x: unknown field of inputUserSelf"},
		{"unknown method", "users.getusers", `{}`, `json: _: is not in the schema (got "users.getusers")`},
		{"unknown constructor", "users.getUsers", `{"id":[{"_":"inputUserMe"}]}`, `inputUserMe`},
		{"wrong type", "users.getUsers", `{"id":7}`, "json: id: must be an array (got 7)"},
		{"wrong type inside", "help.getAppConfig", `{"hash":"x"}`, `json: hash: must be`},
		{"missing field", "users.getUsers", `{}`, "json: id: is missing in users.getUsers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := node.cli("call", "anna", c.method, c.json)
			r.t = t
			r.fails(exitUsage, c.want)
		})
	}
	// The connection has taken no harm.
	match(t, node.cli("call", "anna", "help.getNearestDc").ok(), "nearestDc")
	node.terminate()
}

// match asserts that text matches every pattern.
func match(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("nothing like %q in:\n%s", p, text)
		}
	}
}

// secretFile is a file with a secret.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}
