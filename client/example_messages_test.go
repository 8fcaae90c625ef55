package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/action"
	"github.com/telefleet/orchestrator/client/keyboard"
)

func ExampleWithKeyboard() {
	c, stop := demo()
	defer stop()

	k := keyboard.Inline{keyboard.Row(keyboard.Callback("Yes", "yes"), keyboard.URL("More", "https://example.org"))}
	sent, err := c.Account("alice").SendMessage(context.Background(), "@bob", client.Text("shall we?"), client.WithKeyboard(k))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Message.GetText())
	// Output: shall we?
}

func ExampleAccount_EditMessage() {
	c, stop := demo()
	defer stop()

	m, err := c.Account("alice").EditMessage(context.Background(), "@bob", 41, client.Markdown("*really* done"), client.NoWebpage())
	if err != nil {
		log.Fatal(err)
	}
	if m == nil {
		fmt.Println("it was so already")
		return
	}
	fmt.Println(m.GetId(), m.GetText())
	// Output: 41 *really* done
}

func ExampleAccount_ForwardMessages() {
	c, stop := demo()
	defer stop()

	list, err := c.Account("alice").ForwardMessages(context.Background(), "@bob", client.Self, []int32{41, 999}, client.ForwardOptions{DropAuthor: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range list {
		fmt.Println(m.OriginalID, m.Sent, m.Message.GetId())
	}
	// Output:
	// 41 true 70
	// 999 false 0
}

func ExampleAccount_SendReaction() {
	c, stop := demo()
	defer stop()

	counts, err := c.Account("alice").SendReaction(context.Background(), "@bob", 41, []*client.Reaction{client.Emoji("🔥")}, client.ReactOptions{Big: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts[0].GetReaction().GetEmoji(), counts[0].GetCount())
	// Output: 🔥 3
}

func ExampleAccount_KeepTyping() {
	c, stop := demo()
	defer stop()

	ctx, ready := context.WithTimeout(context.Background(), 10*time.Millisecond) // or cancel it when there is an answer
	defer ready()
	if err := c.Account("alice").KeepTyping(ctx, "@bob", action.Typing()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("nobody types any more")
	// Output: nobody types any more
}

func ExampleAccount_ScheduledMessages() {
	c, stop := demo()
	defer stop()

	list, err := c.Account("alice").ScheduledMessages(context.Background(), client.Self)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range list {
		fmt.Println(m.GetId(), m.GetText())
	}
	// Output: 3 water the plants
}
