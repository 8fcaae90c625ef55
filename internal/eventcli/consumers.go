package eventcli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newConsumer(g *cli) *cobra.Command {
	return fleetcli.TakeRequestIDs(group("consumer", "Durable places in the event stream", "add, list, get, read, replay, dead-letters, redeliver or delete",
		newConsumerAdd(g), newConsumerList(g),
		g.verb("get NAME", "Show a consumer", "consumer get crm", func(cmd *cobra.Command, c *client.Client, name string) error {
			consumer, err := c.GetConsumer(cmd.Context(), name)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), consumer, func() fleetcli.Table { return consumerTable(consumer) })
		}),
		newConsumerRead(g), newConsumerReplay(g), newDead(g, "consumer", false), newRedeliver(g, "consumer", (*client.Client).RedeliverDeadLetters),
		g.verb("delete NAME", "Remove a consumer with its place and dead letters", "consumer delete crm",
			func(cmd *cobra.Command, c *client.Client, name string) error {
				if err := c.DeleteConsumer(cmd.Context(), name); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "consumer %s deleted\n", name)
				return err
			}),
	), "list", "get", "read", "dead-letters")
}

func newConsumerAdd(g *cli) *cobra.Command {
	spec := &v1.ConsumerSpec{Select: &v1.EventSelector{}}
	var ackWait time.Duration
	cmd := g.verb("add NAME", "Add a consumer", "consumer add crm -l team=sales --type 'message_*'",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			if ackWait != 0 {
				spec.AckWait = durationpb.New(ackWait)
			}
			consumer, err := c.CreateConsumer(cmd.Context(), name, spec)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), consumer, func() fleetcli.Table { return consumerTable(consumer) })
		})
	selectFlags(cmd, spec.Select, &spec.From, &spec.Raw)
	cmd.Flags().DurationVar(&ackWait, "ack-wait", 0, "after how long an event that was not settled comes again (default 30s)")
	cmd.Flags().Int32Var(&spec.MaxDeliver, "max-deliver", 0, "after how many deliveries an event is given up (default never)")
	cmd.Flags().Int32Var(&spec.MaxInFlight, "max-in-flight", 0, "how many events it may hold (default 256)")
	cmd.Flags().Int32Var(&spec.MaxPerAccount, "max-per-account", 0, "the same of one account (default 32)")
	return cmd
}

func consumerTable(consumers ...*v1.Consumer) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"CONSUMER", "SELECTS", "NODE", "CURSOR", "LAG", "BEHIND"}}
	for _, c := range consumers {
		t.Rows = append(t.Rows, append([]string{c.GetName(), selectText(c.GetSpec().GetSelect())}, statusRow(c.GetStatus())...))
	}
	return t
}

func newConsumerList(g *cli) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the consumers", Args: g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.With(func(c *client.Client) error {
				list, err := c.Consumers(cmd.Context())
				if err != nil {
					return err
				}
				return g.Print(cmd.OutOrStdout(), &v1.ListConsumersReply{Consumers: list}, func() fleetcli.Table { return consumerTable(list...) })
			})
		},
	}
}

func newConsumerRead(g *cli) *cobra.Command {
	var settle bool
	var limit int
	cmd := g.verb("read NAME", "Show the events of a consumer as they come, until Ctrl-C", "consumer read crm --ack -n 10",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			n := 0
			for d, err := range c.Consume(cmd.Context(), name, client.ConsumeOptions{Batch: 1}) {
				if err != nil && cmd.Context().Err() != nil {
					return nil // Ctrl-C is how a reader ends
				}
				if err != nil {
					return err
				}
				if err := g.event(cmd.OutOrStdout(), d.Event); err != nil {
					return err
				}
				if settle {
					if err := d.Ack(cmd.Context()); err != nil {
						return err
					}
				}
				if n++; n == limit {
					return nil
				}
			}
			return nil
		})
	cmd.Long = "Show the events of a consumer as they come, until Ctrl-C. Without --ack they come again later."
	cmd.Flags().BoolVar(&settle, "ack", false, "settle each event once it is shown")
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "end after this many events")
	return cmd
}

func newConsumerReplay(g *cli) *cobra.Command {
	return newReplay(g, "consumer replay crm --from 1h", (*client.Client).ReplayConsumer)
}

// newDead shows dead letters.
func newDead(g *cli, what string, webhook bool) *cobra.Command {
	var limit int
	cmd := g.verb("dead-letters NAME", "Show the events that were given up", what+" dead-letters crm",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			if limit < 0 {
				return fleetcli.Usage(errors.New("--limit must not be negative"), "leave it out for 100")
			}
			events, err := c.DeadLetters(cmd.Context(), name, webhook, limit)
			if err != nil {
				return err
			}
			for _, e := range events {
				if err := g.event(cmd.OutOrStdout(), e); err != nil {
					return err
				}
			}
			return nil
		})
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "how many, the oldest first (default 100)")
	return cmd
}

// newRedeliver puts dead letters back.
func newRedeliver(g *cli, what string, redeliver func(*client.Client, context.Context, string, string, int) (int, error)) *cobra.Command {
	var limit int
	var account string
	cmd := g.verb("redeliver NAME", "Put events back that were given up", what+" redeliver crm --account support-1",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			n, err := redeliver(c, cmd.Context(), name, account, limit)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d events of %s come again\n", n, name)
			return err
		})
	cmd.Long = `Put events back that were given up. They come before what is left of their account, in their order and one
at a time, but behind what was settled meanwhile. One that is given up again stays a dead letter.`
	cmd.Flags().StringVar(&account, "account", "", "only those of this account")
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "how many, the oldest first (default 100)")
	return cmd
}
