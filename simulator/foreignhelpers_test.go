package simulator_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/message"
	"github.com/gotd/td/telegram/message/unpack"
	"github.com/gotd/td/telegram/peers"
	"github.com/gotd/td/telegram/peers/members"
	"github.com/gotd/td/telegram/query"
	"github.com/gotd/td/telegram/query/dialogs"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator"
)

// crowd adds users who have a name and a username.
func crowd(t *testing.T, sim *simulator.Simulator, n int) []simulator.User {
	t.Helper()
	var all []simulator.User
	for i := range n {
		name := fmt.Sprintf("guest%03d", i)
		all = append(all, addUser(t, sim, simulator.UserSpec{Phone: fmt.Sprintf("+1556%04d", i), FirstName: name, Username: name, HomeDC: 1}))
	}
	return all
}

// TestForeignDialogsHelperPagesToTheEnd has gotd's iterator go through more dialogs than fit in a
// page, and through the history of one of them.
func TestForeignDialogsHelperPagesToTheEnd(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1}, Seed: 22})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 1})
	want := map[string]string{}
	for i, u := range crowd(t, sim, 7) {
		for j := range 5 {
			if _, err := sim.World().Say(u.ID, ann.ID, fmt.Sprintf("%d of %d", j, i)); err != nil {
				t.Fatal(err)
			}
		}
		want[u.Username] = fmt.Sprintf("4 of %d", i)
	}
	signedIn(ctx, t, sim, ann, func(ctx context.Context, client *telegram.Client) error {
		api := client.API()
		var one dialogs.Elem
		err := query.GetDialogs(api).BatchSize(3).ForEach(ctx, func(_ context.Context, e dialogs.Elem) error {
			user, ok := e.Entities.User(e.Dialog.(*tg.Dialog).Peer.(*tg.PeerUser).UserID)
			if !ok {
				return fmt.Errorf("a dialog without its user")
			}
			if name, last := user.Username, e.Last.(*tg.Message).Message; name != "" {
				if want[name] != last {
					t.Errorf("dialog with %q: last message %q, want %q", name, last, want[name])
				}
				delete(want, name)
				one = e
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(want) != 0 {
			t.Errorf("dialogs not listed, or listed twice: %v", want)
		}
		history, err := one.Messages(api).BatchSize(2).Collect(ctx)
		if err != nil {
			return err
		}
		if len(history) != 5 {
			t.Errorf("history: got %d messages, want 5", len(history))
		}
		for i, m := range history {
			if text := m.Msg.(*tg.Message).Message; !strings.HasPrefix(text, fmt.Sprint(4-i)) {
				t.Errorf("message %d of the history: %q", i, text)
			}
		}
		found, err := one.Search(api).Q("3 of").Collect(ctx)
		if err != nil {
			return err
		}
		if len(found) != 1 {
			t.Errorf("search: got %d messages, want 1", len(found))
		}
		return nil
	})
}

// TestForeignMembersHelpersListEverybody has both of gotd's helpers list a supergroup of more
// members than one answer holds, and its managing of them change what the simulator holds.
func TestForeignMembersHelpersListEverybody(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1}, Seed: 23})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 1})
	guests := crowd(t, sim, 230)
	signedIn(ctx, t, sim, ann, func(ctx context.Context, client *telegram.Client) error {
		manager := peers.Options{}.Build(client.API())
		if err := manager.Init(ctx); err != nil {
			return err
		}
		made, err := client.API().ChannelsCreateChannel(ctx, &tg.ChannelsCreateChannelRequest{Title: "room", Megagroup: true})
		if err != nil {
			return err
		}
		room := manager.Channel(made.(*tg.Updates).Chats[0].(*tg.Channel))
		var invited []tg.InputUserClass
		for _, g := range guests {
			u, err := manager.ResolveDomain(ctx, g.Username)
			if err != nil {
				return err
			}
			invited = append(invited, u.(peers.User).InputUser())
		}
		for batch := range slices.Chunk(invited, 100) {
			if _, err := client.API().ChannelsInviteToChannel(ctx, &tg.ChannelsInviteToChannelRequest{Channel: room.InputChannel(), Users: batch}); err != nil {
				return err
			}
		}
		return checkMembers(ctx, t, client.API(), room, guests)
	})
}

