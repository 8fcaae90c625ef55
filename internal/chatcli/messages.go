package chatcli

import (
	"fmt"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func repeatedNote(cmd *cobra.Command, repeated bool) {
	if repeated {
		fmt.Fprintln(cmd.ErrOrStderr(), "orchestrator: this is the outcome of a former call with the same request id")
	}
}

// printSent prints a message that was sent.
func (g *cli) printSent(cmd *cobra.Command, sent *client.Sent) error {
	repeatedNote(cmd, sent.Repeated)
	if sent.Message == nil {
		unknown := &v1.SendMessageReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}
		return g.Print(cmd.OutOrStdout(), unknown, func() fleetcli.Table {
			return fleetcli.Table{Rows: [][]string{{"the message was sent; which one of the chat it is could not be found out"}}}
		})
	}
	return g.Print(cmd.OutOrStdout(), sent.Message, func() fleetcli.Table { return messageTable(sent.Message) })
}

func newHistory(g *cli) *cobra.Command {
	var limit int
	var offset int32
	var read reading
	cmd := &cobra.Command{
		Use:     "history ACCOUNT PEER",
		Short:   "Show the messages of a chat, newest first",
		Example: "  orchestrator history support-1 @durov --limit 20\n  orchestrator history support-1 @durov --format markdown",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ctx, err := read.context(cmd)
			if err != nil {
				return err
			}
			page, err := a.HistoryPage(ctx, args[0], offset, limit)
			if err != nil {
				return err
			}
			r := &v1.GetHistoryReply{Messages: page.Messages, Total: int32(page.Total)}
			return g.Print(cmd.OutOrStdout(), r, func() fleetcli.Table { return read.table(messageTable, page.Messages...) })
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many messages at most")
	cmd.Flags().Int32Var(&offset, "offset-id", 0, "only messages older than this id")
	read.flags(cmd)
	return cmd
}
