package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/internal/contexts"
)

const envConfig = "ORCHESTRATOR_CONFIG"

// contextFile is where the contexts are kept.
func contextFile() string {
	if path := os.Getenv(envConfig); path != "" {
		return path
	}
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, "orchestrator", "config.yaml")
	}
	return ""
}

// useContext fills in what the command line and the environment leave open. Who names a server
// means that one, and gets no token of another cluster.
func (g *globals) useContext() error {
	g.token = os.Getenv(envToken)
	if !g.contexts || g.context == "" && (g.named || os.Getenv(envServer) != "") {
		return nil
	}
	if g.context != "" && g.named {
		return usageError{fmt.Errorf("--context and --server exclude each other"), "leave one of them out"}
	}
	f, err := contexts.Load(contextFile())
	if err != nil {
		return usageError{err, "correct the file, or name another one by " + envConfig}
	}
	c, err := f.Choose(g.context)
	if err != nil {
		return usageError{err, "see `orchestrator context list`"}
	}
	if c == nil {
		return nil
	}
	g.server = strings.Join(c.Servers, ",")
	if g.caFile == "" {
		g.caFile = c.CAFile
	}
	if g.token == "" && c.TokenFile != "" {
		b, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return fmt.Errorf("token_file: %w", err)
		}
		g.token = strings.TrimSpace(string(b))
	}
	return nil
}

func newContext() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "List the clusters that you know, and choose one",
		Long: `List the clusters that you know, and choose one. They are kept in a file, ` + envConfig + ` or
~/.config/orchestrator/config.yaml:

  current: production
  contexts:
    production:
      servers: ["https://n1:8420", "https://n2:8420"]
      token_file: /home/me/.config/orchestrator/token
      ca_file: /home/me/.config/orchestrator/ca.crt`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	load := func(run func(*cobra.Command, contexts.File, []string) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			f, err := contexts.Load(contextFile())
			if err != nil {
				return usageError{err, "correct the file, or name another one by " + envConfig}
			}
			return run(cmd, f, args)
		}
	}
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "List the contexts; * is the current one", Args: exactArgs(),
		RunE: load(func(cmd *cobra.Command, f contexts.File, _ []string) error {
			t := table{header: []string{"CURRENT", "NAME", "SERVERS"}}
			for _, name := range f.Names() {
				mark := ""
				if name == f.Current {
					mark = "*"
				}
				t.rows = append(t.rows, []string{mark, name, strings.Join(f.Contexts[name].Servers, ",")})
			}
			return t.write(cmd.OutOrStdout())
		}),
	}, &cobra.Command{
		Use: "use NAME", Short: "Make a context the current one", Args: exactArgs("NAME"),
		RunE: load(func(_ *cobra.Command, f contexts.File, args []string) error {
			if _, err := f.Choose(args[0]); err != nil {
				return usageError{err, "see `orchestrator context list`"}
			}
			f.Current = args[0]
			return f.Save(contextFile())
		}),
	}, &cobra.Command{
		Use: "show", Short: "Print the name of the current context", Args: exactArgs(),
		RunE: load(func(cmd *cobra.Command, f contexts.File, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), dash(f.Current))
			return err
		}),
	})
	return cmd
}
