package fleetcli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newSecurity(g *CLI) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "security",
		Short: "Look after the keys that seal sessions and events",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for orchestrator security", args[0]), "see `orchestrator security --help` for the commands"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRotate(g))
	return cmd
}

func newRotate(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Take a new master key into use, online",
		Long: `Take a new master key into use. On every node put the former key aside and the new one in its
place, as files that the configuration names; then run this against every node, one after the
other. Each reads the files again; once all nodes have the new key, all data keys are wrapped
under it. Nothing is interrupted. Then remove the former key.`,
		Example: `  mv master.key master.key.previous
  (umask 077; head -c 32 /dev/urandom > master.key)      # in a cluster: the same on every node
  orchestrator security rotate`,
		Args: g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			r, err := c.RotateMasterKey(cmd.Context())
			if err != nil {
				return err
			}
			if waiting := r.GetWaitingFor(); len(waiting) > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "nothing is changed yet: give the new key to %s, and run this there, too\n", strings.Join(waiting, ", "))
			}
			return g.Print(cmd.OutOrStdout(), r, func() Table {
				state := "current"
				if len(r.GetWaitingFor()) > 0 {
					state = "waiting"
				}
				return Table{
					Header: []string{"MASTER KEY", "STATE", "NODE", "DATA KEYS REWRAPPED"},
					Rows:   [][]string{{r.GetMasterKey(), state, r.GetNode(), strconv.Itoa(int(r.GetRewrapped()))}},
				}
			})
		},
	}
}
