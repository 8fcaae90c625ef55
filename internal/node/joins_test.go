package node

import (
	"context"
	"crypto/cipher"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
)

// TestSubscriptionFixesItsPosition: also on an empty log, the position that a subscription tells
// leads to the first event after it.
func TestSubscriptionFixesItsPosition(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(t.Context(), eventlog.Config{
		Dir: t.TempDir(), MinFree: -1,
		Keys: func(context.Context, fleet.AccountID) (cipher.AEAD, error) {
			return chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close(context.Background()) }()
	api := feed{log}
	position := func() string {
		t.Helper()
		s, err := api.Subscribe(t.Context(), control.SubscribeOptions{})
		if err != nil || s.Position == "" {
			t.Fatalf("got position %q, %v", s.Position, err)
		}
		return s.Position
	}
	empty := position()
	w, err := log.Claim(t.Context(), "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	say := func(id string) {
		t.Helper()
		if _, err := w.Append(t.Context(), eventlog.Record{Kind: "raw", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	say("e1")
	behind := position()
	say("e2")
	for from, want := range map[string]string{empty: "e1", behind: "e2"} {
		s, err := api.Subscribe(t.Context(), control.SubscribeOptions{From: from, UntilNow: true})
		if err != nil {
			t.Fatal(err)
		}
		for event, err := range s.Events {
			if err != nil || event.ID != want {
				t.Errorf("from %s came %q first, %v; want %s", from, event.ID, err, want)
			}
			break
		}
		if s.Position != from {
			t.Errorf("a subscription from %s says %s", from, s.Position)
		}
	}
}
