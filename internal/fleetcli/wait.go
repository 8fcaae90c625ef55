package fleetcli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

func newWait(g *CLI) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Wait until accounts are as they should be",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for orchestrator wait", args[0]), "use wait account ACCOUNT --for=condition=Ready"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWaitAccount(g))
	return cmd
}

func newWaitAccount(g *CLI) *cobra.Command {
	var (
		goal    string
		timeout time.Duration
		t       targets
	)
	cmd := &cobra.Command{
		Use:   "account [ACCOUNT...]",
		Short: "Wait until accounts have a condition or a state, or are deleted",
		Example: `  orchestrator wait account support-1 --for=condition=Ready --timeout 60s
  orchestrator wait account -l team=support --for=state=online
  orchestrator wait account support-1 --for=delete`,
		Args: func(_ *cobra.Command, args []string) error {
			t.yes = true // it changes nothing
			return t.check(args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			met, err := parseGoal(goal)
			if err != nil {
				return err
			}
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			ids, err := t.choose(cmd, c, args)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			accounts := make([]*v1.Account, len(ids))
			failed := g.each(cmd, ids, func(i int, id string) (err error) {
				accounts[i], err = waitAccount(ctx, c.Account(id), goal, met)
				return err
			})
			return g.printAccounts(cmd, accounts, failed)
		},
	}
	cmd.Flags().StringVar(&goal, "for", "condition=Ready", "condition=TYPE, condition=TYPE=false, state=STATE or delete")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait at most")
	cmd.Flags().StringVarP(&t.selector, "selector", "l", "", "the accounts that match, such as team=support,!test")
	cmd.Flags().BoolVar(&t.all, "all", false, "all accounts of the fleet")
	return cmd
}

// goalMet judges an account, nil when there is none.
type goalMet func(*v1.Account) bool

// conditionTypes are those of the contract.
func conditionTypes() []string {
	names := make([]string, len(fleet.ConditionTypes))
	for i, c := range fleet.ConditionTypes {
		names[i] = string(c)
	}
	return names
}

func parseGoal(text string) (goalMet, error) {
	wrong := usageError{
		fmt.Errorf("--for: must be condition=TYPE, condition=TYPE=false, state=STATE or delete (got %q)", text),
		"conditions are " + strings.Join(conditionTypes(), ", ") + "; states are those of `account list`",
	}
	kind, rest, _ := strings.Cut(text, "=")
	switch kind {
	case "delete":
		if rest == "" {
			return func(a *v1.Account) bool { return a == nil }, nil
		}
	case "state":
		name := "ACCOUNT_STATE_" + strings.ToUpper(rest)
		if n, ok := v1.AccountState_value[name]; ok && n != 0 {
			return func(a *v1.Account) bool { return settled(a) && int32(a.GetStatus().GetState()) == n }, nil
		}
	case "condition":
		name, answer, given := strings.Cut(rest, "=")
		want := "yes"
		if given && strings.EqualFold(answer, "false") {
			want = "no"
		} else if given && !strings.EqualFold(answer, "true") {
			return nil, wrong
		}
		for _, c := range conditionTypes() {
			if strings.EqualFold(c, name) {
				return func(a *v1.Account) bool { return settled(a) && conditionText(a.GetStatus(), c) == want }, nil
			}
		}
	}
	return nil, wrong
}

// settled reports whether the account's owner has seen the last change of its spec.
func settled(a *v1.Account) bool {
	return a != nil && a.GetStatus().GetObservedGeneration() >= a.GetGeneration()
}

// waitPoll is how often an account that is waited for is read.
const waitPoll = 250 * time.Millisecond

func waitAccount(ctx context.Context, account *client.Account, goal string, met goalMet) (*v1.Account, error) {
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	last := "it was not read yet"
	for {
		a, err := account.Get(ctx)
		switch gone := errors.Is(err, client.Reason("ACCOUNT_UNKNOWN")); {
		case err == nil && met(a):
			return a, nil
		case err == nil:
			last = "it is " + StateName(a.GetStatus().GetState())
			if reason := a.GetStatus().GetReason(); reason != "" {
				last += " (" + reason + ")"
			}
		case gone && met(nil):
			return nil, nil
		case ctx.Err() == nil:
			return nil, err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, ctx.Err()
			}
			return nil, failure{fmt.Errorf("account %s: %s did not come in time: %s", account.ID(), goal, last), "see `orchestrator account get " + account.ID() + "`, or wait longer by --timeout"}
		}
	}
}
