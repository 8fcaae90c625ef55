package node

import (
	"context"
	"crypto/cipher"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// openLog opens an event log with one data key, which readers get unless lost gives an error.
func openLog(t *testing.T, lost func() error) *eventlog.Log {
	t.Helper()
	key := func() (cipher.AEAD, error) { return chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize)) }
	log, err := eventlog.Open(t.Context(), eventlog.Config{
		Dir: t.TempDir(), MinFree: -1,
		Keys: func(context.Context, fleet.AccountID) (cipher.AEAD, error) { return key() },
		Find: func(context.Context, fleet.AccountID, bool) (cipher.AEAD, error) {
			if err := lost(); err != nil {
				return nil, err
			}
			return key()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	return log
}

// TestSubscriptionFixesItsPosition: also on an empty log, the position that a subscription tells
// leads to the first event after it.
func TestSubscriptionFixesItsPosition(t *testing.T) {
	t.Parallel()
	log := openLog(t, func() error { return nil })
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

// TestEventThatCannotBeReadIsAGap: stored or live, an event whose data key is lost is told, and the
// next one comes.
func TestEventThatCannotBeReadIsAGap(t *testing.T) {
	t.Parallel()
	var lost atomic.Pointer[error]
	log := openLog(t, func() error {
		if err := lost.Load(); err != nil {
			return *err
		}
		return nil
	})
	w, err := log.Claim(t.Context(), "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	wrong := readable(func(context.Context, fleet.AccountID, bool) (cipher.AEAD, error) {
		return nil, sessionstore.ErrMasterKey
	})
	_, wrongKey := wrong(t.Context(), "a", true)
	s, err := feed{log}.Subscribe(t.Context(), control.SubscribeOptions{Kinds: []string{tlupdates.KindTyping, "kept"}})
	if err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull2(s.Events)
	defer stop()
	say := func(what string) {
		t.Helper()
		if _, err := w.Append(t.Context(), eventlog.Record{Kind: "kept", ID: what, Payload: []byte(what)}); err != nil {
			t.Fatal(err)
		}
		if err := log.PublishLive(t.Context(), eventlog.Record{Account: "a", Kind: tlupdates.KindTyping, Payload: []byte(what)}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(texts ...string) {
		t.Helper()
		var got []string
		for range texts {
			e, err, ok := next()
			if err != nil || !ok {
				t.Fatalf("after %v: %v, %v", got, err, ok)
			}
			got = append(got, fmt.Sprint(e.Kind, " ", e.ID, " live:", e.Cursor == ""))
		}
		if slices.Sort(got); !slices.Equal(got, texts) {
			t.Errorf("got %q, want %q", got, texts)
		}
	}
	say("1")
	want("kept 1 live:false", "typing  live:true")
	say("2")
	lost.Store(&wrongKey)
	log.Forget("a")
	want("gap  live:true", "gap log:1-3 live:false")
	lost.Store(nil)
	say("3")
	want("kept 3 live:false", "typing  live:true")
}
