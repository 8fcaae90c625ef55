package fleetcli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
)

func newAccountWatch(g *CLI) *cobra.Command {
	var selector string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show the accounts, then each change",
		Long: `Show the accounts that there are, then each change, until Ctrl-C. It goes on by itself when a
node stops. -o json prints one object a line: change is added, modified, deleted, or synced once
all that there were are shown.`,
		Example: "  orchestrator account watch -l team=support -o json",
		Args:    g.Args(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return watchAccounts(cmd, g, selector) },
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "label selector, such as team=support,!test")
	return cmd
}

func watchAccounts(cmd *cobra.Command, g *CLI, selector string) error {
	c, err := g.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	const row = "%-9s %-20s %-14s %-22s %-6s %s\n"
	out := cmd.OutOrStdout()
	if g.Format() == "table" {
		fmt.Fprintf(out, row, "CHANGE", "ACCOUNT", "STATE", "REASON", "READY", "NODE")
	}
	for change, err := range c.WatchAccounts(cmd.Context(), client.WatchOptions{Selector: selector}) {
		if err != nil {
			return untilInterrupt(cmd.Context(), err)
		}
		a, s := change.Resource, change.Resource.GetStatus()
		if g.Format() != "table" {
			err = g.printChange(out, change.Kind, "account", a)
		} else if change.Kind != client.Synced {
			_, err = fmt.Fprintf(out, row, change.Kind, a.GetId(), StateName(s.GetState()), dash(s.GetReason()), conditionText(s, "Ready"), dash(s.GetNode()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// untilInterrupt is the end of a command that runs until Ctrl-C.
func untilInterrupt(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// printChange writes one item of a watch: a line of JSON or a document of YAML.
func (g *CLI) printChange(w io.Writer, kind client.ChangeKind, name string, resource proto.Message) error {
	b := []byte(fmt.Sprintf(`{"change":%q`, kind))
	if kind != client.Synced {
		r, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(resource)
		if err != nil {
			return fmt.Errorf("encode change: %w", err)
		}
		b = fmt.Appendf(b, `,%q:%s`, name, r)
	}
	b = append(b, '}')
	if g.Format() == "yaml" {
		if _, err := fmt.Fprintln(w, "---"); err != nil {
			return err
		}
		return g.PrintJSON(w, b)
	}
	_, err := fmt.Fprintf(w, "%s\n", compact(b))
	return err
}

// conditionText is the answer of one condition.
func conditionText(s *v1.AccountStatus, name string) string {
	for _, c := range s.GetConditions() {
		if strings.EqualFold(c.GetType(), name) {
			switch c.GetStatus() {
			case v1.ConditionStatus_CONDITION_STATUS_TRUE:
				return "yes"
			case v1.ConditionStatus_CONDITION_STATUS_FALSE:
				return "no"
			}
		}
	}
	return "-"
}

// targets are the flags that choose the accounts of a command.
type targets struct {
	selector string
	all, yes bool
	ask      string // what is asked before it happens; empty = nothing
}

func (t *targets) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&t.selector, "selector", "l", "", "the accounts that match, such as team=support,!test")
	cmd.Flags().BoolVar(&t.all, "all", false, "all accounts of the fleet; needs --yes")
	cmd.Flags().BoolVar(&t.yes, "yes", false, "do not ask")
}

// check refuses command lines that name no accounts, or more than may be meant.
func (t *targets) check(args []string) error {
	ways := 0
	for _, used := range []bool{len(args) > 0, t.selector != "", t.all} {
		if used {
			ways++
		}
	}
	const hint = "name accounts, or give -l selector, or --all"
	switch {
	case ways == 0:
		return usageError{errors.New("ACCOUNT is missing"), hint}
	case ways > 1:
		return usageError{errors.New("accounts, -l and --all exclude each other"), hint}
	case t.all && !t.yes:
		return usageError{errors.New("--all means every account of the fleet"), "add --yes if that is what you want"}
	}
	return nil
}

// choose gives the ids of the accounts, after it has asked where that is due.
func (t *targets) choose(cmd *cobra.Command, c *client.Client, args []string) ([]string, error) {
	if !t.yes && t.ask != "" && !isTerminal(cmd.InOrStdin()) {
		return nil, usageError{fmt.Errorf("%s asks before it acts, and nobody can be asked here", cmd.CommandPath()), "add --yes"}
	}
	ids := args
	if len(args) == 0 {
		for a, err := range c.Accounts(cmd.Context(), t.selector) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, a.GetId())
		}
	}
	if err := oneNamed(cmd, ids); err != nil {
		return nil, err
	}
	if t.yes || t.ask == "" || len(ids) == 0 {
		return ids, nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s %s? [y/N] ", t.ask, strings.Join(ids, ", "))
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing was done")
		return nil, ErrFailed
	}
	return ids, nil
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// maxAtOnce bounds the calls of one command.
const maxAtOnce = 16

// each calls do for all accounts, several at once. One account's error is the command's; of many,
// each is reported and the others go on.
func (g *CLI) each(cmd *cobra.Command, ids []string, do func(i int, id string) error) error {
	errs := make([]error, len(ids))
	var running sync.WaitGroup
	slots := make(chan struct{}, maxAtOnce)
	for i, id := range ids {
		slots <- struct{}{}
		running.Go(func() {
			errs[i] = do(i, id)
			<-slots
		})
	}
	running.Wait()
	if len(errs) == 1 || cmd.Context().Err() != nil {
		return errors.Join(errs...)
	}
	var failed error
	for i, err := range errs {
		if err != nil {
			g.Report(cmd.ErrOrStderr(), Named{ids[i], err})
			failed = ErrFailed
		}
	}
	return failed
}

func newAccountPause(g *CLI) *cobra.Command {
	wait := false
	cmd := newSteering(g, "pause", "Close the accounts' connections until they are resumed",
		func(a *client.Account, ctx context.Context) (*v1.Account, error) {
			if !wait {
				return a.Pause(ctx)
			}
			return finished(a.PauseAndWait(ctx))
		})
	cmd.Long = `Close the accounts' connections until they are resumed. New calls are refused, running ones may
end within 10 s, what was received is recorded and acknowledged. disconnect does it at once.`
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "return when they hold no connection any more")
	return cmd
}

func newAccountDisconnect(g *CLI) *cobra.Command {
	cmd := newSteering(g, "disconnect", "Close the accounts' connections at once, until they are resumed",
		func(a *client.Account, ctx context.Context) (*v1.Account, error) {
			return finished(a.Disconnect(ctx))
		})
	cmd.Long = `Close the accounts' connections at once, until they are resumed. Calls that wait fail with
DISCONNECTED. The accounts stay in the fleet, with session and place in their updates.`
	return cmd
}

// finished is an account that holds no connection any more, or the error that it still does.
func finished(account *v1.Account, done bool, err error) (*v1.Account, error) {
	if err == nil && !done {
		err = failure{errors.New("its node has not closed the connections yet"), "it goes on by itself: see `orchestrator account why " + account.GetId() + "`"}
	}
	return account, err
}

func newAccountResume(g *CLI) *cobra.Command {
	return newSteering(g, "resume", "Connect paused accounts again",
		func(a *client.Account, ctx context.Context) (*v1.Account, error) { return a.Resume(ctx) })
}

func newSteering(g *CLI, verb, short string, do func(*client.Account, context.Context) (*v1.Account, error)) *cobra.Command {
	t := &targets{}
	cmd := &cobra.Command{
		Use:     verb + " [ACCOUNT...]",
		Short:   short,
		Example: "  orchestrator account " + verb + " support-1 support-2\n  orchestrator account " + verb + " -l team=support",
		Args:    func(_ *cobra.Command, args []string) error { return t.check(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			ids, err := t.choose(cmd, c, args)
			if err != nil {
				return err
			}
			accounts := make([]*v1.Account, len(ids))
			failed := g.each(cmd, ids, func(i int, id string) (err error) {
				accounts[i], err = do(c.Account(id), cmd.Context())
				return err
			})
			return g.printAccounts(cmd, accounts, failed)
		},
	}
	t.flags(cmd)
	return TakesRequestID(cmd)
}

// printAccounts shows the accounts for which a command succeeded.
func (g *CLI) printAccounts(cmd *cobra.Command, accounts []*v1.Account, failed error) error {
	done := &v1.ListAccountsReply{}
	for _, a := range accounts {
		if a != nil {
			done.Accounts = append(done.Accounts, a)
		}
	}
	if len(done.Accounts) == 0 && failed != nil {
		return failed
	}
	return errors.Join(failed, g.Print(cmd.OutOrStdout(), done, func() Table {
		t := Table{Header: []string{"ACCOUNT", "PAUSED", "STATE", "NODE"}}
		for _, a := range done.Accounts {
			s := a.GetStatus()
			t.Rows = append(t.Rows, []string{a.GetId(), fmt.Sprint(a.GetSpec().GetPaused()), StateName(s.GetState()), dash(s.GetNode())})
		}
		return t
	}))
}

func newAccountDelete(g *CLI) *cobra.Command {
	t := &targets{ask: "Delete with session, events and keys:"}
	cmd := &cobra.Command{
		Use:   "delete [ACCOUNT...]",
		Short: "Delete accounts with their sessions, events and keys",
		Long: `Delete accounts with their sessions, events and keys. It asks before; without a terminal it
needs --yes. The login stays valid at Telegram: end it first with "orchestrator logout".`,
		Example: "  orchestrator account delete support-1 --yes",
		Args:    func(_ *cobra.Command, args []string) error { return t.check(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			ids, err := t.choose(cmd, c, args)
			if err != nil {
				return err
			}
			var mu sync.Mutex
			return g.each(cmd, ids, func(_ int, id string) error {
				done, err := c.Account(id).Delete(cmd.Context())
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				outcome := "deleted"
				if !done {
					outcome = "deleting" // its owner goes on by itself
				}
				return g.printOutcome(cmd.OutOrStdout(), id, outcome)
			})
		},
	}
	t.flags(cmd)
	return TakesRequestID(cmd)
}

// printOutcome tells in a line what became of an account.
func (g *CLI) printOutcome(w io.Writer, id, outcome string) error {
	var err error
	switch g.Format() {
	case "json":
		_, err = fmt.Fprintf(w, "{\"id\":%q,\"outcome\":%q}\n", id, outcome)
	case "yaml":
		_, err = fmt.Fprintf(w, "---\nid: %q\noutcome: %s\n", id, outcome)
	default:
		_, err = fmt.Fprintf(w, "account %s: %s\n", id, outcome)
	}
	return err
}

func newAccountMove(g *CLI) *cobra.Command {
	return TakesRequestID(&cobra.Command{
		Use:     "move ACCOUNT NODE",
		Short:   "Hand an account over to a node, named by its id or name",
		Long:    "Hand an account over to a node, named by its id or name. NODE `-` ends an earlier move: the\naccount runs where placement wants it.",
		Example: "  orchestrator account move support-1 node-2",
		Args:    g.Args("ACCOUNT", "NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			node := ""
			if args[1] != "-" {
				if node, err = nodeID(cmd.Context(), c, args[1]); err != nil {
					return err
				}
			}
			a, done, err := c.Account(args[0]).Move(cmd.Context(), node)
			if err != nil {
				return err
			}
			if !done {
				fmt.Fprintln(cmd.ErrOrStderr(), "the hand-over is under way and goes on by itself")
			}
			return g.Print(cmd.OutOrStdout(), a, func() Table { return g.Accounts(a) })
		},
	})
}

// compact undoes protojson's random spacing.
func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return b
	}
	return out.Bytes()
}