func checkMembers(ctx context.Context, t *testing.T, api *tg.Client, room peers.Channel, guests []simulator.User) error {
	everybody, err := query.GetParticipants(api, room.InputChannel()).BatchSize(50).Collect(ctx)
	if err != nil {
		return err
	}
	if len(everybody) != len(guests)+1 {
		t.Errorf("participants: got %d, want %d", len(everybody), len(guests)+1)
	}
	seen := map[int64]int{}
	list := members.Channel(room)
	err = list.ForEach(ctx, func(m members.Member) error { seen[m.User().ID()]++; return nil })
	if err != nil {
		return err
	}
	for _, g := range guests {
		if seen[g.ID] != 1 {
			t.Errorf("member %d was listed %d times", g.ID, seen[g.ID])
		}
	}
	first, err := room.Manager().ResolveDomain(ctx, guests[0].Username)
	if err != nil {
		return err
	}
	if err := list.Promote(ctx, first.(peers.User).InputUser(), members.AdminRights{Rank: "boss", BanUsers: true}); err != nil {
		return err
	}
	second, err := room.Manager().ResolveDomain(ctx, guests[1].Username)
	if err != nil {
		return err
	}
	if err := list.Kick(ctx, second.(peers.User).InputUser(), false); err != nil {
		return err
	}
	admins, err := query.GetParticipants(api, room.InputChannel()).Admins().Collect(ctx)
	if err != nil {
		return err
	}
	if len(admins) != 2 {
		t.Errorf("admins: got %d, want creator and one more", len(admins))
	}
	count, err := list.Count(ctx)
	if err != nil {
		return err
	}
	if count != len(guests) {
		t.Errorf("members after a kick: got %d, want %d", count, len(guests))
	}
	return nil
}

// TestForeignSenderSendsForwardsAndEdits has gotd's message sender do what people do with messages,
// and another person see it.
func TestForeignSenderSendsForwardsAndEdits(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1, 2}, Seed: 24})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Username: "annie", HomeDC: 2})
	bob := addUser(t, sim, simulator.UserSpec{Phone: "+15550002", FirstName: "Bob", Username: "bobby", HomeDC: 1})
	signedIn(ctx, t, sim, ann, func(ctx context.Context, client *telegram.Client) error {
		sender := message.NewSender(client.API())
		note, err := unpack.MessageID(sender.Self().Text(ctx, "a note"))
		if err != nil {
			return err
		}
		first, err := unpack.MessageID(sender.Resolve("@bobby").Text(ctx, "first"))
		if err != nil {
			return err
		}
		if _, err := sender.Resolve("bobby").Reply(first).Text(ctx, "reply"); err != nil {
			return err
		}
		if _, err := sender.Resolve("bobby").Edit(first).Text(ctx, "first, edited"); err != nil {
			return err
		}
		if _, err := sender.Resolve("bobby").ForwardIDs(&tg.InputPeerSelf{}, note).Send(ctx); err != nil {
			return err
		}
		gone, err := unpack.MessageID(sender.Resolve("bobby").Text(ctx, "a slip"))
		if err != nil {
			return err
		}
		if _, err := sender.Resolve("bobby").Revoke().Messages(ctx, gone); err != nil {
			return err
		}
		return sender.Resolve("bobby").TypingAction().Typing(ctx)
	})
	signedIn(ctx, t, sim, bob, func(ctx context.Context, client *telegram.Client) error {
		who, err := message.NewSender(client.API()).Resolve("annie").AsInputPeer(ctx)
		if err != nil {
			return err
		}
		history, err := query.Messages(client.API()).GetHistory(who).Collect(ctx)
		if err != nil {
			return err
		}
		var texts []string
		for _, e := range history {
			m := e.Msg.(*tg.Message)
			texts = append(texts, m.Message)
			if from, ok := m.GetFwdFrom(); ok != (m.Message == "a note") || ok && from.FromID.(*tg.PeerUser).UserID != ann.ID {
				t.Errorf("%q is a forward: %v", m.Message, from)
			}
			if head, ok := m.GetReplyTo(); ok != (m.Message == "reply") {
				t.Errorf("%q is a reply: %v", m.Message, head)
			}
		}
		if want := []string{"a note", "reply", "first, edited"}; !slices.Equal(texts, want) {
			t.Errorf("history: got %q, want %q", texts, want)
		}
		return nil
	})
}
