package chatcli

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// batching are the flags of a batch.
type batching struct {
	options client.BatchOptions
	yes     bool
}

func (b *batching) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&b.options.Selector, "selector", "l", "", "the accounts that match, such as team=support,!test")
	cmd.Flags().StringSliceVar(&b.options.Accounts, "account", nil, "this account, may be repeated")
	cmd.Flags().BoolVar(&b.options.All, "all", false, "all accounts of the fleet; needs --yes")
	cmd.Flags().BoolVar(&b.yes, "yes", false, "--all is meant")
	cmd.Flags().IntVar(&b.options.Concurrency, "concurrency", 0, "how many accounts at a time (default 16)")
	cmd.Flags().StringVar(&b.options.RequestID, "request-id", "", "name the batch: given again within a day it goes on, and each account does it once")
}

// check refuses batches that name no accounts, or more than may be meant.
func (b *batching) check() error {
	switch o := b.options; {
	case o.Selector == "" && len(o.Accounts) == 0 && !o.All:
		return fleetcli.Usage(errors.New("no accounts are named"), "give -l selector, or --account, or --all")
	case o.All && !b.yes:
		return fleetcli.Usage(errors.New("--all means every account of the fleet"), "add --yes if that is what you want")
	}
	return nil
}

func newBatch(g *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "batch", Short: "Give one command to many accounts",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fleetcli.Usage(fmt.Errorf("unknown command %q for orchestrator batch", args[0]), "use send or call")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBatchSend(g), newBatchCall(g))
	return cmd
}

func newBatchSend(g *cli) *cobra.Command {
	b, form := &batching{}, markup{}
	cmd := &cobra.Command{
		Use:     "send PEER TEXT",
		Short:   "Send a text message as many accounts",
		Example: "  orchestrator batch send -l team=sales @news 'hello' --request-id spring-1",
		Args:    g.Args("PEER", "TEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.batch(cmd, b, client.SendCommand(args[0], form.content(args[1])))
		},
	}
	b.flags(cmd)
	form.flags(cmd)
	return cmd
}

func newBatchCall(g *cli) *cobra.Command {
	b := &batching{}
	cmd := &cobra.Command{
		Use:     "call METHOD JSON",
		Short:   "Call a method of the Telegram schema as many accounts",
		Example: `  orchestrator batch call account.updateStatus '{"offline":false}' -l team=sales`,
		Args:    g.Args("METHOD", "JSON"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := withMethod(args[0], args[1])
			if err != nil {
				return err
			}
			return g.batch(cmd, b, client.InvokeCommand([]byte(request)))
		},
	}
	b.flags(cmd)
	return cmd
}

// batch runs a command and prints a line for each account.
func (g *cli) batch(cmd *cobra.Command, b *batching, command client.Command) error {
	if err := b.check(); err != nil {
		return err
	}
	if b.options.RequestID == "" {
		b.options.RequestID = rand.Text()
	}
	total, done, failed := 0, 0, 0
	b.options.Started = func(accounts int) { total = accounts }
	return g.With(func(c *client.Client) error {
		for r, err := range c.Batch(cmd.Context(), command, b.options) {
			if err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "orchestrator: %d of %d accounts are done; go on by --request-id %s\n", done, total, b.options.RequestID)
				return err
			}
			done++
			switch {
			case r.Err != nil:
				failed++
				g.Report(cmd.ErrOrStderr(), fleetcli.Named{ID: r.Account, Err: r.Err})
			case r.Repeated:
				fmt.Fprintf(cmd.OutOrStdout(), "%d/%d %s: was done before\n", done, total, r.Account)
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "%d/%d %s: done\n", done, total, r.Account)
			}
		}
		if failed > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "orchestrator: %d of %d accounts failed; try those again by --request-id %s\n", failed, total, b.options.RequestID)
			return fleetcli.ErrFailed
		}
		return nil
	})
}
