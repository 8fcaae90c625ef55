// Package fleetcli holds the commands that sign in, and that steer accounts and nodes; the program's own file joins
// them to its streams, its output and its servers.
//
// # Usage
//
//	c := &fleetcli.CLI{Dial: ..., Format: ..., ...}
//	root.AddCommand(c.Commands()...)
//
// # Errors
//
// Errors that have a next step give it by a method Hint() string; UsageError is a mistake in the
// command line. ErrFailed ends a command that has already said what failed.
package fleetcli

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

// CLI is what the commands need of the program. All fields are needed.
type CLI struct {
	// Dial makes a client of the chosen servers.
	Dial func() (*client.Client, error)
	// Format is the chosen output: table, json or yaml.
	Format func() string
	// Print writes a message in the chosen format; human makes the table.
	Print func(w io.Writer, m proto.Message, human func() Table) error
	// PrintJSON writes JSON as indented JSON or YAML.
	PrintJSON func(w io.Writer, b []byte) error
	// Report writes an error as the program does at its end.
	Report func(w io.Writer, err error) int
	// Args wants exactly the arguments with these names.
	Args func(names ...string) cobra.PositionalArgs
	// Accounts is the table of accounts.
	Accounts func(accounts ...*v1.Account) Table
}

// Table is a header and rows.
type Table struct {
	Header []string
	Rows   [][]string
}

// Commands are the top-level commands.
func (g *CLI) Commands() []*cobra.Command {
	return []*cobra.Command{newLogin(g), newLogout(g), newNodes(g), newNetwork(g), newSync(g), newWait(g), newApply(g), newDiff(g), newSessions(g), newProxies(g), newSecurity(g)}
}

// Account are the commands below `account`.
func (g *CLI) Account() []*cobra.Command {
	return []*cobra.Command{newAccountWatch(g), newAccountPause(g), newAccountDisconnect(g), newAccountResume(g), newAccountMove(g), newAccountDelete(g), newAccountWhy(g)}
}

// WatchAccounts runs `account watch`.
func (g *CLI) WatchAccounts(cmd *cobra.Command, selector string) error {
	return watchAccounts(cmd, g, selector)
}

// With dials for as long as run takes.
func (g *CLI) With(run func(*client.Client) error) error {
	c, err := g.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	return run(c)
}

// ErrFailed ends a command that has already said what failed.
var ErrFailed = errors.New("failed")

// UsageError is a mistake in the command line.
type UsageError struct {
	err  error
	hint string
}

type usageError = UsageError

// Usage makes a mistake in the command line and the next step.
func Usage(err error, hint string) error { return UsageError{err, hint} }

func (e UsageError) Error() string { return e.err.Error() }
func (e UsageError) Unwrap() error { return e.err }

// Hint is the next step.
func (e UsageError) Hint() string { return e.hint }

// Failure makes an error that gives the next step.
func Failure(err error, hint string) error { return failure{err, hint} }

// failure is an error with the next step.
type failure struct {
	err  error
	hint string
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

// Hint is the next step.
func (f failure) Hint() string { return f.hint }

// Named says which of several accounts an error is of.
type Named struct {
	// ID is the account's.
	ID string
	// Err is its error.
	Err error
}

func (n Named) Error() string { return n.ID + ": " + n.Err.Error() }
func (n Named) Unwrap() error { return n.Err }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Conditions shows what is true of accounts, a column for each condition.
func Conditions(accounts ...*v1.Account) Table {
	t := Table{Header: []string{"ACCOUNT", "STATE"}}
	for _, c := range fleet.ConditionTypes {
		t.Header = append(t.Header, conditionTitle(c))
	}
	for _, a := range accounts {
		s := a.GetStatus()
		row := []string{a.GetId(), StateName(s.GetState())}
		for _, c := range fleet.ConditionTypes {
			row = append(row, conditionText(s, string(c)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// conditionTitle is UPDATES FLOWING for UpdatesFlowing.
func conditionTitle(c fleet.ConditionType) string {
	var b strings.Builder
	for i, r := range string(c) {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// StateName is the state without its prefix, in lower case.
func StateName(s v1.AccountState) string {
	if s == v1.AccountState_ACCOUNT_STATE_UNSPECIFIED {
		return "-" // its owner has not reported yet
	}
	return strings.ToLower(strings.TrimPrefix(s.String(), "ACCOUNT_STATE_"))
}
