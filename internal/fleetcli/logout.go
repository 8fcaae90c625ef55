package fleetcli

import (
	"fmt"
	"sync"

	"github.com/spf13/cobra"
)

func newLogout(g *CLI) *cobra.Command {
	t := &targets{ask: "End the login at Telegram:"}
	cmd := &cobra.Command{
		Use:   "logout [ACCOUNT...]",
		Short: "Sign accounts out at Telegram",
		Long: `Sign accounts out at Telegram. They stay in the fleet and can sign in again. It asks before;
without a terminal it needs --yes.`,
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
				confirmed, err := c.Account(id).LogOut(cmd.Context())
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
	return TakesRequestID(cmd)
}
