package eventcli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newWebhook(g *cli) *cobra.Command {
	// pause and resume read first, and lead to one state however often they are given.
	return fleetcli.TakeRequestIDs(group("webhook", "Events posted to URLs", "add, list, get, test, log, replay, rotate, enable, pause, resume, dead-letters, redeliver or delete",
		newWebhookAdd(g), newWebhookList(g),
		g.verb("get NAME", "Show a webhook", "webhook get audit", func(cmd *cobra.Command, c *client.Client, name string) error {
			w, err := c.GetWebhook(cmd.Context(), name)
			return g.printWebhook(cmd, w, err)
		}),
		newWebhookTest(g), newWebhookLog(g),
		newReplay(g, "webhook replay audit --from 1h", (*client.Client).ReplayWebhook),
		newWebhookRotate(g),
		g.verb("enable NAME", "Go on with a webhook that the answer 410 disabled", "webhook enable audit",
			func(cmd *cobra.Command, c *client.Client, name string) error {
				w, err := c.EnableWebhook(cmd.Context(), name)
				return g.printWebhook(cmd, w, err)
			}),
		newWebhookPause(g, "pause", "Stop posting; the place is kept", true),
		newWebhookPause(g, "resume", "Post again", false),
		newDead(g, "webhook", true), newRedeliver(g, "webhook", (*client.Client).RedeliverWebhook),
		g.verb("delete NAME", "Remove a webhook with its place, secrets and dead letters", "webhook delete audit",
			func(cmd *cobra.Command, c *client.Client, name string) error {
				if err := c.DeleteWebhook(cmd.Context(), name); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "webhook %s deleted\n", name)
				return err
			}),
	), "list", "get", "log", "dead-letters", "pause", "resume")
}

func newWebhookAdd(g *cli) *cobra.Command {
	spec := &v1.WebhookSpec{Select: &v1.EventSelector{}}
	var timeout time.Duration
	cmd := g.verb("add NAME --url URL", "Add a webhook and print its secret, once",
		"webhook add audit --url https://example.com/hook --type 'message_*'",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			if spec.GetUrl() == "" {
				return fleetcli.Usage(errors.New("--url is missing"), "for example --url https://example.com/hook")
			}
			if timeout != 0 {
				spec.Timeout = durationpb.New(timeout)
			}
			w, secret, err := c.CreateWebhook(cmd.Context(), name, spec)
			if err != nil {
				return err
			}
			return g.printSecret(cmd, &v1.CreateWebhookReply{Webhook: w, Secret: secret}, name, secret)
		})
	selectFlags(cmd, spec.Select, &spec.From, &spec.Raw)
	cmd.Flags().StringVar(&spec.Url, "url", "", "where to post")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long an answer may take (default 15s)")
	cmd.Flags().Int32Var(&spec.Concurrency, "concurrency", 0, "how many posts may run at a time (default 8)")
	cmd.Flags().Int32Var(&spec.MaxDeliver, "max-deliver", 0, "after how many attempts an event is given up (default never)")
	cmd.Flags().BoolVar(&spec.Paused, "paused", false, "post nothing yet")
	return cmd
}

// printSecret shows a secret to whoever asked for it.
func (g *cli) printSecret(cmd *cobra.Command, m proto.Message, name, secret string) error {
	return g.Print(cmd.OutOrStdout(), m, func() fleetcli.Table {
		return fleetcli.Table{Header: []string{"WEBHOOK", "SECRET (not shown again)"}, Rows: [][]string{{name, secret}}}
	})
}

func (g *cli) printWebhook(cmd *cobra.Command, w *v1.Webhook, err error) error {
	if err != nil {
		return err
	}
	return g.Print(cmd.OutOrStdout(), w, func() fleetcli.Table { return webhookTable(w) })
}

func webhookTable(list ...*v1.Webhook) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"WEBHOOK", "URL", "SELECTS", "STATE", "NODE", "CURSOR", "LAG", "BEHIND"}}
	for _, w := range list {
		state := "active"
		switch {
		case w.GetDisabled() != "":
			state = "disabled: " + w.GetDisabled()
		case w.GetSpec().GetPaused():
			state = "paused"
		}
		row := []string{w.GetName(), w.GetSpec().GetUrl(), selectText(w.GetSpec().GetSelect()), state}
		t.Rows = append(t.Rows, append(row, statusRow(w.GetStatus())...))
	}
	return t
}

