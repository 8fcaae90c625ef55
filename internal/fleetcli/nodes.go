package fleetcli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

func newNodes(g *CLI) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "List nodes, and keep accounts away from them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for orchestrator node", args[0]), "use list, watch, cordon, uncordon or drain"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newNodeList(g), newNodeWatch(g),
		newNodeVerb(g, "cordon", "Keep new accounts away from a node", (*client.Client).CordonNode),
		newNodeVerb(g, "uncordon", "Let a node take accounts again, after cordon or drain", (*client.Client).UncordonNode),
		newNodeVerb(g, "drain", "Hand all accounts of a node over to the others", (*client.Client).DrainNode),
	)
	return cmd
}

func newNodeList(g *CLI) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the nodes that are alive",
		Args:  g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return watchNodes(cmd, g)
			}
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			nodes, err := c.Nodes(cmd.Context())
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.ListNodesReply{Nodes: nodes}, func() Table { return nodeTable(nodes...) })
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "then show each change")
	return cmd
}

func newNodeWatch(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Show the nodes, then each change",
		Args:  g.Args(),
		RunE:  func(cmd *cobra.Command, _ []string) error { return watchNodes(cmd, g) },
	}
}

func watchNodes(cmd *cobra.Command, g *CLI) error {
	c, err := g.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	const row = "%-9s %-22s %-20s %-9s %s\n"
	out := cmd.OutOrStdout()
	if g.Format() == "table" {
		fmt.Fprintf(out, row, "CHANGE", "NODE", "NAME", "STATE", "ACCOUNTS")
	}
	for change, err := range c.WatchNodes(cmd.Context(), client.WatchOptions{}) {
		if err != nil {
			return untilInterrupt(cmd.Context(), err)
		}
		n := change.Resource
		if g.Format() != "table" {
			err = g.printChange(out, change.Kind, "node", n)
		} else if change.Kind != client.Synced {
			_, err = fmt.Fprintf(out, row, change.Kind, n.GetId(), dash(n.GetName()), nodeState(n), strconv.Itoa(int(n.GetAccounts())))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func newNodeVerb(g *CLI, verb, short string, do func(*client.Client, context.Context, string) (*v1.Node, error)) *cobra.Command {
	return TakesRequestID(&cobra.Command{
		Use:     verb + " NODE",
		Short:   short,
		Example: "  orchestrator node " + verb + " node-2",
		Args:    g.Args("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := nodeID(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			n, err := do(c, cmd.Context(), id)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), n, func() Table { return nodeTable(n) })
		},
	})
}

// nodeID finds a node by its id or by its name.
func nodeID(ctx context.Context, c *client.Client, text string) (string, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, n := range nodes {
		if n.GetId() == text {
			return text, nil
		}
		if n.GetName() == text {
			found = append(found, n.GetId())
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fleet.Errorf(fleet.CodeNotFound, "NODE_NOT_FOUND", "no node has the id or name %q", text).
			WithRemedy("see `orchestrator node list`")
	}
	return "", usageError{fmt.Errorf("%d nodes have the name %q", len(found), text), "use an id: " + strings.Join(found, ", ")}
}

func nodeTable(nodes ...*v1.Node) Table {
	t := Table{Header: []string{"NODE", "NAME", "STATE", "LEADER", "ACCOUNTS", "WEIGHT", "ADDRESS", "STARTED"}}
	for _, n := range nodes {
		t.Rows = append(t.Rows, []string{
			n.GetId(), dash(n.GetName()), nodeState(n), strconv.FormatBool(n.GetLeader()), strconv.Itoa(int(n.GetAccounts())),
			strconv.Itoa(int(n.GetWeight())), dash(n.GetAddress()), n.GetStartTime().AsTime().Local().Format("2006-01-02 15:04:05"),
		})
	}
	return t
}

func nodeState(n *v1.Node) string {
	switch {
	case n.GetDraining():
		return "draining"
	case n.GetCordoned():
		return "cordoned"
	}
	return "ready"
}

func newNetwork(g *CLI) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "network",
		Short: "Tell the fleet about the network",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for orchestrator network", args[0]), "use restored"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNetworkRestored(g))
	return cmd
}

func newNetworkRestored(g *CLI) *cobra.Command {
	var (
		account, selector, node string
		all                     bool
	)
	cmd := &cobra.Command{
		Use:     "restored",
		Short:   "End the waits before the next connection: the network works again",
		Long:    "End the waits before the next connection, because the network works again. Nothing happens to\naccounts that are connected, and dials stay paced.",
		Example: "  orchestrator network restored --all\n  orchestrator network restored --node node-2",
		Args:    g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ways := 0
			for _, used := range []bool{account != "", selector != "", node != "", all} {
				if used {
					ways++
				}
			}
			if ways != 1 {
				return usageError{errors.New("say whose network, in one way"), "give --account, -l, --node or --all"}
			}
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			whose := client.WholeFleet()
			switch {
			case account != "":
				whose = client.OfAccount(account)
			case selector != "":
				whose = client.OfSelector(selector)
			case node != "":
				id, err := nodeID(cmd.Context(), c, node)
				if err != nil {
					return err
				}
				whose = client.OfNode(id)
			}
			told, err := c.NetworkRestored(cmd.Context(), whose)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.NetworkRestoredReply{Accounts: int32(told)}, func() Table {
				return Table{Rows: [][]string{{counted(told, "account") + " told"}}}
			})
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "of one account")
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "of the accounts that match, such as team=support")
	cmd.Flags().StringVar(&node, "node", "", "of a node's accounts, by its id or name")
	cmd.Flags().BoolVar(&all, "all", false, "of the whole fleet")
	return TakesRequestID(cmd)
}

func newSync(g *CLI) *cobra.Command {
	var skip bool
	var channel string
	var keep time.Duration
	cmd := &cobra.Command{
		Use:     "sync ACCOUNT",
		Short:   "Fetch the updates that an account has missed",
		Example: "  orchestrator sync support-1\n  orchestrator sync support-1 --channel @news --for 1h",
		Args:    g.Args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			var skipped []*v1.SkippedUpdates
			if channel != "" {
				err = c.Account(args[0]).SyncChannel(cmd.Context(), channel, keep)
			} else {
				skipped, err = c.Account(args[0]).Sync(cmd.Context(), skip)
			}
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.SyncUpdatesReply{Skipped: skipped}, func() Table {
				t := Table{Rows: [][]string{{args[0] + " is level with Telegram"}}}
				for _, s := range skipped {
					t.Rows = append(t.Rows, []string{fmt.Sprintf("skipped %s from %d to %d", s.GetBox(), s.GetFrom(), s.GetTo())})
				}
				return t
			})
		},
	}
	cmd.Flags().BoolVar(&skip, "skip", false, "jump to the present and say what was left out, instead of fetching it")
	cmd.Flags().StringVar(&channel, "channel", "", "only of this channel, which the account need not have joined")
	cmd.Flags().DurationVar(&keep, "for", 0, "ask the channel again and again for so long, at most 24h")
	cmd.MarkFlagsMutuallyExclusive("skip", "channel")
	return TakesRequestID(cmd)
}

// counted is a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
