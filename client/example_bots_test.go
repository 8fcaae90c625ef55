package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/keyboard"
)

func ExampleAccount_AnswerCallbackQuery() {
	c := connect()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	helper := c.Account("helper")
	if _, err := c.Account("boris").SendMessage(ctx, "@helper_bot", client.Text("/start")); err != nil {
		log.Fatal(err)
	}
	boris, err := c.Account("boris").Me(ctx)
	if err != nil {
		log.Fatal(err)
	}
	yes := keyboard.Inline{keyboard.Row(keyboard.Callback("Yes", "yes"), keyboard.Callback("No", "no"))}
	if _, err := helper.SendMessage(ctx, fmt.Sprint(boris.GetId()), client.Text("shall we?"), client.WithKeyboard(yes)); err != nil {
		log.Fatal(err)
	}

	shown := make(chan string)
	press := func(string) {
		go func() {
			text, err := theStage.Press(ctx, "boris", "helper", "yes") // boris's own app does that
			if err != nil {
				log.Print(err)
			}
			shown <- text
		}()
	}
	for event, err := range helper.Events(ctx, client.EventOptions{Kinds: []string{"callback_query"}, Started: press}) {
		if err != nil {
			log.Fatal(err)
		}
		query := event.GetCallbackQuery()
		fmt.Printf("pressed: %s\n", query.GetData())
		if err := helper.AnswerCallbackQuery(ctx, query.GetQueryId(), client.CallbackAnswer{Text: "good"}); err != nil {
			log.Fatal(err)
		}
		break
	}
	fmt.Println("boris sees:", <-shown)
	// Output:
	// pressed: yes
	// boris sees: good
}

func ExampleAccount_AnswerInlineQuery() {
	c := connect()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	helper := c.Account("helper")

	offered := make(chan []string)
	ask := func(string) {
		go func() {
			titles, err := theStage.Ask(ctx, "boris", "helper", "cats") // boris writes "@helper_bot cats" in some chat
			if err != nil {
				log.Print(err)
			}
			offered <- titles
		}()
	}
	for event, err := range helper.Events(ctx, client.EventOptions{Kinds: []string{"inline_query"}, Started: ask}) {
		if err != nil {
			log.Fatal(err)
		}
		query := event.GetInlineQuery()
		err = helper.AnswerInlineQuery(ctx, query.GetQueryId(), client.InlineAnswer{Results: []client.InlineResult{
			client.InlineArticle{ID: "1", Title: "All about " + query.GetQuery(), Content: client.Markdown("*meow*")},
		}})
		if err != nil {
			log.Fatal(err)
		}
		break
	}
	fmt.Println(<-offered)
	// Output: [All about cats]
}

func ExampleClient_Batch() {
	c := connect()
	ctx := context.Background()

	// Each account sends it once, wherever it runs and however often the batch is given under its id.
	command := client.SendCommand("@club", client.Text("hello from all of us"))
	for _, again := range []bool{false, true} {
		var done []string
		for result, err := range c.Batch(ctx, command, client.BatchOptions{RequestID: "greeting-1", Selector: "kind=user"}) {
			if err != nil {
				log.Fatal(err) // the batch broke off; give it again under the same id
			}
			if result.Err != nil {
				log.Print(result.Account, ": ", result.Err) // the others go on
				continue
			}
			if result.Repeated == again {
				done = append(done, result.Account)
			}
		}
		slices.Sort(done)
		fmt.Println(done)
	}
	// Output:
	// [alice boris carol]
	// [alice boris carol]
}

func ExampleAccount_ExportSession() {
	c := connect()
	ctx := context.Background()
	if _, err := c.CreateAccount(ctx, &v1.Account{Id: "moved", Spec: &v1.AccountSpec{Paused: true}}); err != nil {
		log.Fatal(err)
	}
	carol := c.Account("carol")

	// No two clients may connect with one session, so the account is paused first.
	if _, _, err := carol.PauseAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	session, notes, err := carol.ExportSession(ctx, client.ExportOptions{Format: client.Telethon})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("left out:", len(notes) > 0, "- the secret does not print:", session.String() != string(session.Data))

	found, err := c.InspectSession(ctx, session)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found[0].GetFormat(), "of DC", found[0].GetHomeDc(), "- used by", found[0].GetUsedBy())
	_, err = c.Account("moved").ImportSession(ctx, session)
	fmt.Println(errors.Is(err, client.Reason("AUTH_KEY_IN_USE"))) // two accounts never have one session

	if _, err := carol.Resume(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// left out: true - the secret does not print: true
	// telethon of DC 1 - used by carol
	// true
}

func ExampleAccount_UploadFile() {
	c := connect()
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(path, []byte("remember the milk"), 0o600); err != nil {
		log.Fatal(err)
	}
	alice := c.Account("alice")

	file, err := alice.UploadFile(ctx, path, client.UploadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	sent, err := alice.SendFile(ctx, client.Self, client.Uploaded(file), client.Text("for later"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Message.GetText(), sent.Message.GetMedia().GetFileName(), sent.Message.GetMedia().GetSize())
	// Output: for later notes.txt 17
}
