package main

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newAccount(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Add, list and show accounts",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for orchestrator account", args[0]), "see `orchestrator account --help` for the commands"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAccountAdd(g), newAccountList(g), newAccountGet(g))
	cmd.AddCommand(commands(g).Account()...)
	return cmd
}

func newAccountAdd(g *globals) *cobra.Command {
	var labels map[string]string
	var proxy string
	spec := &v1.AccountSpec{}
	cmd := &cobra.Command{
		Use:     "add ACCOUNT",
		Short:   "Add an account to the fleet; sign it in afterwards with login",
		Long:    "Add an account to the fleet; sign it in afterwards with login. With --proxy nothing is ever sent to Telegram\ndirectly: pool:NAME of `orchestrator proxy`, a link, @FILE that holds one, or - for standard input.",
		Example: "  orchestrator account add support-1 --label team=support\n  orchestrator account add support-1 --proxy pool:de",
		Args:    exactArgs("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fleet.AccountID(args[0]).Validate(); err != nil {
				return err
			}
			if proxy != "" {
				links, err := fleetcli.ReadLinks(cmd, []string{proxy})
				if err != nil {
					return err
				}
				spec.Proxy = links[0]
			}
			c, err := sdk(g)
			if err != nil {
				return err
			}
			defer c.Close()
			a, err := c.CreateAccount(cmd.Context(), &v1.Account{Id: args[0], Labels: labels, Spec: spec})
			if err != nil {
				return err
			}
			return g.print(cmd.OutOrStdout(), a, func() table { return accountTable(a) })
		},
	}
	cmd.Flags().StringToStringVarP(&labels, "label", "l", nil, "label key=value, may be repeated")
	cmd.Flags().StringVar(&proxy, "proxy", "", "the only way to Telegram: LINK, pool:NAME, @FILE or -")
	cmd.Flags().StringVar(&spec.App, "app", "", "application profile of the nodes' configuration")
	cmd.Flags().BoolVar(&spec.Pfs, "pfs", false, "use temporary auth keys, renewed each day (perfect forward secrecy)")
	cmd.Flags().Int32Var(&spec.Dc, "dc", 0, "DC to make the first key with; 0 = the nodes' default")
	return fleetcli.TakesRequestID(cmd)
}

func newAccountList(g *globals) *cobra.Command {
	var (
		selector          string
		watch, conditions bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accounts of the fleet",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return commands(g).WatchAccounts(cmd, selector)
			}
			c, err := sdk(g)
			if err != nil {
				return err
			}
			defer c.Close()
			all := &v1.ListAccountsReply{}
			for account, err := range c.Accounts(cmd.Context(), selector) {
				if err != nil {
					return err
				}
				all.Accounts = append(all.Accounts, account)
			}
			return g.print(cmd.OutOrStdout(), all, func() table {
				if conditions {
					return asTable(fleetcli.Conditions(all.GetAccounts()...))
				}
				return accountTable(all.GetAccounts()...)
			})
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "label selector, such as team=support,!test")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "then show each change")
	cmd.Flags().BoolVar(&conditions, "conditions", false, "show the conditions of each account")
	return cmd
}

func newAccountGet(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "get ACCOUNT",
		Short: "Show one account and what it needs",
		Args:  exactArgs("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := sdk(g)
			if err != nil {
				return err
			}
			defer c.Close()
			a, err := c.GetAccount(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return g.print(cmd.OutOrStdout(), a, func() table {
				t := accountTable(a)
				t.rows = append(t.rows, fleetcli.Problems(a)...)
				return t
			})
		},
	}
}

func accountTable(accounts ...*v1.Account) table {
	t := table{header: []string{"ACCOUNT", "STATE", "REASON", "USER", "BOT", "HOME DC", "NODE", "LABELS"}}
	for _, a := range accounts {
		s := a.GetStatus()
		t.rows = append(t.rows, []string{
			a.GetId(), fleetcli.StateName(s.GetState()), dash(s.GetReason()), number(s.GetUserId()), strconv.FormatBool(s.GetBot()),
			number(int64(s.GetHomeDc())), dash(s.GetNode()), dash(labelText(a.GetLabels())),
		})
	}
	return t
}

func labelText(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for k, v := range labels {
		parts = append(parts, k+"="+v)
	}
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

func number(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// commands are those that live in a room of their own, joined to this command line.
func commands(g *globals) *fleetcli.CLI {
	return &fleetcli.CLI{
		Dial:   func() (*client.Client, error) { return sdk(g) },
		Format: func() string { return g.output },
		Print: func(w io.Writer, m proto.Message, human func() fleetcli.Table) error {
			return g.print(w, m, func() table { return asTable(human()) })
		},
		PrintJSON: g.printJSON,
		Report:    report,
		Args:      exactArgs,
		Accounts: func(accounts ...*v1.Account) fleetcli.Table {
			t := accountTable(accounts...)
			return fleetcli.Table{Header: t.header, Rows: t.rows}
		},
	}
}

func asTable(t fleetcli.Table) table { return table{t.Header, t.Rows} }
