package chatcli

import (
	"fmt"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newPin(g *cli) *cobra.Command {
	var o client.PinOptions
	cmd := &cobra.Command{
		Use:     "pin ACCOUNT PEER ID",
		Short:   "Pin a message",
		Example: "  orchestrator pin support-1 @team 17 --silent",
		Args:    g.Args("ACCOUNT", "PEER", "ID"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ids, err := messageIDs(args[1:])
			if err != nil {
				return err
			}
			changed, err := a.PinMessage(cmd.Context(), args[0], ids[0], o)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.PinMessageReply{Changed: changed}, func() fleetcli.Table { return pinNote(changed, "pinned", "it was pinned already") })
		}),
	}
	cmd.Flags().BoolVar(&o.Silent, "silent", false, "do not notify the members")
	cmd.Flags().BoolVar(&o.ForSelf, "for-self", false, "in a private chat, pin it for the account alone")
	return fleetcli.TakesRequestID(cmd)
}

func pinNote(changed bool, done, already string) fleetcli.Table {
	if changed {
		return note("%s", done)
	}
	return note("%s", already)
}

func newUnpin(g *cli) *cobra.Command {
	var topic int32
	cmd := &cobra.Command{
		Use:     "unpin ACCOUNT PEER ID|all",
		Short:   "Unpin a message, or all of a chat",
		Example: "  orchestrator unpin support-1 @team 17\n  orchestrator unpin support-1 @team all",
		Args:    g.Args("ACCOUNT", "PEER", "ID|all"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			if args[1] == "all" {
				n, err := a.UnpinAllMessages(cmd.Context(), args[0], topic)
				if err != nil {
					return err
				}
				return g.Print(cmd.OutOrStdout(), &v1.UnpinAllMessagesReply{Unpinned: int32(n)}, func() fleetcli.Table { return note("%d unpinned", n) })
			}
			ids, err := messageIDs(args[1:])
			if err != nil {
				return err
			}
			changed, err := a.UnpinMessage(cmd.Context(), args[0], ids[0])
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.UnpinMessageReply{Changed: changed}, func() fleetcli.Table { return pinNote(changed, "unpinned", "it was not pinned") })
		}),
	}
	cmd.Flags().Int32Var(&topic, "topic", 0, "with all: only those of a forum topic, by its top message")
	return fleetcli.TakesRequestID(cmd)
}

func newPinned(g *cli) *cobra.Command {
	var topic int32
	cmd := &cobra.Command{
		Use:   "pinned ACCOUNT PEER",
		Short: "Show the newest pinned message of a chat",
		Args:  g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			m, err := a.PinnedMessage(cmd.Context(), args[0], topic)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.GetPinnedMessageReply{Message: m}, func() fleetcli.Table {
				if m == nil {
					return note("nothing is pinned")
				}
				return messageTable(m)
			})
		}),
	}
	cmd.Flags().Int32Var(&topic, "topic", 0, "only in a forum topic, by its top message")
	return cmd
}

func newReact(g *cli) *cobra.Command {
	var o client.ReactOptions
	var custom []int64
	cmd := &cobra.Command{
		Use:     "react ACCOUNT PEER ID [EMOJI...]",
		Short:   "Set the account's reactions to a message; without any, take them back",
		Example: "  orchestrator react support-1 @durov 17 👍\n  orchestrator react support-1 @durov 17",
		Args:    fleetcli.AtLeast("ACCOUNT", "PEER", "ID"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ids, err := messageIDs(args[1:2])
			if err != nil {
				return err
			}
			var reactions []*client.Reaction
			for _, emoji := range args[2:] {
				reactions = append(reactions, client.Emoji(emoji))
			}
			for _, id := range custom {
				reactions = append(reactions, client.CustomEmoji(id))
			}
			counts, err := a.SendReaction(cmd.Context(), args[0], ids[0], reactions, o)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.SendReactionReply{Counts: counts}, func() fleetcli.Table {
				t := fleetcli.Table{Header: []string{"REACTION", "COUNT"}}
				for _, c := range counts {
					name := c.GetReaction().GetEmoji()
					if name == "" {
						name = fmt.Sprint(c.GetReaction().GetCustomEmojiId())
					}
					t.Rows = append(t.Rows, []string{name, fmt.Sprint(c.GetCount())})
				}
				return t
			})
		}),
	}
	cmd.Flags().BoolVar(&o.Big, "big", false, "show a big animation")
	cmd.Flags().BoolVar(&o.AddToRecent, "add-to-recent", false, "put them among the account's recent reactions")
	cmd.Flags().Int64SliceVar(&custom, "custom", nil, "ids of custom emoji, for Premium users")
	return fleetcli.TakesRequestID(cmd)
}

func newScheduled(g *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "scheduled", Short: "Messages that wait for their time at Telegram"}
	list := &cobra.Command{
		Use: "list ACCOUNT PEER", Short: "Show those of a chat, the last first", Args: g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			messages, err := a.ScheduledMessages(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.GetScheduledMessagesReply{Messages: messages}, func() fleetcli.Table { return messageTable(messages...) })
		}),
	}
	drop := &cobra.Command{
		Use: "delete ACCOUNT PEER ID...", Short: "Drop some unsent", Args: fleetcli.AtLeast("ACCOUNT", "PEER", "ID"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ids, err := messageIDs(args[1:])
			if err != nil {
				return err
			}
			return a.DeleteScheduledMessages(cmd.Context(), args[0], ids...)
		}),
	}
	now := &cobra.Command{
		Use: "send ACCOUNT PEER ID...", Short: "Send some now", Args: fleetcli.AtLeast("ACCOUNT", "PEER", "ID"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ids, err := messageIDs(args[1:])
			if err != nil {
				return err
			}
			messages, err := a.SendScheduledMessages(cmd.Context(), args[0], ids...)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.SendScheduledMessagesReply{Messages: messages}, func() fleetcli.Table { return messageTable(messages...) })
		}),
	}
	cmd.AddCommand(list, fleetcli.TakesRequestID(drop), fleetcli.TakesRequestID(now))
	return cmd
}
