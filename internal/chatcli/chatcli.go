// Package chatcli holds the commands that do what a person does with an account: send, read, call. The
// program's own file joins them to its streams, its output and its servers.
//
// # Usage
//
//	root.AddCommand(chatcli.Commands(cli)...)
//
// A new verb is a function that makes its command, and its name in Commands. account connects it to the
// API for the account that its first argument names.
//
// # Errors
//
// As those of package fleetcli.
package chatcli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// cli is what the commands need.
type cli struct{ *fleetcli.CLI }

// Commands are the top-level commands.
func Commands(c *fleetcli.CLI) []*cobra.Command {
	g := &cli{c}
	return append(
		append(g.chatCommands(), g.dialogCommands()...), newMe(g), newResolve(g), newSend(g), newEdit(g), newForward(g), newDelete(g), newMessages(g), newHistory(g),
		newUpload(g), newDownload(g), newPhotos(g), newPin(g), newUnpin(g), newPinned(g), newReact(g), newTyping(g), newScheduled(g), newCall(g), newSchema(g), newBot(g), newBatch(g),
	)
}

// account makes a command of one account: run gets the account, which the first argument names, and
// the other arguments.
func (g *cli) account(run func(cmd *cobra.Command, a *client.Account, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return g.With(func(c *client.Client) error { return run(cmd, c.Account(args[0]), args[1:]) })
	}
}

func messageTable(messages ...*v1.Message) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"ID", "TIME", "FROM", "TEXT"}}
	for _, m := range messages {
		t.Rows = append(t.Rows, []string{
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

func peerName(p *v1.Peer) string {
	switch {
	case p.GetUsername() != "":
		return "@" + p.GetUsername()
	case p.GetTitle() != "":
		return oneLine(p.GetTitle(), 30)
	}
	return fmt.Sprint(p.GetId())
}

// printable keeps text of others from breaking lines or the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}

// oneLine is printable text, cut off.
func oneLine(s string, limit int) string {
	s = printable(s)
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}
