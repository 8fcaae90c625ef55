package chatcli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/internal/fleetcli"
	"github.com/telefleet/orchestrator/telegram/rawjson"
)

// shownNames bounds a list of names that begin alike.
const shownNames = 2000

func newSchema(g *cli) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "schema [NAME]",
		Short: "Browse Telegram's schema: methods, types, fields",
		Long: `Browse the schema that call knows. NAME is a method, constructor or type, or how some begin, such
as messages. (with the dot). Without NAME all methods are listed. No node is needed.`,
		Example: "  orchestrator schema messages.sendMessage\n  orchestrator schema messages.\n  orchestrator schema InputPeer",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fleetcli.Usage(fmt.Errorf("%d arguments given, at most 1 wanted", len(args)), "usage: "+cmd.UseLine())
			}
			switch kind {
			case "", "method", "constructor", "type":
				return nil
			}
			return fleetcli.Usage(fmt.Errorf("--kind: must be method, constructor or type (got %q)", kind), "leave it out for methods")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if d, ok := rawjson.Describe(args[0]); ok {
					return g.definition(cmd, d)
				}
			} else {
				args = []string{""}
			}
			if kind == "" && args[0] == "" {
				kind = "method"
			}
			return g.names(cmd, args[0], kind)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "list only these: method, constructor or type")
	return cmd
}

// names lists the names that begin with prefix.
func (g *cli) names(cmd *cobra.Command, prefix, kind string) error {
	var found []string
	for _, name := range rawjson.Names(kind) {
		if strings.HasPrefix(strings.ToLower(name), strings.ToLower(prefix)) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		hint := "orchestrator schema lists all methods"
		if near := rawjson.Nearest(prefix, 5); len(near) > 0 {
			hint = "near it: " + strings.Join(near, ", ")
		}
		return fleetcli.Usage(fmt.Errorf("NAME: the schema has nothing of this name (got %q)", prefix), hint)
	}
	found = found[:min(len(found), shownNames)]
	if g.Format() != "table" {
		b, err := json.Marshal(found)
		if err != nil {
			return err
		}
		return g.PrintJSON(cmd.OutOrStdout(), b)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(found, "\n"))
	return err
}

// definition shows one entry of the schema.
func (g *cli) definition(cmd *cobra.Command, d rawjson.Definition) error {
	if g.Format() != "table" {
		b, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return g.PrintJSON(cmd.OutOrStdout(), b)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", d.Kind, d.Name)
	if d.ID != 0 {
		fmt.Fprintf(&b, "#%x", d.ID)
	}
	if d.Result != "" {
		fmt.Fprintf(&b, " = %s", d.Result)
	}
	width := 0
	for _, f := range d.Fields {
		width = max(width, len(f.Name))
	}
	for _, f := range d.Fields {
		optional := ""
		if f.Optional {
			optional = "  (may be left out)"
		}
		fmt.Fprintf(&b, "\n  %-*s  %s%s", width, f.Name, f.Type, optional)
	}
	for _, name := range d.Constructors {
		fmt.Fprintf(&b, "\n  %s", name)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), b.String())
	return err
}
