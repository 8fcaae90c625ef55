package fleetcli

import (
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
)

func newLogout(g *CLI) *cobra.Command {
	t := &targets{ask: "End the login at Telegram and delete session, keys and recorded events:"}
	var o client.LogOutOptions
	cmd := &cobra.Command{
		Use:   "logout [ACCOUNT...]",
		Short: "Sign accounts out, and delete their sessions, keys and events",
		Long: `Sign accounts out at Telegram, and delete what is stored of the login: session, keys and
recorded events. The accounts stay in the fleet and can sign in again. It asks before; without
a terminal it needs --yes. --force deletes also when Telegram cannot be reached; the login may
then stay valid there: end it in another app.`,
		Example: "  orchestrator logout support-1 --yes",
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
				confirmed, err := c.Account(id).LogOut(cmd.Context(), o)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if !confirmed {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: Telegram has not confirmed: the login may still be valid there\n", id)
				}
				return g.printOutcome(cmd.OutOrStdout(), id, "signed out")
			})
		},
	}
	t.flags(cmd)
	cmd.Flags().BoolVar(&o.Force, "force", false, "delete also when Telegram does not answer")
	return cmd
}
