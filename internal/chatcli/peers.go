package chatcli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newMe(g *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "me ACCOUNT",
		Short: "Ask Telegram who an account is, or why it is not signed in",
		Args:  g.Args("ACCOUNT"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, _ []string) error {
			standing, err := a.Authorization(cmd.Context())
			if err != nil {
				return err
			}
			if !standing.OK {
				return fleetcli.Failure(fmt.Errorf("%s is not signed in: %s", a.ID(), string(standing.Reason)), standing.Remedy)
			}
			user, err := a.Me(cmd.Context())
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), user, func() fleetcli.Table {
				return fleetcli.Table{Header: []string{"USER", "NAME", "USERNAME", "PHONE", "BOT"}, Rows: [][]string{{
					strconv.FormatInt(user.GetId(), 10), oneLine(strings.TrimSpace(user.GetFirstName()+" "+user.GetLastName()), 40),
					user.GetUsername(), user.GetPhone(), strconv.FormatBool(user.GetBot()),
				}}}
			})
		}),
	}
}

func newResolve(g *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "resolve ACCOUNT PEER",
		Short:   "Find a user, group or channel by name, phone number, id or link",
		Example: "  orchestrator resolve support-1 @durov\n  orchestrator resolve support-1 t.me/telegram",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			peer, err := a.ResolvePeer(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), peer, func() fleetcli.Table { return peerTable(peer) })
		}),
	}
}

func peerTable(peers ...*v1.Peer) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"ID", "KIND", "USERNAME", "TITLE"}}
	for _, p := range peers {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(p.GetId(), 10), enumWord(p.GetKind().String(), "PEER_KIND_"), p.GetUsername(), oneLine(p.GetTitle(), 40),
		})
	}
	return t
}
