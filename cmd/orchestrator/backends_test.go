package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
)

// rotated is what `security rotate -o json` prints.
type rotated struct {
	MasterKey  string   `json:"master_key"`
	WaitingFor []string `json:"waiting_for"`
	Rewrapped  int      `json:"rewrapped"`
}

func (s server) rotate() (r rotated) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.cli("security", "rotate", "-o", "json").ok()), &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func writeKey(t *testing.T, path string) {
	t.Helper()
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, secret, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMasterKeyRotatesUnderLoad: accounts send and are added all the time, no call fails; then the
// new key alone opens everything, and the former one nothing (F21).
func TestMasterKeyRotatesUnderLoad(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	addUser(t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	files := newNode(t, dcFile)
	key := filepath.Join(files.dir, "master.key")
	node := files.serve()
	node.signIn(sim, "anna", "+15550001", "")
	node.signIn(sim, "boris", "+15550002", "")

	var (
		stop    atomic.Bool
		sent    atomic.Int64
		added   atomic.Int64
		working sync.WaitGroup
	)
	working.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if err := node.send("anna", "@boris", fmt.Sprintf("message %d", i)); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
			sent.Add(1)
		}
	})
	working.Go(func() { // each makes a data key
		for i := 0; !stop.Load(); i++ {
			if _, err := node.fleet().CreateAccount(node.within(), &v1.CreateAccountRequest{Id: fmt.Sprintf("new-%d", i)}); err != nil {
				t.Errorf("account %d: %v", i, err)
			}
			node.awaitState(fmt.Sprintf("new-%d", i), v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED)
			added.Add(1)
		}
	})
	progress := func() {
		from, accounts := sent.Load(), added.Load()
		for (sent.Load() < from+5 || added.Load() < accounts+1) && !t.Failed() {
			if _, err := node.fleet().GetAccount(node.within(), &v1.GetAccountRequest{Id: "anna"}); err != nil {
				t.Error(err)
			}
		}
	}
	progress()
	if err := os.Rename(key, key+".previous"); err != nil {
		t.Fatal(err)
	}
	writeKey(t, key)
	r := node.rotate()
	if r.Rewrapped < 2 || len(r.WaitingFor) != 0 {
		t.Errorf("got %+v", r)
	}
	progress()
	if again := node.rotate(); again.MasterKey != r.MasterKey || again.Rewrapped != 0 {
		t.Errorf("once more: %+v, want nothing to do under %s", again, r.MasterKey)
	}
	stop.Store(true)
	working.Wait()
	node.terminate()

	former := filepath.Join(t.TempDir(), "former.key")
	if err := os.Rename(key+".previous", former); err != nil {
		t.Fatal(err)
	}
	node = files.serve()
	node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	if err := node.send("boris", "@anna", "after"); err != nil {
		t.Error(err)
	}
	node.terminate()
	if err := os.Rename(former, key); err != nil {
		t.Fatal(err)
	}
	runCLI(t, nil, "serve", "--config", files.config).fails(exitFailed, "master key", r.MasterKey)
}

// TestPassphraseOpensTheSessions: instead of a key file; a wrong one is told at the start.
func TestPassphraseOpensTheSessions(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	secret := secretFile(t, "correct horse battery\n")
	files := newNode(t, dcFile, fmt.Sprintf("security: {passphrase_file: %q}", secret))
	node := files.serve()
	node.signIn(sim, "anna", "+15550001", "")
	node.terminate()
	if _, err := os.Stat(filepath.Join(files.dir, "master.key")); err == nil {
		t.Error("a key file was made beside the passphrase")
	}
	if err := os.WriteFile(secret, []byte("correct horse batterz\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := runCLI(t, nil, "serve", "--config", files.config)
	wrong.fails(exitFailed, "security.passphrase_file", "not the passphrase")
	if strings.Contains(wrong.stderr, "batterz") {
		t.Error("the passphrase is shown")
	}
	if err := os.WriteFile(secret, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	runCLI(t, nil, "serve", "--config", files.config).fails(exitUsage, "security.passphrase_file", "12 bytes (got 5)")
	// A new one is rotated in, from the file of the former one.
	if err := os.WriteFile(secret+".previous", []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte("another staple altogether\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	node = files.serve()
	node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	if r := node.rotate(); r.Rewrapped < 1 {
		t.Errorf("got %+v", r)
	}
	node.terminate()
	if err := os.Remove(secret + ".previous"); err != nil {
		t.Fatal(err)
	}
	node = files.serve()
	node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	node.terminate()
}
