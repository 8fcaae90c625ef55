package tgraw_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/tgraw"
	"github.com/telefleet/orchestrator/internal/stage"
)

func Example() {
	ctx := context.Background()
	s, err := stage.Open(ctx) // a node with the account alice; elsewhere client.Dial
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// Every method of the schema, with the types of gotd/td.
	raw := tg.NewClient(tgraw.New(s.Client.Account("alice")))
	users, err := raw.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}})
	if err != nil {
		log.Fatal(err)
	}
	if me, ok := users[0].AsNotEmpty(); ok {
		fmt.Println(me.FirstName, "@"+me.Username)
	}

	// An error is gotd's and the SDK's.
	_, err = raw.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{Peer: &tg.InputPeerSelf{}, RandomID: 1})
	fmt.Println(tgerr.Is(err, "MESSAGE_EMPTY"), errors.Is(err, client.Reason("MESSAGE_EMPTY")))
	// Output:
	// Alice @alice
	// true true
}
