package fleetcli

import (
	"fmt"
	"sync"

	"github.com/spf13/cobra"
)

func newLogout(g *CLI) *cobra.Command {
	t := &targets{ask: "End the login at Telegram and delete its session, peers and events:"}
	force := false
	cmd := &cobra.Command{
		Use:   "logout [ACCOUNT...]",
		Short: "Sign accounts out at Telegram and delete what is stored of them",
		Long: `Sign accounts out at Telegram, destroy their auth keys and delete what is stored of them: session,
peers, events and the key that seals them. They stay in the fleet and can sign in again. It asks
before; without a terminal it needs --yes. It may be repeated, and goes on by itself if a node ends.

With --force it deletes that without Telegram, too: when Telegram cannot be reached, the account
is paused, or its session cannot be read. The login may then live on at Telegram.`,
		Example: "  orchestrator logout support-1 --yes\n  orchestrator logout support-1 --force",
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
				out, err := c.Account(id).LogOut(cmd.Context(), force)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				done := "signed out"
				if !out.Confirmed {
					done = "deleted here"
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", id, out.Remedy)
				} else if out.KeysLeft > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d of its auth keys could not be destroyed; nobody is signed in with them\n", id, out.KeysLeft)
				}
				return g.printOutcome(cmd.OutOrStdout(), id, done)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete what is stored even if Telegram does not confirm")
	t.flags(cmd)
	return TakesRequestID(cmd)
}
