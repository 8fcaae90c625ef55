package chatcli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// chatCommands are those of groups and channels.
func (g *cli) chatCommands() []*cobra.Command {
	return []*cobra.Command{
		newMembers(g), newPromote(g), newDemote(g), newBan(g), newUnban(g), newRestrict(g), newPermissions(g), newJoin(g), newInvite(g),
	}
}

var memberFilters = map[string]client.ParticipantOption{
	"all": nil, "admins": client.Admins(), "bots": client.Bots(), "contacts": client.ContactsOnly(),
	"restricted": client.RestrictedOnly(), "banned": client.BannedOnly(),
}

func newMembers(g *cli) *cobra.Command {
	var filter, search string
	var limit int
	cmd := &cobra.Command{
		Use:     "members ACCOUNT PEER",
		Short:   "List the members of a group or channel",
		Example: "  orchestrator members support-1 @ourgroup --filter admins\n  orchestrator members support-1 @ourgroup --search ann -o json",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			var opts []client.ParticipantOption
			chosen, ok := memberFilters[filter]
			switch {
			case !ok:
				return fleetcli.Usage(fmt.Errorf("--filter: must be one of %s (got %q)", strings.Join(sortedKeys(memberFilters), ", "), filter), "for example --filter admins")
			case search != "" && filter != "all":
				return fleetcli.Usage(fmt.Errorf("--search: cannot be combined with --filter"), "give one of them")
			case search != "":
				opts = append(opts, client.Named(search))
			case chosen != nil:
				opts = append(opts, chosen)
			}
			out := &v1.GetParticipantsReply{}
			for p, err := range a.Participants(cmd.Context(), args[0], opts...) {
				if err != nil {
					return err
				}
				out.Total = int32(p.Total)
				if out.Participants = append(out.Participants, p.Item); limit > 0 && len(out.Participants) >= limit {
					break
				}
			}
			return g.Print(cmd.OutOrStdout(), out, func() fleetcli.Table { return memberTable(out.GetParticipants()...) })
		}),
	}
	cmd.Flags().StringVar(&filter, "filter", "all", "all, admins, bots, contacts, restricted or banned")
	cmd.Flags().StringVar(&search, "search", "", "only members whose name contains this")
	cmd.Flags().IntVar(&limit, "limit", 0, "how many members at most; 0 = all")
	return cmd
}

func memberTable(members ...*v1.Participant) fleetcli.Table {
	t := fleetcli.Table{Header: []string{"ID", "NAME", "IS", "TITLE", "SINCE", "FORBIDDEN"}}
	for _, p := range members {
		since, forbidden := "", strings.Join(flagNames(p.GetBannedRights()), ",")
		if p.GetDate() != nil {
			since = p.GetDate().AsTime().Local().Format(time.DateOnly)
		}
		if until := p.GetBannedRights().GetUntil(); until != nil {
			forbidden += " until " + until.AsTime().Local().Format(time.DateTime)
		}
		t.Rows = append(t.Rows, []string{
			fmt.Sprint(p.GetPeer().GetId()), peerName(p.GetPeer()), membershipName(p.GetMembership()), oneLine(p.GetRank(), 16), since, forbidden,
		})
	}
	return t
}

func membershipName(m v1.Membership) string {
	return strings.ToLower(strings.TrimPrefix(m.String(), "MEMBERSHIP_"))
}

// flagNames lists the rights that are set, as the command line writes them.
func flagNames(m proto.Message) (names []string) {
	if m == nil || !m.ProtoReflect().IsValid() {
		return nil
	}
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if f.Kind() == protoreflect.BoolKind {
			names = append(names, dashed(f))
		}
		return true
	})
	slices.Sort(names)
	return names
}

func dashed(f protoreflect.FieldDescriptor) string {
	return strings.ReplaceAll(string(f.Name()), "_", "-")
}

