package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/stage"
)

// theStage is what the examples play in, once one of them needs it.
var theStage *stage.Stage

var openStage = sync.OnceFunc(func() {
	s, err := stage.Open(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	theStage = s
})

// connect is a client of a node with the accounts alice, boris and carol, who are users, and helper, a bot.
// All of them are in alice's supergroup @club. Elsewhere that is
//
//	c, err := client.Dial(ctx, []string{"http://127.0.0.1:8420"})
func connect() *client.Client {
	openStage()
	return theStage.Client
}

func TestMain(m *testing.M) {
	code := m.Run()
	var err error
	if theStage != nil {
		err = theStage.Close()
	}
	if err = errors.Join(err, leaks()); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// leaks are the goroutines that are left. A dead letter of the stage's actors leaves one for a second, which
// is longer than one look takes.
func leaks() (err error) {
	for range 8 {
		if err = goleak.Find(); err == nil {
			return nil
		}
	}
	return err
}
