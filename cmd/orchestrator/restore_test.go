package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
)

// replaceDir puts a copy of a directory in the place of another one.
func replaceDir(t *testing.T, place, copyOf string) {
	t.Helper()
	if err := os.RemoveAll(place); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(place, os.DirFS(copyOf)); err != nil {
		t.Fatal(err)
	}
	if key := filepath.Join(place, "master.key"); exists(key) {
		if err := os.Chmod(key, 0o600); err != nil { // CopyFS widens the mode by the umask's leave
			t.Fatal(err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// end ends infra as an operator does.
func (b backends) end() {
	b.t.Helper()
	b.signal(os.Interrupt)
	if code := b.exit(); code != exitOK {
		b.t.Errorf("infra: exit %d", code)
	}
}

// restored is a node that starts once with --accept-restored.
func (n nodeFiles) restored() server {
	n.t.Helper()
	p := start(n.t, nil, "serve", "--config", n.config, "--accept-restored")
	return server{p, p.line(`API on (http://127\.0\.0\.1:\d+)\n`)[1]}
}

// refuses starts a node as if nothing had happened: it must not run.
func (n nodeFiles) refuses() {
	n.t.Helper()
	runCLI(n.t, nil, "serve", "--config", n.config).fails(exitFailed, "restored from an old backup", "--accept-restored")
}

// people signs anna and boris in and lets boris write.
func (s server) people(sim *simulator.Simulator) {
	s.t.Helper()
	addUser(s.t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	addUser(s.t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	s.signIn(sim, "anna", "+15550001", "")
	s.signIn(sim, "boris", "+15550002", "")
	s.says("before")
}

// says lets boris write to anna, who has the event.
func (s server) says(text string) {
	s.t.Helper()
	// They may be on their way up, and what a dead process said last stays in the store.
	level := func(account string) {
		s.await(account, "level with Telegram", func(*v1.AccountStatus) bool {
			_, err := s.sessions().SyncUpdates(s.within(), &v1.SyncUpdatesRequest{Account: account})
			return err == nil
		})
	}
	level("boris")
	if err := s.send("boris", "@anna", text); err != nil {
		s.t.Fatal(err)
	}
	level("anna")
	if got := s.texts("anna"); !strings.HasSuffix(got, text) {
		s.t.Fatalf("events of anna: %s, want %s at the end", got, text)
	}
}

// goesOn wants both accounts to run without a login, what was said since the backup to come again by
// difference, and new messages to pass.
func (s server) goesOn() {
	s.t.Helper()
	s.says("after")
	for _, account := range []string{"anna", "boris"} {
		s.awaitState(account, v1.AccountState_ACCOUNT_STATE_ONLINE)
	}
	if got := s.texts("anna"); got != "before,since,after" {
		s.t.Errorf("events of anna: %s", got)
	}
}

// TestNodeIsRestoredFromABackup as docs/operations.md has it: the data directory of a node that was
// stopped, put back after the node went on.
func TestNodeIsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	files := newNode(t, dcFile)
	backup := filepath.Join(t.TempDir(), "backup")
	node := files.serve()
	node.people(sim)
	node.terminate()
	replaceDir(t, backup, files.dir)
	node = files.serve()
	node.says("since")
	node.terminate()

	replaceDir(t, files.dir, backup)
	node = files.serve() // the same machine and all of the directory: nothing to confirm
	node.goesOn()
	node.terminate()
}

// TestClusterIsRestoredFromABackup: etcd and NATS of one moment, put back under nodes that have seen
// more. Each refuses until an operator confirms; then the accounts go on.
func TestClusterIsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	shared := startServices(t, dcFile)
	infra := filepath.Join(shared.root, "infra")
	backup := filepath.Join(t.TempDir(), "backup")
	files := []nodeFiles{shared.node("node-1", shared.etcd, shared.nats), shared.node("node-2", shared.etcd, shared.nats)}
	one, two := files[0].serve(), files[1].serve()
	if _, err := one.fleet().CreateAccount(one.within(), &v1.CreateAccountRequest{Id: "first"}); err != nil {
		t.Fatal(err)
	}
	two.awaitState("first", v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED) // the leader waits a moment for nodes
	one.people(sim)
	stop := func() {
		one.terminate()
		two.terminate()
		shared.infra.end()
	}
	// again starts etcd and NATS, which have other ports each time, and tells the nodes.
	again := func() {
		shared.infra = startInfra(t, infra)
		for _, n := range files {
			n.pointTo(shared.etcd, shared.infra.etcd)
			n.pointTo(shared.nats, shared.infra.nats)
		}
		shared.etcd, shared.nats = shared.infra.etcd, shared.infra.nats
	}
	stop()
	replaceDir(t, backup, infra)
	again()
	one, two = files[0].serve(), files[1].serve()
	two.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	one.awaitState("boris", v1.AccountState_ACCOUNT_STATE_ONLINE)
	two.says("since")
	stop()

	replaceDir(t, infra, backup)
	again()
	for _, n := range files {
		n.refuses()
	}
	one, two = files[0].restored(), files[1].restored()
	two.goesOn()
	stop()
	again()
	one, two = files[0].serve(), files[1].serve() // confirmed once for all
	one.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	one.says("later")
	stop()
}

// pointTo changes an address in the configuration.
func (n nodeFiles) pointTo(before, now string) {
	n.t.Helper()
	text, err := os.ReadFile(n.config)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(n.config, []byte(strings.ReplaceAll(string(text), before, now)), 0o600); err != nil {
		n.t.Fatal(err)
	}
}
