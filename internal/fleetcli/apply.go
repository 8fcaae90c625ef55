package fleetcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/accountfile"
)

const accountFileHelp = `
A file holds accounts, divided by lines of ---; each has an id, and labels and spec where they
are to be changed:

  id: support-1
  labels: {team: support}
  spec: {paused: false}

Labels and spec that are given replace the former ones as a whole.`

func newApply(g *CLI) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "apply -f FILE",
		Short:   "Create and change accounts as files say",
		Long:    "Create and change accounts as a file says; what is so already is left alone." + accountFileHelp,
		Example: "  orchestrator apply -f accounts.yaml\n  orchestrator apply -f - < accounts.yaml",
		Args:    g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			accounts, err := readAccounts(cmd, file)
			if err != nil {
				return err
			}
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			outcomes := make([]string, len(accounts))
			ids := make([]string, len(accounts))
			for i, a := range accounts {
				ids[i] = a.ID
			}
			failed := g.each(cmd, ids, func(i int, _ string) (err error) {
				outcomes[i], err = apply(cmd.Context(), c, accounts[i])
				return err
			})
			for i, outcome := range outcomes {
				if outcome != "" {
					if err := g.printOutcome(cmd.OutOrStdout(), ids[i], outcome); err != nil {
						return err
					}
				}
			}
			return failed
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file of accounts, - = standard input")
	return cmd
}

// apply makes one account as it should be and tells what was done.
func apply(ctx context.Context, c *client.Client, want accountfile.Account) (string, error) {
	have, err := lookUp(ctx, c, want.ID)
	if err != nil {
		return "", err
	}
	if have == nil {
		_, err := c.CreateAccount(ctx, &v1.Account{Id: want.ID, Labels: want.Labels, Spec: want.Spec})
		return "created", err
	}
	if len(want.Compare(have)) == 0 {
		return "unchanged", nil
	}
	_, err = c.Account(want.ID).Update(ctx, func(a *v1.Account) error {
		if want.Labels != nil {
			a.Labels = want.Labels
		}
		if want.Spec != nil {
			a.Spec = want.Spec
		}
		return nil
	}, want.Paths()...)
	return "updated", err
}

// lookUp reads an account; nil when there is none.
func lookUp(ctx context.Context, c *client.Client, id string) (*v1.Account, error) {
	a, err := c.GetAccount(ctx, id)
	if errors.Is(err, client.Reason("ACCOUNT_UNKNOWN")) {
		return nil, nil
	}
	return a, err
}

func newDiff(g *CLI) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "diff -f FILE",
		Short:   "Show what apply would change",
		Long:    "Show what apply would change. Exit code 0: nothing; 1: something." + accountFileHelp,
		Example: "  orchestrator diff -f accounts.yaml",
		Args:    g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			accounts, err := readAccounts(cmd, file)
			if err != nil {
				return err
			}
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			differs := false
			for _, want := range accounts {
				have, err := lookUp(cmd.Context(), c, want.ID)
				if err != nil {
					return err
				}
				changes := want.Compare(have)
				if have != nil && len(changes) == 0 {
					continue
				}
				differs = true
				printDiff(cmd.OutOrStdout(), want.ID, have == nil, changes)
			}
			if differs {
				return ErrFailed
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file of accounts, - = standard input")
	return cmd
}

func printDiff(w io.Writer, id string, created bool, changes []accountfile.Change) {
	what := "would be changed"
	if created {
		what = "would be created"
	}
	fmt.Fprintf(w, "account %s %s\n", id, what)
	for _, c := range changes {
		if c.From != "" {
			fmt.Fprintf(w, "- %s: %s\n", c.Field, c.From)
		}
		if c.To != "" {
			fmt.Fprintf(w, "+ %s: %s\n", c.Field, c.To)
		}
	}
}

func readAccounts(cmd *cobra.Command, file string) ([]accountfile.Account, error) {
	in, name := cmd.InOrStdin(), "standard input"
	switch file {
	case "":
		return nil, usageError{errors.New("--file is missing"), "usage: " + cmd.UseLine()}
	case "-":
	default:
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		defer f.Close()
		in, name = f, file
	}
	accounts, err := accountfile.Read(name, in)
	var wrong *accountfile.Problem
	if errors.As(err, &wrong) {
		return nil, usageError{err, "see `" + cmd.CommandPath() + " --help` for the form; nothing was done"}
	}
	return accounts, err
}