func newWebhookList(g *cli) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the webhooks", Args: g.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.With(func(c *client.Client) error {
				list, err := c.Webhooks(cmd.Context())
				if err != nil {
					return err
				}
				return g.Print(cmd.OutOrStdout(), &v1.ListWebhooksReply{Webhooks: list}, func() fleetcli.Table { return webhookTable(list...) })
			})
		},
	}
}

func newWebhookTest(g *cli) *cobra.Command {
	return g.verb("test NAME", "Post an event of type test and show how that ended", "webhook test audit",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			a, err := c.TestWebhook(cmd.Context(), name)
			if err != nil {
				return err
			}
			if err := g.Print(cmd.OutOrStdout(), a, func() fleetcli.Table { return attemptTable(a) }); err != nil {
				return err
			}
			if a.GetError() != "" {
				return fleetcli.ErrFailed // the table says what
			}
			return nil
		})
}

func newWebhookLog(g *cli) *cobra.Command {
	var limit int
	cmd := g.verb("log NAME", "Show the latest attempts, the newest first", "webhook log audit -n 20",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			list, err := c.WebhookDeliveries(cmd.Context(), name, limit)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.ListDeliveriesReply{Attempts: list}, func() fleetcli.Table { return attemptTable(list...) })
		})
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "how many, at most 500 (default 100)")
	return cmd
}

func attemptTable(list ...*v1.DeliveryAttempt) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"TIME", "ACCOUNT", "TYPE", "CURSOR", "ATTEMPT", "STATUS", "TOOK", "ERROR", "ID"}}
	for _, a := range list {
		status := "-"
		if a.GetStatus() != 0 {
			status = strconv.Itoa(int(a.GetStatus()))
		}
		t.Rows = append(t.Rows, []string{
			clock(a.GetTime()), dash(a.GetAccount()), a.GetKind(), dash(a.GetCursor()), strconv.Itoa(int(a.GetAttempt())), status,
			a.GetTook().AsDuration().Round(time.Millisecond).String(), dash(a.GetError()), a.GetWebhookId(),
		})
	}
	return t
}

func newWebhookRotate(g *cli) *cobra.Command {
	var keep time.Duration
	cmd := g.verb("rotate NAME", "Make a new secret and print it, once", "webhook rotate audit --keep 24h",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			w, secret, err := c.RotateWebhookSecret(cmd.Context(), name, keep)
			if err != nil {
				return err
			}
			return g.printSecret(cmd, &v1.RotateWebhookSecretReply{Webhook: w, Secret: secret}, name, secret)
		})
	cmd.Flags().DurationVar(&keep, "keep", 24*time.Hour, "how long posts are signed with the former secrets, too")
	return cmd
}

func newWebhookPause(g *cli, verb, short string, paused bool) *cobra.Command {
	return g.verb(verb+" NAME", short, "webhook "+verb+" audit", func(cmd *cobra.Command, c *client.Client, name string) error {
		w, err := c.GetWebhook(cmd.Context(), name)
		if err != nil {
			return err
		}
		w.Spec.Paused = paused
		w, err = c.UpdateWebhook(cmd.Context(), w)
		return g.printWebhook(cmd, w, err)
	})
}

// newReplay moves the place of a consumer or webhook.
func newReplay(g *cli, example string, replay func(*client.Client, context.Context, string, *v1.ReplayPoint) (string, error)) *cobra.Command {
	var from string
	cmd := g.verb("replay NAME --from PLACE", "Begin again at a place, whatever was settled", example,
		func(cmd *cobra.Command, c *client.Client, name string) error {
			point, err := pointOf(from, time.Now())
			if err != nil {
				return err
			}
			cursor, err := replay(c, cmd.Context(), name, point)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s goes on behind %s\n", name, cursor)
			return err
		})
	cmd.Flags().StringVar(&from, "from", "", "begin, the cursor of an event, a time (RFC 3339), or how long ago (1h)")
	return cmd
}