// setFlags sets the rights that a list names; all is every one.
func setFlags(flag string, m proto.Message, names []string) error {
	fields, known := m.ProtoReflect().Descriptor().Fields(), []string{}
	for i := range fields.Len() {
		if f := fields.Get(i); f.Kind() == protoreflect.BoolKind {
			known = append(known, dashed(f))
		}
	}
	for _, name := range names {
		name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
		if !slices.Contains(known, name) {
			return fleetcli.Usage(fmt.Errorf("%s: there is no such right (got %q)", flag, name), "the rights are "+strings.Join(known, ", "))
		}
		m.ProtoReflect().Set(fields.ByName(protoreflect.Name(strings.ReplaceAll(name, "-", "_"))), protoreflect.ValueOfBool(true))
	}
	return nil
}

func newPromote(g *cli) *cobra.Command {
	var rights []string
	var rank string
	cmd := &cobra.Command{
		Use:   "promote ACCOUNT PEER USER",
		Short: "Make somebody an admin, or change an admin's rights",
		Long: `Make somebody an admin of a group or channel, or change an admin's rights: those that are given
replace those that were. A basic group knows only admins and others.`,
		Example: "  orchestrator promote support-1 @ourgroup @anna --rights delete-messages,ban-users --rank Helper\n  orchestrator promote support-1 @ourgroup @anna --rights all",
		Args:    g.Args("ACCOUNT", "PEER", "USER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			given := &client.AdminRights{}
			if len(rights) == 1 && rights[0] == "all" {
				given = client.FullAdmin()
			} else if err := setFlags("--rights", given, rights); err != nil {
				return err
			}
			return a.SetAdminRights(cmd.Context(), args[0], args[1], given, rank)
		}),
	}
	cmd.Flags().StringSliceVar(&rights, "rights", []string{"all"}, "rights, separated by commas; all = all but anonymous")
	cmd.Flags().StringVar(&rank, "rank", "", "title shown beside the name, at most 16 characters")
	return fleetcli.TakesRequestID(cmd)
}

func newDemote(g *cli) *cobra.Command {
	return fleetcli.TakesRequestID(&cobra.Command{
		Use:     "demote ACCOUNT PEER USER",
		Short:   "Take an admin's rights away",
		Example: "  orchestrator demote support-1 @ourgroup @anna",
		Args:    g.Args("ACCOUNT", "PEER", "USER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			return a.SetAdminRights(cmd.Context(), args[0], args[1], nil, "")
		}),
	})
}

func newBan(g *cli) *cobra.Command {
	var length time.Duration
	cmd := &cobra.Command{
		Use:     "ban ACCOUNT PEER USER",
		Short:   "Remove somebody from a group or channel and keep them out",
		Example: "  orchestrator ban support-1 @ourgroup @spammer\n  orchestrator ban support-1 @ourgroup @spammer --for 24h",
		Args:    g.Args("ACCOUNT", "PEER", "USER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			return a.Ban(cmd.Context(), args[0], args[1], after(length))
		}),
	}
	cmd.Flags().DurationVar(&length, "for", 0, "how long, 30s to 8784h; 0 = for ever")
	return fleetcli.TakesRequestID(cmd)
}

// after is a time from now; zero for 0.
func after(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

func newUnban(g *cli) *cobra.Command {
	return fleetcli.TakesRequestID(&cobra.Command{
		Use:     "unban ACCOUNT PEER USER",
		Short:   "Take a ban and all restrictions back",
		Example: "  orchestrator unban support-1 @ourgroup @anna",
		Args:    g.Args("ACCOUNT", "PEER", "USER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			return a.Unban(cmd.Context(), args[0], args[1])
		}),
	})
}

func newRestrict(g *cli) *cobra.Command {
	var denied []string
	var length time.Duration
	cmd := &cobra.Command{
		Use:     "restrict ACCOUNT PEER USER",
		Short:   "Forbid a member of a supergroup some things",
		Long:    "Forbid a member of a supergroup some things, in place of what was forbidden before.",
		Example: "  orchestrator restrict support-1 @ourgroup @anna --deny send-media,send-polls --for 1h",
		Args:    g.Args("ACCOUNT", "PEER", "USER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			rights := &client.BannedRights{}
			if len(denied) == 0 {
				return fleetcli.Usage(fmt.Errorf("--deny is missing"), "name what is forbidden, or use unban to forbid nothing")
			}
			if err := setFlags("--deny", rights, denied); err != nil {
				return err
			}
			return a.SetBannedRights(cmd.Context(), args[0], args[1], client.Until(rights, after(length)))
		}),
	}
	cmd.Flags().StringSliceVar(&denied, "deny", nil, "what is forbidden, separated by commas, such as send-messages,send-media")
	cmd.Flags().DurationVar(&length, "for", 0, "how long, 30s to 8784h; 0 = for ever")
	return fleetcli.TakesRequestID(cmd)
}

