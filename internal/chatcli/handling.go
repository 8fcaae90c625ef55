package chatcli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/action"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// messageIDs reads message ids.
func messageIDs(args []string) ([]int32, error) {
	var ids []int32
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 32)
		if err != nil || id <= 0 {
			return nil, fleetcli.Usage(fmt.Errorf("ID: is no message id (got %q)", arg), "history and messages show ids")
		}
		ids = append(ids, int32(id))
	}
	return ids, nil
}

// note is a table of one sentence.
func note(format string, args ...any) fleetcli.Table {
	return fleetcli.Table{Rows: [][]string{{fmt.Sprintf(format, args...)}}}
}

func newForward(g *cli) *cobra.Command {
	var o client.ForwardOptions
	var at string
	cmd := &cobra.Command{
		Use:     "forward ACCOUNT FROM TO ID...",
		Short:   "Forward messages to another chat",
		Example: "  orchestrator forward support-1 @durov me 17 18",
		Args:    fleetcli.AtLeast("ACCOUNT", "FROM", "TO", "ID"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ids, err := messageIDs(args[2:])
			if err != nil {
				return err
			}
			if at != "" {
				when, err := moment(at, time.Now())
				if err != nil {
					return err
				}
				o.Schedule = when
			}
			list, err := a.ForwardMessages(cmd.Context(), args[0], args[1], ids, o)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), forwardReply(list), func() fleetcli.Table { return forwardTable(list) })
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&o.DropAuthor, "drop-author", false, "do not tell who wrote the messages")
	f.BoolVar(&o.DropCaptions, "drop-captions", false, "leave captions of media out")
	f.BoolVar(&o.Silent, "silent", false, "send without notification")
	f.BoolVar(&o.Noforwards, "protect", false, "forbid forwarding and saving")
	f.StringVar(&at, "at", "", "let Telegram send them later: a time, or a duration from now")
	f.StringVar(&o.SendAs, "send-as", "", "channel in whose name to forward")
	f.Int32Var(&o.Topic, "topic", 0, "forum topic to forward to, by its top message")
	return fleetcli.TakesRequestID(cmd)
}

func forwardReply(list []client.Forwarded) *v1.ForwardMessagesReply {
	reply := &v1.ForwardMessagesReply{}
	for _, m := range list {
		out := &v1.ForwardedMessage{OriginalId: m.OriginalID, Message: m.Message}
		switch {
		case m.Message != nil:
			out.Outcome = v1.SendOutcome_SEND_OUTCOME_DONE
		case m.Sent:
			out.Outcome = v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN
		}
		reply.Messages = append(reply.Messages, out)
	}
	return reply
}

func forwardTable(list []client.Forwarded) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"ORIGINAL", "ID", "TEXT"}}
	for _, m := range list {
		row := []string{fmt.Sprint(m.OriginalID), "-", "not forwarded: there is no such message, or it cannot be forwarded"}
		switch {
		case m.Message != nil:
			row = []string{fmt.Sprint(m.OriginalID), fmt.Sprint(m.Message.GetId()), messageText(m.Message)}
		case m.Sent:
			row[2] = "forwarded; which one of the chat it is could not be found out"
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func newDelete(g *cli) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "delete ACCOUNT PEER ID...",
		Short: "Delete messages",
		Long: `Delete messages. PEER may be - for messages of private chats and basic groups, whose ids are the
account's own; ids that are not known to be such messages are refused then. In channels, supergroups
and by bots messages are always deleted for all.`,
		Example: "  orchestrator delete support-1 @durov 17 18 --for-all",
		Args:    fleetcli.AtLeast("ACCOUNT", "PEER", "ID"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ids, err := messageIDs(args[1:])
			if err != nil {
				return err
			}
			peer := args[0]
			if peer == "-" {
				peer = ""
			}
			n, err := a.DeleteMessages(cmd.Context(), peer, ids, all)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.DeleteMessagesReply{Deleted: int32(n)}, func() fleetcli.Table { return note("%d deleted", n) })
		}),
	}
	cmd.Flags().BoolVar(&all, "for-all", false, "delete them for everybody")
	return fleetcli.TakesRequestID(cmd)
}

