package main

import (
	"strings"
	"testing"

	"github.com/telefleet/orchestrator/internal/archtest"
)

// TestCommandsOfTheMethodsExist: each command that docs/METHODS.md names is one that runs.
func TestCommandsOfTheMethodsExist(t *testing.T) {
	rows, err := archtest.Methods("../..")
	if err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	for _, r := range rows {
		if r.Command == "-" {
			continue
		}
		cmd, rest, err := root.Find(strings.Fields(r.Command))
		if err != nil || len(rest) > 0 || cmd == root || !cmd.Runnable() || cmd.HasSubCommands() {
			t.Errorf("row %s names the command %q, which there is not", r.Number, r.Command)
		}
	}
}
