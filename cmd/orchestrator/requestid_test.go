package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// nameless are the commands without --request-id, with the reason; those below a prefix share it.
var nameless = map[string]string{
	// They read.
	"account list": "reads", "account get": "reads", "account watch": "reads", "account why": "reads", "node list": "reads",
	"node watch": "reads", "history": "reads", "events": "reads", "diff": "reads", "wait": "reads", "context": "reads files",
	// They are no commands of the API.
	"demo": "runs a node", "simulate": "runs a simulator", "serve": "runs a node", "infra": "runs etcd and NATS", "cert": "writes files",
	"check-config": "reads a file", "version": "reads", "completion": "prints a script", "help": "prints", "__complete": "completes",
	// They are several commands of the API, or streams.
	"consumer list": "reads", "consumer get": "reads", "consumer dead": "reads", "webhook list": "reads", "webhook get": "reads",
	"webhook log": "reads", "webhook dead": "reads", "bench": "measures",
	"webhook pause": "reads first; leads to one state", "webhook resume": "reads first; leads to one state",
	"consumer read":  "many commands, as long as it runs",
	"session import": "several commands; a session that is there already is told", "session export": "reads",
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
			t.Errorf("%s: takes --request-id: %v, listed as going without: %v", path, takes, exempt)
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