func newMessages(g *cli) *cobra.Command {
	var read reading
	get := &cobra.Command{
		Use:     "get ACCOUNT PEER ID...",
		Short:   "Show messages of a chat by their ids",
		Example: "  orchestrator messages get support-1 @durov 17 18",
		Args:    fleetcli.AtLeast("ACCOUNT", "PEER", "ID"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ids, err := messageIDs(args[1:])
			if err != nil {
				return err
			}
			ctx, err := read.context(cmd)
			if err != nil {
				return err
			}
			found, err := a.Messages(ctx, args[0], ids...)
			if err != nil {
				return err
			}
			reply := &v1.GetMessagesReply{}
			for i, m := range found {
				reply.Messages = append(reply.Messages, &v1.FoundMessage{Id: ids[i], Message: m})
			}
			return g.Print(cmd.OutOrStdout(), reply, func() fleetcli.Table { return foundTable(read, reply.GetMessages()) })
		}),
	}
	read.flags(get)
	cmd := &cobra.Command{Use: "messages", Short: "Read messages"}
	cmd.AddCommand(get)
	return cmd
}

func foundTable(read reading, found []*v1.FoundMessage) fleetcli.Table {
	t := read.table(messageTable)
	for _, f := range found {
		switch {
		case f.GetMessage() != nil:
			t.Rows = append(t.Rows, read.table(messageTable, f.GetMessage()).Rows...)
		case read.format != "":
			t.Rows = append(t.Rows, []string{fmt.Sprintf("#%d is not in this chat", f.GetId())})
		default:
			t.Rows = append(t.Rows, []string{fmt.Sprint(f.GetId()), "-", "-", "not in this chat"})
		}
	}
	return t
}

func newTyping(g *cli) *cobra.Command {
	var kind string
	var percent int
	var topic int32
	var lasting time.Duration
	kinds := map[string]func(int) action.Action{
		"typing": only(action.Typing), "cancel": only(action.None), "record-video": only(action.RecordingVideo), "record-voice": only(action.RecordingVoice),
		"record-round": only(action.RecordingRound), "choose-place": only(action.ChoosingPlace), "choose-contact": only(action.ChoosingContact),
		"choose-sticker": only(action.ChoosingSticker), "play": only(action.Playing), "speak": only(action.Speaking),
		"upload-video": action.UploadingVideo, "upload-voice": action.UploadingVoice, "upload-photo": action.UploadingPhoto,
		"upload-document": action.UploadingDocument, "upload-round": action.UploadingRound, "import": action.ImportingHistory,
	}
	names := slices.Sorted(maps.Keys(kinds))
	cmd := &cobra.Command{
		Use:     "typing ACCOUNT PEER",
		Short:   "Show others that the account types, records or uploads",
		Long:    "Show others for about 6 seconds that the account types, records or uploads; with --for, as long as it says, and end it then.",
		Example: "  orchestrator typing support-1 @durov --for 20s\n  orchestrator typing support-1 @durov --action upload-photo --progress 40",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			make, ok := kinds[kind]
			if !ok {
				return fleetcli.Usage(fmt.Errorf("--action: is not known (got %q)", kind), "one of "+strings.Join(names, ", "))
			}
			shown := make(percent).InTopic(topic)
			if lasting <= 0 {
				return a.SendChatAction(cmd.Context(), args[0], shown)
			}
			ctx, stop := context.WithTimeout(cmd.Context(), lasting)
			defer stop()
			return a.KeepTyping(ctx, args[0], shown)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&kind, "action", "typing", "one of "+strings.Join(names, ", "))
	f.IntVar(&percent, "progress", 0, "progress of an upload or import in percent")
	f.Int32Var(&topic, "topic", 0, "forum topic, by its top message")
	f.DurationVar(&lasting, "for", 0, "keep it up so long")
	return cmd
}

func only(make func() action.Action) func(int) action.Action {
	return func(int) action.Action { return make() }
}
