package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newSend(g *globals) *cobra.Command {
	var reply int32
	var silent bool
	cmd := &cobra.Command{
		Use:     "send ACCOUNT PEER TEXT",
		Short:   "Send a text message",
		Long:    "Send a text message. TEXT may be - to read it from standard input. PEER is me, @name, +phone, a number or a t.me link.",
		Example: "  orchestrator send support-1 @durov 'hello'\n  echo hello | orchestrator send support-1 me -",
		Args:    exactArgs("ACCOUNT", "PEER", "TEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := args[2]
			if text == "-" {
				b, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return fmt.Errorf("read standard input: %w", err)
				}
				text = strings.TrimRight(string(b), "\n")
			}
			c, err := sdk(g)
			if err != nil {
				return err
			}
			defer c.Close()
			var opts []client.SendOption
			if reply != 0 {
				opts = append(opts, client.ReplyTo(reply))
			}
			if silent {
				opts = append(opts, client.Silent())
			}
			sent, err := c.Account(args[0]).SendMessage(cmd.Context(), args[1], client.Text(text), opts...)
			if err != nil {
				return err
			}
			if sent.Repeated {
				fmt.Fprintln(cmd.ErrOrStderr(), "orchestrator: this is the outcome of a former call with the same request id")
			}
			if sent.Message == nil {
				unknown := &v1.SendMessageReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}
				return g.print(cmd.OutOrStdout(), unknown, func() table {
					return table{rows: [][]string{{"the message was sent; which one of the chat it is could not be found out"}}}
				})
			}
			return g.print(cmd.OutOrStdout(), sent.Message, func() table { return messageTable(sent.Message) })
		},
	}
	cmd.Flags().Int32Var(&reply, "reply-to", 0, "id of the message to answer")
	cmd.Flags().BoolVar(&silent, "silent", false, "send without notification")
	return fleetcli.TakesRequestID(cmd)
}

func newHistory(g *globals) *cobra.Command {
	var limit int
	var offset int32
	cmd := &cobra.Command{
		Use:     "history ACCOUNT PEER",
		Short:   "Show the messages of a chat, newest first",
		Example: "  orchestrator history support-1 @durov --limit 20",
		Args:    exactArgs("ACCOUNT", "PEER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := sdk(g)
			if err != nil {
				return err
			}
			defer c.Close()
			page, err := c.Account(args[0]).HistoryPage(cmd.Context(), args[1], offset, limit)
			if err != nil {
				return err
			}
			r := &v1.GetHistoryReply{Messages: page.Messages, Total: int32(page.Total)}
			return g.print(cmd.OutOrStdout(), r, func() table { return messageTable(r.GetMessages()...) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many messages at most")
	cmd.Flags().Int32Var(&offset, "offset-id", 0, "only messages older than this id")
	return cmd
}

func messageTable(messages ...*v1.Message) table {
	t := table{header: []string{"ID", "TIME", "FROM", "TEXT"}}
	for _, m := range messages {
		t.rows = append(t.rows, []string{
			strconv.Itoa(int(m.GetId())), m.GetDate().AsTime().Local().Format("2006-01-02 15:04:05"), senderName(m), messageText(m),
		})
	}
	return t
}

func senderName(m *v1.Message) string {
	if m.GetOut() {
		return "me"
	}
	p := m.GetSender()
	if p == nil {
		p = m.GetPeer()
	}
	switch {
	case p.GetUsername() != "":
		return "@" + p.GetUsername()
	case p.GetTitle() != "":
		return oneLine(p.GetTitle(), 30)
	}
	return strconv.FormatInt(p.GetId(), 10)
}

func messageText(m *v1.Message) string {
	switch {
	case m.GetText() != "":
		return oneLine(m.GetText(), 200)
	case m.GetService() != nil:
		return "(" + m.GetService().GetKind() + ")"
	case m.GetMedia() != nil:
		return "(" + m.GetMedia().GetKind() + ")"
	}
	return ""
}

func newCall(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "call ACCOUNT METHOD [JSON]",
		Short: "Call any method of the Telegram schema",
		Long: `Call any method of the Telegram schema. JSON is checked against the schema: unknown
fields, wrong types and missing fields are named. The answer is JSON.`,
		Example: `  orchestrator call support-1 help.getNearestDc
  orchestrator call support-1 users.getUsers '{"id":[{"_":"inputUserSelf"}]}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return usageError{fmt.Errorf("%d arguments given, 2 or 3 wanted", len(args)), "usage: " + cmd.UseLine()}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			body := "{}"
			if len(args) == 3 {
				body = args[2]
			}
			request, err := withMethod(args[1], body)
			if err != nil {
				return err
			}
			c, err := sdk(g)
			if err != nil {
				return err
			}
			defer c.Close()
			answer, err := c.Account(args[0]).InvokeJSON(cmd.Context(), json.RawMessage(request))
			if err != nil {
				return err
			}
			return g.printJSON(cmd.OutOrStdout(), answer)
		},
	}
	return fleetcli.TakesRequestID(cmd)
}

// withMethod puts the method's name into the JSON of its fields.
func withMethod(method, body string) (string, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		return "", usageError{fmt.Errorf("JSON: must be an object of the method's fields: %w", err), `for example '{"limit":10}'`}
	}
	name, err := json.Marshal(method)
	if err != nil {
		return "", err
	}
	if given, ok := fields["_"]; ok && string(given) != string(name) {
		return "", usageError{fmt.Errorf("JSON: its _ is %s, but METHOD is %s", given, name), "leave _ out"}
	}
	fields["_"] = name
	out, err := json.Marshal(fields)
	return string(out), err
}
