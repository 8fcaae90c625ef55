package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/chatcli"
)

func newEvents(g *globals) *cobra.Command {
	var follow bool
	o := client.EventOptions{Window: -1} // as they are in the log
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened to the accounts",
		Long: `Show the events of the fleet. Without -f it prints what is retained and ends; with -f it
waits for more, from now on unless --from says otherwise, and goes on by itself when a node stops.
-o json prints one event a line.`,
		Example: "  orchestrator events -f --account support-1\n  orchestrator events --from begin --type 'message_*' -o json",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.UntilNow = !follow
			if !follow && o.From == "" {
				o.From = client.Begin
			}
			o.Interrupted = func(err error) {
				fmt.Fprintf(cmd.ErrOrStderr(), "orchestrator: the stream broke and goes on where it was: %s\n", err)
			}
			c, err := sdk(g)
			if err != nil {
				return err
			}
			defer c.Close()
			for event, err := range c.Events(cmd.Context(), o) {
				if follow && cmd.Context().Err() != nil {
					return nil // Ctrl-C is how a follower ends
				}
				if err != nil {
					return err
				}
				if err := g.printEvent(cmd.OutOrStdout(), event); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "wait for further events")
	cmd.Flags().StringSliceVar(&o.Accounts, "account", nil, "only events of this account, may be repeated")
	cmd.Flags().StringVarP(&o.Selector, "selector", "l", "", "only events of accounts whose labels match, such as team=support")
	cmd.Flags().StringSliceVar(&o.Kinds, "type", nil, "only events of this type, such as message_new or message_*")
	cmd.Flags().StringVar(&o.From, "from", "", "begin, or the cursor of the last event seen")
	cmd.Flags().BoolVar(&o.Raw, "raw", false, "with the bytes and JSON of every update")
	return cmd
}

func (g *globals) printEvent(w io.Writer, e *v1.Event) error {
	if g.output == "table" {
		_, err := fmt.Fprintln(w, chatcli.EventLine(e))
		return err
	}
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if g.output == "yaml" {
		if _, err := fmt.Fprintln(w, "---"); err != nil {
			return err
		}
		return g.printJSON(w, b)
	}
	_, err = fmt.Fprintln(w, compactJSON(b))
	return err
}
