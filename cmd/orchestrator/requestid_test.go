package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/gotd/td/tg"
	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// nameless are the commands without --request-id, with the reason; those below a prefix share it.
var nameless = map[string]string{
	// They read.
	"account list": "reads", "account get": "reads", "account watch": "reads", "account why": "reads", "node list": "reads",
	"node watch": "reads", "history": "reads", "events": "reads", "diff": "reads", "wait": "reads", "context": "reads files",
	"me": "reads", "resolve": "reads", "messages get": "reads", "pinned": "reads", "scheduled list": "reads", "members": "reads",
	"permissions": "reads", "photos": "reads", "search": "reads", "dialogs": "reads", "download": "reads", "invite check": "reads",
	"upload": "nobody sees a file before a command sends it",
	"typing": "passes by itself; leads to one state",
	// They are no commands of the API.
	"schema": "reads what is built in",
	"demo":   "runs a node", "simulate": "runs a simulator", "serve": "runs a node", "infra": "runs etcd and NATS", "cert": "writes files",
	"check-config": "reads a file", "version": "reads", "completion": "prints a script", "help": "prints", "__complete": "completes",
	// They are several commands of the API, or streams.
	"consumer list": "reads", "consumer get": "reads", "consumer dead-letters": "reads", "webhook list": "reads", "webhook get": "reads",
	"webhook log": "reads", "webhook dead-letters": "reads", "bench": "measures",
	"webhook pause": "reads first; leads to one state", "webhook resume": "reads first; leads to one state",
	"consumer read": "many commands, as long as it runs",
	"proxy list":    "reads", "proxy get": "reads", "proxy test": "reads", "proxy delete": "one command for each name; leads to one state",
	"security rotate": "asks the node that gets it; leads to one state",
	"session import":  "several commands; a session that is there already is told", "session export": "reads",
	"login": "several steps, each a command", "apply": "several commands; giving it again is safe as it is",
}

// TestEveryCommandLineThatChangesSomethingTakesARequestID iterates the command lines.
func TestEveryCommandLineThatChangesSomethingTakesARequestID(t *testing.T) {
	t.Parallel()
	named := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			visit(below)
		}
		path := strings.TrimPrefix(cmd.CommandPath(), "orchestrator ")
		if cmd.HasSubCommands() || path == "orchestrator" {
			return
		}
		takes := cmd.Flags().Lookup("request-id") != nil
		first, _, _ := strings.Cut(path, " ")
		exempt := nameless[path] != "" || nameless[first] != ""
		if takes == exempt {
			t.Errorf("%s: takes --request-id: %v, listed as going without: %v; wrap it in fleetcli.TakesRequestID, or list it with the reason", path, takes, exempt)
		}
		if takes {
			named++
		}
	}
	visit(newRoot())
	if named < 10 {
		t.Errorf("only %d command lines take --request-id", named)
	}
}

// TestRequestIDOnTheCommandLine: a command line that is given again has the outcome of the first
// time, also after the node was killed.
func TestRequestIDOnTheCommandLine(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	files := newNode(t, dcFile)
	node := files.serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	send := func(server, text string) (id string, errOut string, code int) {
		var out, err bytes.Buffer
		code = run([]string{"--server", server, "send", "anna", "me", text, "--request-id", "note-1", "-o", "json"}, strings.NewReader(""), &out, &err)
		var message struct {
			ID json.Number `json:"id"`
		}
		if code == exitOK && json.Unmarshal(out.Bytes(), &message) != nil {
			t.Errorf("got %s", out.String())
		}
		return message.ID.String(), err.String(), code
	}
	first, _, code := send(node.url, "hello")
	if code != exitOK || first == "" {
		t.Fatalf("exit code %d, message %q", code, first)
	}
	if again, notice, code := send(node.url, "hello"); code != exitOK || again != first || !strings.Contains(notice, "former call") {
		t.Errorf("again: exit code %d, message %q, %q", code, again, notice)
	}
	if _, problem, code := send(node.url, "other"); code != exitUsage || !strings.Contains(problem, "was used for another request") {
		t.Errorf("another text: exit code %d, %q", code, problem)
	}
	node.kill()
	node = files.serve()
	if again, _, code := send(node.url, "hello"); code != exitOK || again != first {
		t.Errorf("after a restart: exit code %d, message %q", code, again)
	}
	var out, err bytes.Buffer
	code = run([]string{"--server", node.url, "account", "pause", "anna", "boris", "--request-id", "p1"}, strings.NewReader(""), &out, &err)
	if code != exitUsage || !strings.Contains(err.String(), "names one command") {
		t.Errorf("two accounts: exit code %d, %s", code, err.String())
	}
}

// TestKilledNodeAsksForNoSecondCode: kill -9 between the intent and the outcome of a command that
// has no random_id and does something each time. After the restart nobody knows, and it is not done
// again under its name.
func TestKilledNodeAsksForNoSecondCode(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	var asked atomic.Int32
	arrived, release := make(chan struct{}), make(chan struct{})
	sim.Faults().SetRPCHook(func(call *mtserver.Call) (int, string) {
		if call.Constructor() == tg.AuthSendCodeRequestTypeID && asked.Add(1) == 1 {
			close(arrived)
			<-release
		}
		return 0, ""
	})
	files := newNode(t, dcFile)
	node := files.serve()
	if _, err := node.fleet().CreateAccount(node.within(), &v1.CreateAccountRequest{Id: "anna"}); err != nil {
		t.Fatal(err)
	}
	node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED)
	ask := func(node server, id string) error {
		ctx, info := connect.NewClientContext(node.within())
		info.RequestHeader().Set(fleet.HeaderRequestID, id)
		_, err := node.auth().RequestCode(ctx, &v1.RequestCodeRequest{Account: "anna", PhoneNumber: userAnna.Phone})
		return err
	}
	first := make(chan error, 1)
	go func() { first <- ask(node, "login-1") }()
	<-arrived
	node.kill()
	close(release)
	if err := <-first; err == nil {
		t.Error("a killed node has answered")
	}
	node = files.serve()
	node.await("anna", "running", func(*v1.AccountStatus) bool {
		_, err := node.auth().GetAuthorization(node.within(), &v1.GetAuthorizationRequest{Account: "anna"})
		return err == nil
	})
	for range 2 {
		wantError(t, ask(node, "login-1"), connect.CodeAborted, "OUTCOME_UNKNOWN")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("Telegram was asked for %d codes", n)
	}
	if err := ask(node, "login-2"); err != nil || asked.Load() != 2 {
		t.Errorf("under another name: %v, %d codes", err, asked.Load())
	}
	if err := ask(node, "login-2"); err != nil || asked.Load() != 2 {
		t.Errorf("repeated: %v, %d codes", err, asked.Load())
	}
}
