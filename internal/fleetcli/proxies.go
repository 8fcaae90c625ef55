package fleetcli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
)

const linkHelp = `
A LINK is one of tg://proxy?server=..&port=..&secret=.., tg://socks?.., https://t.me/proxy?..,
https://t.me/socks?.., socks5://user:password@host:port, http://user:password@host:port. It may
hold secrets, which others on this machine see on a command line: @FILE reads links from a file, one
a line, and - from standard input.`

func newProxies(g *CLI) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "proxy",
		Short: "Keep pools of proxies for the accounts",
		Long:  "Keep pools of proxies. An account uses one by spec.proxy: pool:NAME, or account add --proxy pool:NAME." + linkHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for orchestrator proxy", args[0]), "see `orchestrator proxy --help` for the commands"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProxyAdd(g), newProxySet(g), newProxyList(g), newProxyGet(g), newProxyDelete(g), newProxyTest(g))
	return TakeRequestIDs(cmd, "list", "get", "delete", "test")
}

// AtLeast wants the named arguments and any number more of the last one.
func AtLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageError{fmt.Errorf("%s is missing", names[len(args)]), "usage: " + cmd.UseLine()}
		}
		return nil
	}
}

// ReadLinks replaces @FILE and - by the lines that they hold.
func ReadLinks(cmd *cobra.Command, args []string) ([]string, error) {
	var links []string
	for _, arg := range args {
		in := cmd.InOrStdin()
		if name, ok := strings.CutPrefix(arg, "@"); ok {
			f, err := os.Open(name)
			if err != nil {
				return nil, fmt.Errorf("read links: %w", err)
			}
			defer f.Close()
			in = f
		} else if arg != "-" {
			links = append(links, arg)
			continue
		}
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
				links = append(links, line)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read links: %w", err)
		}
	}
	if len(links) == 0 {
		return nil, usageError{errors.New("LINK is missing: the file is empty"), "give one link a line"}
	}
	return links, nil
}

func membersOf(cmd *cobra.Command, args []string) ([]*v1.ProxyMember, error) {
	links, err := ReadLinks(cmd, args)
	members := make([]*v1.ProxyMember, len(links))
	for i, link := range links {
		members[i] = client.ProxyLink(link)
	}
	return members, err
}

func newProxyAdd(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:     "add NAME LINK...",
		Short:   "Add a pool of proxies",
		Long:    "Add a pool of one proxy or several that are as good as each other." + linkHelp,
		Example: "  orchestrator proxy add de 'tg://socks?server=proxy.example&port=1080&user=u&pass=p'\n  orchestrator proxy add de @links.txt",
		Args:    AtLeast("NAME", "LINK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withMembers(cmd, args, func(c *client.Client, members []*v1.ProxyMember) (*v1.Proxy, error) {
				return c.CreateProxy(cmd.Context(), args[0], members...)
			})
		},
	}
}

func newProxySet(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME LINK...",
		Short: "Replace the members of a pool",
		Long: "Replace the members of a pool. A link as `proxy get` shows it stands for the member that is there. Accounts\nwhose member is gone connect again by another one." +
			linkHelp,
		Args: AtLeast("NAME", "LINK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withMembers(cmd, args, func(c *client.Client, members []*v1.ProxyMember) (*v1.Proxy, error) {
				return c.UpdateProxy(cmd.Context(), args[0], "", members...)
			})
		},
	}
}

func (g *CLI) withMembers(cmd *cobra.Command, args []string, do func(*client.Client, []*v1.ProxyMember) (*v1.Proxy, error)) error {
	members, err := membersOf(cmd, args[1:])
	if err != nil {
		return err
	}
	c, err := g.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := do(c, members)
	if err != nil {
		return err
	}
	return g.Print(cmd.OutOrStdout(), p, func() Table { return membersTable(p) })
}

func newProxyList(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the pools of proxies",
		Args:  g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Proxies(cmd.Context())
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.ListProxiesReply{Proxies: list}, func() Table {
				t := Table{Header: []string{"PROXY", "MEMBERS", "ACCOUNTS", "CREATED"}}
				for _, p := range list {
					t.Rows = append(t.Rows, []string{
						p.GetName(), strconv.Itoa(len(p.GetMembers())), strconv.Itoa(int(p.GetAccounts())),
						p.GetCreateTime().AsTime().Local().Format(time.DateTime),
					})
				}
				return t
			})
		},
	}
}

func newProxyGet(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:   "get NAME",
		Short: "Show the members of a pool, without their secrets",
		Args:  g.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			p, err := c.GetProxy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), p, func() Table { return membersTable(p) })
		},
	}
}

func membersTable(p *v1.Proxy) Table {
	t := Table{Header: []string{"PROXY", "KIND", "HOST", "PORT", "LINK"}}
	for _, m := range p.GetMembers() {
		t.Rows = append(t.Rows, []string{p.GetName(), m.GetKind(), m.GetHost(), strconv.Itoa(int(m.GetPort())), m.GetLink()})
	}
	return t
}

func newProxyDelete(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete pools that no account uses",
		Args:  AtLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			return g.each(cmd, args, func(_ int, name string) error {
				if err := c.DeleteProxy(cmd.Context(), name); err != nil {
					return err
				}
				if g.Format() != "table" {
					return g.PrintJSON(cmd.OutOrStdout(), fmt.Appendf(nil, `{"name":%q,"outcome":"deleted"}`, name))
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "proxy %s: deleted\n", name)
				return err
			})
		},
	}
}

func newProxyTest(g *CLI) *cobra.Command {
	var dc int
	cmd := &cobra.Command{
		Use:   "test NAME|LINK",
		Short: "Try whether Telegram answers through each member of a pool, or through a link",
		Long: `Try a pool, or a proxy that is stored nowhere, from the node that takes the call: it connects to a DC
of Telegram and begins a key exchange. Exit code 1 if one of them fails.` + linkHelp,
		Example: "  orchestrator proxy test de\n  orchestrator proxy test 'socks5://127.0.0.1:1080'",
		Args:    g.Args("NAME|LINK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, member := args[0], (*v1.ProxyMember)(nil)
			if strings.ContainsAny(name, ":/?@") || name == "-" {
				members, err := membersOf(cmd, args)
				if err != nil {
					return err
				}
				name, member = "", members[0]
			}
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			results, err := c.TestProxy(cmd.Context(), name, member, dc)
			if err != nil {
				return err
			}
			return g.printTests(cmd, results)
		},
	}
	cmd.Flags().IntVar(&dc, "dc", 0, "DC to reach; 0 = the node's default")
	return cmd
}

func (g *CLI) printTests(cmd *cobra.Command, results []*v1.ProxyTest) error {
	err := g.Print(cmd.OutOrStdout(), &v1.TestProxyReply{Results: results}, func() Table {
		t := Table{Header: []string{"LINK", "WORKS", "LATENCY", "REASON", "MESSAGE"}}
		for _, r := range results {
			works, latency := "no", "-"
			if r.GetOk() {
				works, latency = "yes", r.GetLatency().AsDuration().Round(time.Millisecond).String()
			}
			t.Rows = append(t.Rows, []string{r.GetLink(), works, latency, dash(r.GetReason()), dash(r.GetMessage())})
		}
		return t
	})
	if err != nil {
		return err
	}
	for _, r := range results {
		if !r.GetOk() {
			return ErrFailed
		}
	}
	return nil
}
