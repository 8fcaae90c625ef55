package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/client"
)

func ExampleAccount_ResolvePeer() {
	c := connect()
	ctx := context.Background()

	// Wherever a peer is wanted, the text does as well: me, @name, +phone, an id, a t.me link.
	peer, err := c.Account("alice").ResolvePeer(ctx, "t.me/club")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(peer.GetKind(), "@"+peer.GetUsername())

	_, err = c.Account("alice").ResolvePeer(ctx, "@nobody_of_this_name")
	fmt.Println(errors.Is(err, client.Reason("USERNAME_NOT_OCCUPIED")))
	// Output:
	// PEER_KIND_CHANNEL @club
	// true
}

func ExampleAccount_Participants() {
	c := connect()

	var names []string
	for member, err := range c.Account("alice").Participants(context.Background(), "@club") {
		if err != nil {
			log.Fatal(err)
		}
		names = append(names, member.Item.GetPeer().GetUsername())
	}
	slices.Sort(names)
	fmt.Println(names)
	// Output: [alice boris carol helper_bot]
}

func ExampleAccount_SetAdminRights() {
	c := connect()
	ctx := context.Background()
	alice := c.Account("alice")

	rights := &client.AdminRights{DeleteMessages: true, PinMessages: true}
	if err := alice.SetAdminRights(ctx, "@club", "@boris", rights, "janitor"); err != nil {
		log.Fatal(err)
	}
	may, err := alice.Permissions(ctx, "@club", "@boris")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("an admin:", may.GetEffectiveAdminRights().GetPinMessages(), may.GetEffectiveAdminRights().GetBanUsers())

	// Nil rights end it.
	if err := alice.SetAdminRights(ctx, "@club", "@boris", nil, ""); err != nil {
		log.Fatal(err)
	}
	// Output: an admin: true false
}

func ExampleAccount_Ban() {
	c := connect()
	ctx := context.Background()
	alice, carol := c.Account("alice"), c.Account("carol")

	if err := alice.Ban(ctx, "@club", "@carol", time.Now().Add(24*time.Hour)); err != nil {
		log.Fatal(err)
	}
	_, err := carol.SendMessage(ctx, "@club", client.Text("hello?"))
	fmt.Println("refused:", err != nil)

	if err := alice.Unban(ctx, "@club", "@carol"); err != nil {
		log.Fatal(err)
	}
	joined, err := carol.JoinChat(ctx, "@club") // who was banned is out and has to come back
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("joined:", joined.Outcome == client.JoinedChat)
	// Output:
	// refused: true
	// joined: true
}

func ExampleAccount_SetBannedRights() {
	c := connect()
	ctx := context.Background()
	alice := c.Account("alice")

	// Boris may read and write, but send no media, for an hour.
	silenced := client.Until(&client.BannedRights{SendMedia: true}, time.Now().Add(time.Hour))
	if err := alice.SetBannedRights(ctx, "@club", "@boris", silenced); err != nil {
		log.Fatal(err)
	}
	may, err := alice.Permissions(ctx, "@club", "@boris")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("forbidden:", may.GetEffectiveBannedRights().GetSendMedia(), may.GetEffectiveBannedRights().GetSendMessages())
	if err := alice.Unban(ctx, "@club", "@boris"); err != nil {
		log.Fatal(err)
	}
	// Output: forbidden: true false
}

func ExampleAccount_AcceptInvite() {
	c := connect()
	ctx := context.Background()
	carol := c.Account("carol")

	link, err := theStage.Invite(ctx) // https://t.me/+... of @club
	if err != nil {
		log.Fatal(err)
	}
	invite, err := carol.CheckInvite(ctx, link)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("it leads to", invite.GetTitle())
	for _, link := range []string{link, "https://t.me/+NoSuchInviteLink"} {
		joined, err := carol.AcceptInvite(ctx, link)
		if err != nil {
			log.Fatal(err)
		}
		switch joined.Outcome {
		case client.JoinedChat:
			fmt.Println("joined", joined.Title)
		case client.AlreadyParticipant:
			fmt.Println("in it already")
		case client.JoinRequestSent:
			fmt.Println("an admin has to agree")
		default:
			fmt.Println(joined.Outcome)
		}
	}
	// Output:
	// it leads to The club
	// in it already
	// JOIN_OUTCOME_INVITE_INVALID
}

func ExampleAccount_Dialogs() {
	c := connect()
	ctx := context.Background()
	alice, boris := c.Account("alice"), c.Account("boris")
	if _, err := alice.SendMessage(ctx, "@boris", client.Text("are you there?")); err != nil {
		log.Fatal(err)
	}

	for chat, err := range boris.Dialogs(ctx, client.MainList) {
		if err != nil {
			log.Fatal(err)
		}
		if chat.Item.GetPeer().GetUsername() == "alice" {
			fmt.Println(chat.Item.GetPeer().GetUsername(), chat.Item.GetUnreadCount() > 0, chat.Item.GetTopMessage().GetText())
		}
	}
	if err := boris.MarkRead(ctx, "@alice", 0, 0); err != nil { // all of it
		log.Fatal(err)
	}
	// Output: alice true are you there?
}

func ExampleAccount_Search() {
	c := connect()
	ctx := context.Background()
	alice := c.Account("alice")
	for _, text := range []string{"the invoice of march", "the invoice of april", "holidays"} {
		if _, err := alice.SendMessage(ctx, "@carol", client.Text(text)); err != nil {
			log.Fatal(err)
		}
	}

	for hit, err := range alice.Search(ctx, "@carol", "invoice", client.SearchOptions{Since: time.Now().Add(-time.Hour), Limit: 10}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(hit.Item.GetText(), "- one of", hit.Total)
	}
	// Output:
	// the invoice of april - one of 2
	// the invoice of march - one of 2
}

func ExampleAccount_SearchGlobal() {
	c := connect()
	ctx := context.Background()
	alice := c.Account("alice")
	for _, peer := range []string{"@boris", "@club"} {
		if _, err := alice.SendMessage(ctx, peer, client.Text("the zeppelin has landed")); err != nil {
			log.Fatal(err)
		}
	}

	var chats []string
	for hit, err := range alice.SearchGlobal(ctx, "zeppelin", client.SearchOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		chats = append(chats, hit.Item.GetPeer().GetUsername())
	}
	slices.Sort(chats)
	fmt.Println(chats)
	// Output: [boris club]
}

func ExampleAccount_PinMessage() {
	c := connect()
	ctx := context.Background()
	alice := c.Account("alice")

	sent, err := alice.SendMessage(ctx, "@club", client.Text("the rules"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := alice.PinMessage(ctx, "@club", sent.Message.GetId(), client.PinOptions{Silent: true}); err != nil {
		log.Fatal(err)
	}
	pinned, err := c.Account("boris").PinnedMessage(ctx, "@club", 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pinned.GetText())
	// Output: the rules
}
