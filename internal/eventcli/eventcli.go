// Package eventcli holds the commands of consumers and webhooks; the program's own file joins them
// to its streams, its output and its servers.
//
// # Usage
//
//	root.AddCommand(eventcli.Commands(cli, printEvent)...)
//
// # Errors
//
// As those of package fleetcli.
package eventcli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// cli is what the commands need.
type cli struct {
	*fleetcli.CLI
	event func(w io.Writer, e *v1.Event) error
}

// Commands are the top-level commands; event prints one event in the chosen format.
func Commands(c *fleetcli.CLI, event func(w io.Writer, e *v1.Event) error) []*cobra.Command {
	g := &cli{c, event}
	return []*cobra.Command{newConsumer(g), newWebhook(g)}
}

// group is a command that only holds others.
func group(name, short, verbs string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fleetcli.Usage(fmt.Errorf("unknown command %q for orchestrator %s", args[0], name), "use "+verbs)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// verb is a command that does something with one named resource.
func (g *cli) verb(use, short, example string, run func(cmd *cobra.Command, c *client.Client, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: "  orchestrator " + example, Args: g.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.With(func(c *client.Client) error { return run(cmd, c, args[0]) })
		},
	}
}

// selectFlags are those that say which events are wanted.
func selectFlags(cmd *cobra.Command, s *v1.EventSelector, from *string, raw *bool) {
	cmd.Flags().StringSliceVar(&s.Accounts, "account", nil, "only events of this account, may be repeated")
	cmd.Flags().StringVarP(&s.Selector, "selector", "l", "", "only events of accounts whose labels match, such as team=support")
	cmd.Flags().StringSliceVar(&s.Kinds, "type", nil, "only events of this type, such as message_new or message_*")
	cmd.Flags().StringVar(from, "from", "", "begin, or the cursor of an event; by default what happens from now on")
	cmd.Flags().BoolVar(raw, "raw", false, "with the bytes and JSON of every update")
}

// pointOf reads --from of a replay: begin, a cursor, a time, or how long ago.
func pointOf(text string, now time.Time) (*v1.ReplayPoint, error) {
	if text == "" {
		return nil, fleetcli.Usage(fmt.Errorf("--from is missing"), "for example --from begin, --from 1h or --from 2026-01-31T12:00:00Z")
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return client.ReplayTime(now.Add(-d)), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return client.ReplayTime(at), nil
	}
	epoch, seq, ok := strings.Cut(text, "-")
	_, err1 := strconv.ParseUint(epoch, 10, 64)
	_, err2 := strconv.ParseUint(seq, 10, 64)
	if text == client.Begin || ok && err1 == nil && err2 == nil {
		return client.ReplayPosition(text), nil
	}
	return nil, fleetcli.Usage(fmt.Errorf("--from: must be begin, a cursor, a time or how long ago (got %q)", text), "for example --from 1h or --from 2026-01-31T12:00:00Z")
}

func statusRow(s *v1.ConsumerStatus) []string {
	return []string{dash(s.GetNode()), dash(s.GetCursor()), strconv.FormatInt(s.GetLag(), 10), strconv.Itoa(int(s.GetBehind()))}
}

func selectText(s *v1.EventSelector) string {
	var parts []string
	for _, p := range []string{strings.Join(s.GetAccounts(), ","), s.GetSelector(), strings.Join(s.GetKinds(), ",")} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, "; ")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func clock(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().Local().Format(time.DateTime)
}
