package main

import (
	"encoding/json"
	"os"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
)

// TestFleetIsSteeredByTheCommandLine: what operators do with accounts and nodes, against a node.
func TestFleetIsSteeredByTheCommandLine(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	only, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	s := newNode(t, dcFile).serve()
	s.signIn(sim, "anna", "+15550001", "")
	for _, id := range []string{"boris", "carol"} {
		s.cli("account", "add", id, "-l", "team=sales").ok()
	}
	watch := start(t, []string{envServer + "=" + s.url}, "account", "watch", "-o", "json")
	watch.line(`\{"change":"synced"\}\n`)
	people := start(t, []string{envServer + "=" + s.url}, "account", "list", "-w", "-l", "team=sales")
	people.line(`(?m)^CHANGE +ACCOUNT +STATE +REASON +READY +NODE$`)
	people.line(`(?m)^added +boris `)

	match(t, s.cli("wait", "account", "anna", "--for=condition=Ready").ok(), `(?m)^anna +false +online `)
	s.cli("wait", "account", "anna", "--for=condition=Ready", "--for=state=paused", "--timeout", "1ms").fails(exitFailed, "state=paused did not come in time")
	s.cli("wait", "account", "anna", "--for=condition=Red").fails(exitUsage, "--for: must be", "UpdatesFlowing")
	s.cli("wait", "account", "nobody").fails(exitNotFound, "nobody")
	s.cli("wait", "account", "anna", "--for=condition=CaughtUp").ok()
	match(t, s.cli("account", "list", "--conditions").ok(), `(?m)^anna +online +yes +yes +yes +yes +yes +yes +no +no +yes$`)
	match(t, s.cli("account", "why", "anna").ok(), `^anna is ready: it takes every command\n$`)
	s.cli("wait", "account", "boris", "--for=state=unauthorized").ok() // reports come once a second
	match(t, s.cli("account", "why", "boris").ok(), `^boris is not ready:\n  it has never been signed in, since \S+\n    sign in: .orchestrator login boris.\n$`)
	match(t, s.cli("account", "disconnect", "anna").ok(), `(?m)^anna +true +paused `)
	match(t, s.cli("account", "why", "anna", "-o", "json").ok(), `"ready": false`, `"reason": "PAUSED"`, `account resume anna`)
	s.cli("account", "resume", "anna").ok()
	s.cli("wait", "account", "anna", "--for=condition=Ready").ok()

	match(t, s.cli("account", "pause", "anna").ok(), `(?m)^anna +true `)
	s.cli("wait", "account", "anna", "--for=state=paused").ok()
	s.cli("wait", "account", "anna", "--for=condition=Connected=false").ok()
	changed := watch.line(`(\{"change":"modified","account":\{"id":"anna".*"paused":true.*\})\n`)[1]
	var line struct {
		Account shownAccount `json:"account"`
	}
	if err := json.Unmarshal([]byte(changed), &line); err != nil || line.Account.ID != "anna" {
		t.Errorf("a line of the watch: %v, %s", err, changed)
	}
	s.cli("account", "resume", "anna").ok()
	s.cli("wait", "account", "anna", "--for=condition=Connected").ok()
	s.cli("account", "pause", "-l", "team=sales").ok()
	s.cli("wait", "account", "-l", "team=sales", "--for=state=paused").ok()
	match(t, s.cli("account", "resume", "--all", "--yes").ok(), `(?m)^anna `, `(?m)^boris +false `, `(?m)^carol +false `)

	match(t, s.cli("node", "list").ok(), `(?m)^n-\S+ +\S+ +ready +true +3 `)
	match(t, s.cli("account", "move", "anna", only).ok(), `(?m)^anna `)
	s.cli("account", "move", "anna", "-").ok()
	s.cli("account", "move", "anna", "none").fails(exitNotFound, `"none"`, "node list")
	match(t, s.cli("node", "cordon", only).ok(), ` cordoned `)
	match(t, s.cli("node", "uncordon", only).ok(), ` ready `)
	nodes := start(t, []string{envServer + "=" + s.url}, "node", "watch")
	nodes.line(`(?m)^added +n-\S+ +\S+ +ready +3$`)
	match(t, s.cli("network", "restored", "--all").ok(), `^3 accounts told`)
	match(t, s.cli("network", "restored", "--node", only, "-o", "json").ok(), `"accounts": 3`)
	match(t, s.cli("network", "restored", "-l", "team=sales").ok(), `^2 accounts told`)
	match(t, s.cli("network", "restored", "--account", "anna").ok(), `^1 accounts? told`)
	s.cli("wait", "account", "anna").ok()
	match(t, s.cli("sync", "anna").ok(), `anna is level with Telegram`)

	s.cli("account", "delete", "boris").fails(exitUsage, "nobody can be asked here", "--yes")
	match(t, s.cli("account", "delete", "boris", "--yes").ok(), `^account boris: delet`)
	s.cli("wait", "account", "boris", "--for=delete").ok()
	people.line(`(?m)^deleted +boris `)
	some := s.cli("account", "pause", "boris", "carol")
	match(t, some.stderr, `orchestrator: error: boris: .*`)
	match(t, some.stdout, `(?m)^carol +true `)
	if some.code != exitFailed {
		t.Errorf("pause of one that is gone and one that is not: exit %d", some.code)
	}
	for _, p := range []*process{watch, people, nodes} {
		p.signal(os.Interrupt)
		if code := p.exit(); code != exitOK {
			t.Errorf("%v: exit %d after Ctrl-C\n%s", p.cmd.Args[1:], code, p.stderr)
		}
	}
	s.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	s.terminate()
}
