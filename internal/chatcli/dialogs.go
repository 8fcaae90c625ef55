package chatcli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// dialogCommands are those of the list of chats and of search.
func (g *cli) dialogCommands() []*cobra.Command {
	return []*cobra.Command{newDialogs(g), newSearch(g), newRead(g), newClearMentions(g), newDeleteDialog(g)}
}

func newDialogs(g *cli) *cobra.Command {
	var archive bool
	var limit int
	cmd := &cobra.Command{
		Use:     "dialogs ACCOUNT",
		Short:   "List the chats of an account",
		Example: "  orchestrator dialogs support-1 --limit 20\n  orchestrator dialogs support-1 --archive -o json",
		Args:    g.Args("ACCOUNT"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, _ []string) error {
			folder := client.MainList
			if archive {
				folder = client.Archive
			}
			out := &v1.GetDialogsReply{}
			for d, err := range a.Dialogs(cmd.Context(), folder) {
				if err != nil {
					return err
				}
				out.Total = int32(d.Total)
				if out.Dialogs = append(out.Dialogs, d.Item); limit > 0 && len(out.Dialogs) >= limit {
					break
				}
			}
			return g.Print(cmd.OutOrStdout(), out, func() fleetcli.Table { return dialogTable(out.GetDialogs()...) })
		}),
	}
	cmd.Flags().BoolVar(&archive, "archive", false, "the archived chats")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many chats at most; 0 = all")
	return cmd
}

func dialogTable(dialogs ...*v1.Dialog) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"ID", "CHAT", "UNREAD", "MENTIONS", "PINNED", "LAST", "TEXT"}}
	for _, d := range dialogs {
		last, text := "", ""
		if m := d.GetTopMessage(); m != nil {
			last, text = m.GetDate().AsTime().Local().Format(time.DateTime), oneLine(messageText(m), 60)
		}
		if d.GetDraft() != "" {
			text = "(draft) " + oneLine(d.GetDraft(), 50)
		}
		pinned := ""
		if d.GetPinned() {
			pinned = "yes"
		}
		t.Rows = append(t.Rows, []string{
			fmt.Sprint(d.GetPeer().GetId()), peerName(d.GetPeer()), fmt.Sprint(d.GetUnreadCount()), fmt.Sprint(d.GetUnreadMentionsCount()), pinned, last, text,
		})
	}
	return t
}

// searchFilters are the filters by the words of the command line.
func searchFilters() map[string]client.SearchFilter {
	out := map[string]client.SearchFilter{"all": v1.SearchFilter_SEARCH_FILTER_UNSPECIFIED}
	for number, name := range v1.SearchFilter_name {
		if number != 0 {
			out[strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "SEARCH_FILTER_")), "_", "-")] = client.SearchFilter(number)
		}
	}
	return out
}

func newSearch(g *cli) *cobra.Command {
	var in, from, filter string
	var since, before string
	var limit int
	var read reading
	cmd := &cobra.Command{
		Use:   "search ACCOUNT QUERY",
		Short: "Search messages, in all chats or in one",
		Long:  `Search messages, in all chats or in one, newest first. An empty QUERY ('') finds all that fit the flags.`,
		Example: `  orchestrator search support-1 invoice --limit 20
  orchestrator search support-1 '' --in @ourgroup --from @anna --filter photos --since 2026-01-01`,
		Args: g.Args("ACCOUNT", "QUERY"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			known := searchFilters()
			chosen, ok := known[filter]
			if !ok {
				return fleetcli.Usage(fmt.Errorf("--filter: must be one of %s (got %q)", strings.Join(sortedKeys(known), ", "), filter), "for example --filter photos")
			}
			if from != "" && in == "" {
				return fleetcli.Usage(fmt.Errorf("--from: needs --in"), "Telegram knows the sender as a filter in one chat only")
			}
			o := client.SearchOptions{Filter: chosen, Sender: from, Limit: limit}
			var err error
			if o.Since, err = day("--since", since); err != nil {
				return err
			}
			if o.Before, err = day("--before", before); err != nil {
				return err
			}
			ctx, err := read.context(cmd)
			if err != nil {
				return err
			}
			found := a.SearchGlobal(ctx, args[0], o)
			if in != "" {
				found = a.Search(ctx, in, args[0], o)
			}
			out := &v1.SearchMessagesReply{}
			for m, err := range found {
				if err != nil {
					return err
				}
				out.Messages, out.Total = append(out.Messages, m.Item), int32(m.Total)
			}
			return g.Print(cmd.OutOrStdout(), out, func() fleetcli.Table { return read.table(hitTable, out.GetMessages()...) })
		}),
	}
	cmd.Flags().StringVar(&in, "in", "", "only in this chat")
	cmd.Flags().StringVar(&from, "from", "", "only of this sender; needs --in")
	cmd.Flags().StringVar(&filter, "filter", "all", "what the messages hold, such as photos, document, url, pinned or my-mentions")
	cmd.Flags().StringVar(&since, "since", "", "only from this day or time on, such as 2026-01-31 or 2026-01-31T10:00:00Z")
	cmd.Flags().StringVar(&before, "before", "", "only before this day or time")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many messages at most; 0 = all")
	read.flags(cmd)
	return cmd
}

// day reads a day or a time; zero for none.
func day(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	at, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return at, fleetcli.Usage(fmt.Errorf("%s: is no day or time (got %q)", flag, text), "give it as 2026-01-31 or 2026-01-31T10:00:00Z")
	}
	return at, nil
}

func hitTable(messages ...*v1.Message) fleetcli.Table {
	t := messageTable(messages...)
	t.Header = append([]string{"CHAT"}, t.Header...)
	for i, m := range messages {
		t.Rows[i] = append([]string{peerName(m.GetPeer())}, t.Rows[i]...)
	}
	return t
}

func newRead(g *cli) *cobra.Command {
	var upTo, topic int32
	cmd := &cobra.Command{
		Use:     "read ACCOUNT PEER",
		Short:   "Mark the messages of a chat as read",
		Example: "  orchestrator read support-1 @anna\n  orchestrator read support-1 @ourforum --topic 12",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			return a.MarkRead(cmd.Context(), args[0], upTo, topic)
		}),
	}
	cmd.Flags().Int32Var(&upTo, "up-to", 0, "id of the last message that was read; 0 = all")
	cmd.Flags().Int32Var(&topic, "topic", 0, "only this forum topic, by the id of its first message")
	return fleetcli.TakesRequestID(cmd)
}

func newClearMentions(g *cli) *cobra.Command {
	var topic int32
	cmd := &cobra.Command{
		Use:     "clear-mentions ACCOUNT PEER",
		Short:   "Mark the mentions of an account in a chat as read",
		Example: "  orchestrator clear-mentions support-1 @ourgroup",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			return a.ClearMentions(cmd.Context(), args[0], topic)
		}),
	}
	cmd.Flags().Int32Var(&topic, "topic", 0, "only this forum topic, by the id of its first message")
	return fleetcli.TakesRequestID(cmd)
}

func newDeleteDialog(g *cli) *cobra.Command {
	return fleetcli.TakesRequestID(&cobra.Command{
		Use:   "delete-dialog ACCOUNT PEER",
		Short: "Remove a chat from the list, leaving a group or channel",
		Long: `Remove a chat from the account's list: a private chat with its messages, for this account alone; a
group or channel by leaving it. Nothing is deleted for others.`,
		Example: "  orchestrator delete-dialog support-1 @anna",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			return a.DeleteDialog(cmd.Context(), args[0])
		}),
	})
}