func newPermissions(g *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "permissions ACCOUNT PEER [USER]",
		Short:   "Show what somebody may do in a group or channel",
		Example: "  orchestrator permissions support-1 @ourgroup @anna\n  orchestrator permissions support-1 @ourgroup",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return g.Args("ACCOUNT", "PEER", "USER")(cmd, args)
		},
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			user := ""
			if len(args) > 1 {
				user = args[1]
			}
			p, err := a.Permissions(cmd.Context(), args[0], user)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), p, func() fleetcli.Table {
				list := func(names []string) string {
					if len(names) == 0 {
						return "nothing"
					}
					return strings.Join(names, ", ")
				}
				return fleetcli.Table{Rows: [][]string{
					{"is", membershipName(p.GetParticipant().GetMembership())},
					{"may not", list(flagNames(p.GetEffectiveBannedRights()))},
					{"may as an admin", list(flagNames(p.GetEffectiveAdminRights()))},
				}}
			})
		}),
	}
}

func newJoin(g *cli) *cobra.Command {
	return fleetcli.TakesRequestID(&cobra.Command{
		Use:     "join ACCOUNT PEER|LINK",
		Short:   "Join a group or channel, by its name or by an invite link",
		Example: "  orchestrator join support-1 @ourgroup\n  orchestrator join support-1 https://t.me/+AbCdEfGhIjKl",
		Args:    g.Args("ACCOUNT", "PEER|LINK"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			join := a.JoinChat
			if isInvite(args[0]) {
				join = a.AcceptInvite
			}
			return g.joined(cmd, args[0], join)
		}),
	})
}

// isInvite tells invite links from peers: both begin alike.
func isInvite(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "/+") && !strings.HasPrefix(text, "+") || strings.Contains(text, "joinchat/") || strings.HasPrefix(text, "tg://join")
}

func (g *cli) joined(cmd *cobra.Command, target string, join func(context.Context, string) (*client.JoinResult, error)) error {
	r, err := join(cmd.Context(), target)
	if err != nil {
		return err
	}
	reply := &v1.AcceptInviteReply{Outcome: r.Outcome, Chat: r.Chat, Title: r.Title}
	return g.Print(cmd.OutOrStdout(), reply, func() fleetcli.Table {
		outcome := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(r.Outcome.String(), "JOIN_OUTCOME_")), "_", " ")
		id := ""
		if r.Chat != nil {
			id = fmt.Sprint(r.Chat.GetId())
		}
		return fleetcli.Table{Header: []string{"OUTCOME", "ID", "TITLE"}, Rows: [][]string{{outcome, id, oneLine(r.Title, 40)}}}
	})
}

func newInvite(g *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "invite", Short: "Look at invite links, and follow them"}
	cmd.AddCommand(&cobra.Command{
		Use:     "check ACCOUNT LINK",
		Short:   "Show what an invite link leads to",
		Example: "  orchestrator invite check support-1 https://t.me/+AbCdEfGhIjKl",
		Args:    g.Args("ACCOUNT", "LINK"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			i, err := a.CheckInvite(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), i, func() fleetcli.Table {
				return fleetcli.Table{Header: []string{"TITLE", "MEMBERS", "MEMBER ALREADY", "NEEDS APPROVAL"}, Rows: [][]string{
					{oneLine(i.GetTitle(), 40), fmt.Sprint(i.GetParticipantsCount()), fmt.Sprint(i.GetAlreadyParticipant()), fmt.Sprint(i.GetRequestNeeded())},
				}}
			})
		}),
	}, fleetcli.TakesRequestID(&cobra.Command{
		Use:     "accept ACCOUNT LINK",
		Short:   "Join by an invite link",
		Example: "  orchestrator invite accept support-1 https://t.me/+AbCdEfGhIjKl",
		Args:    g.Args("ACCOUNT", "LINK"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			return g.joined(cmd, args[0], a.AcceptInvite)
		}),
	}))
	return cmd
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
