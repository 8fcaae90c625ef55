package requests

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/fleet"
)

// keys gives each account a key of its own.
func keys(_ context.Context, id fleet.AccountID) (cipher.AEAD, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	copy(key, id)
	return chacha20poly1305.NewX(key)
}

// node is a Ledger of a node that owns everything under a token.
type node struct {
	*Ledger
	token fleet.FencingToken
}

func newNode(t *testing.T, s Store, token fleet.FencingToken) *node {
	t.Helper()
	n := &node{token: token}
	l, err := New(Config{
		Store: s, Keys: keys,
		Token: func(context.Context, fleet.AccountID) (fleet.FencingToken, error) { return n.token, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Ledger = l
	return n
}

func command(id, request string) Command {
	return Command{Account: "a", ID: id, Method: "Send", Request: []byte(request), Again: true}
}

func (n *node) begin(t *testing.T, c Command, want State) *Attempt {
	t.Helper()
	a, err := n.Begin(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if a.State() != want {
		t.Fatalf("attempt is %s, want %s", a.State(), want)
	}
	return a
}

func wantReason(t *testing.T, err error, reason string) *fleet.Error {
	t.Helper()
	var own *fleet.Error
	if !errors.As(err, &own) || own.Reason != reason {
		t.Fatalf("got %v, want %s", err, reason)
	}
	return own
}

func TestOutcomeIsRepeatedOnEveryNode(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n1, n2 := newNode(t, s, 1), newNode(t, s, 2)
		a := n1.begin(t, command("r1", "hi"), Fresh)
		if err := a.Finish(t.Context(), []byte("sent"), nil); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*node{n1, n2, newNode(t, s, 3)} {
			again := n.begin(t, command("r1", "hi"), Finished)
			if reply, lost, err := again.Outcome(); string(reply) != "sent" || lost || err != nil {
				t.Errorf("token %d: got %q, %v, %v", n.token, reply, lost, err)
			}
		}
	})
}

func TestRefusalIsRepeated(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n := newNode(t, s, 1)
		refused := &fleet.Error{
			Code: fleet.CodePermissionDenied, Reason: "CHAT_WRITE_FORBIDDEN", Message: "no", Argument: 3,
			Method: "messages.sendMessage", RetryAfter: time.Second, Remedy: "ask",
		}
		if err := n.begin(t, command("r1", "hi"), Fresh).Finish(t.Context(), nil, refused); err != nil {
			t.Fatal(err)
		}
		_, _, err := n.begin(t, command("r1", "hi"), Finished).Outcome()
		if got := wantReason(t, err, refused.Reason); *got != *refused {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOtherRequestWithTheSameIDIsRefused(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n := newNode(t, s, 1)
		a := n.begin(t, command("r1", "hi"), Fresh)
		a.Close()
		_, err := n.Begin(t.Context(), command("r1", "other"))
		wantReason(t, err, "REQUEST_ID_REUSED")
		other := command("r1", "hi")
		other.Method = "Delete"
		_, err = n.Begin(t.Context(), other)
		if own := wantReason(t, err, "REQUEST_ID_REUSED"); own.Code != fleet.CodeInvalidArgument || own.Remedy == "" {
			t.Errorf("got %+v", own)
		}
		elsewhere := command("r1", "other")
		elsewhere.Account = "b"
		b, err := n.Begin(t.Context(), elsewhere)
		if err != nil || b.State() != Fresh {
			t.Errorf("another account's request: %v", err)
		}
		b.Close()
	})
}

func TestUnknownOutcomeIsResumedWithTheSameRandomID(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		a := newNode(t, s, 1).begin(t, command("r1", "hi"), Fresh) // its node dies here
		n2 := newNode(t, s, 2)
		b := n2.begin(t, command("r1", "hi"), Resumed)
		if a.RandomID(0) != b.RandomID(0) || a.RandomID(1) != b.RandomID(1) {
			t.Error("the random ids differ")
		}
		if !a.Since().Equal(b.Since()) {
			t.Errorf("since %s, then %s", a.Since(), b.Since())
		}
		b.Close() // nor does this one know
		c := n2.begin(t, command("r1", "hi"), Resumed)
		if err := c.Finish(t.Context(), []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		n2.begin(t, command("r1", "hi"), Finished)
	})
}

// TestSingleCommandIsAttemptedOnce: a command that may not be carried out again is not taken over; an
// outcome that comes late is found all the same.
func TestSingleCommandIsAttemptedOnce(t *testing.T) {
	s := NewMemory(0)
	n1, n2 := newNode(t, s, 1), newNode(t, s, 2)
	single := command("r1", "request")
	single.Again = false
	first := n1.begin(t, single, Fresh)
	_, err := n2.Begin(t.Context(), single)
	own := wantReason(t, err, "OUTCOME_UNKNOWN")
	if own.Code != fleet.CodeAborted || own.Remedy == "" {
		t.Errorf("got %+v", own)
	}
	if err := first.Finish(t.Context(), []byte("reply"), nil); err != nil {
		t.Fatal(err)
	}
	if reply, _, err := n2.begin(t, single, Finished).Outcome(); err != nil || string(reply) != "reply" {
		t.Errorf("got %q, %v", reply, err)
	}
}

// TestFleetwideCommandsNeedNoOwner and are kept apart from those of accounts.
func TestFleetwideCommandsNeedNoOwner(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		l, err := New(Config{
			Store: s, Keys: keys,
			Token: func(context.Context, fleet.AccountID) (fleet.FencingToken, error) { return 0, errors.New("no owner") },
		})
		if err != nil {
			t.Fatal(err)
		}
		n := &node{Ledger: l}
		c := command("r1", "request")
		c.Account = fleet.Fleetwide
		if err := n.begin(t, c, Fresh).Finish(t.Context(), []byte("reply"), nil); err != nil {
			t.Fatal(err)
		}
		n.begin(t, c, Finished)
		newNode(t, s, 1).begin(t, command("r1", "another"), Fresh)
		if err := l.Forget(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		n.begin(t, c, Finished)
	})
}

func TestStaleOwnerCannotWriteAnOutcome(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		stale, owner := newNode(t, s, 1), newNode(t, s, 2)
		a := stale.begin(t, command("r1", "hi"), Fresh)
		b := owner.begin(t, command("r1", "hi"), Resumed)
		wantReason(t, a.Finish(t.Context(), []byte("stale"), nil), "NOT_OWNER")
		_, err := stale.Begin(t.Context(), command("r1", "hi"))
		if own := wantReason(t, err, "NOT_OWNER"); own.Code != fleet.CodeUnavailable {
			t.Errorf("got %+v", own)
		}
		if err := b.Finish(t.Context(), []byte("owner"), nil); err != nil {
			t.Fatal(err)
		}
		reply, _, err := owner.begin(t, command("r1", "hi"), Finished).Outcome()
		if string(reply) != "owner" || err != nil {
			t.Errorf("got %q, %v", reply, err)
		}
	})
}

func TestDropFreesAFreshIDOnly(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n := newNode(t, s, 1)
		n.begin(t, command("r1", "bad"), Fresh).Drop(t.Context())
		n.begin(t, command("r1", "good"), Fresh).Close()
		n.begin(t, command("r1", "good"), Resumed).Drop(t.Context())
		n.begin(t, command("r1", "good"), Resumed).Close()
	})
}

func TestForgottenCommandsAreFresh(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n := newNode(t, s, 1)
		n.begin(t, command("r1", "x"), Fresh).Close()
		if err := n.Forget(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		n.begin(t, command("r1", "y"), Fresh).Close()
	})
}

// TestRacingNodesHaveOneOutcome: however two nodes with rising tokens interleave, an outcome
// once stored never changes, and all attempts have one random id.
func TestRacingNodesHaveOneOutcome(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		var mu sync.Mutex
		outcomes, randoms := map[string]bool{}, map[int64]bool{}
		var group sync.WaitGroup
		for i := range 8 {
			n := newNode(t, s, fleet.FencingToken(1+i/2))
			group.Go(func() {
				a, err := n.Begin(t.Context(), command("r1", "hi"))
				if err != nil {
					if !errors.Is(err, &fleet.Error{Reason: "NOT_OWNER"}) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				randoms[a.RandomID(0)] = true
				mu.Unlock()
				if a.State() != Finished {
					_ = a.Finish(t.Context(), []byte{byte(i)}, nil)
					return
				}
				reply, _, _ := a.Outcome()
				mu.Lock()
				outcomes[string(reply)] = true
				mu.Unlock()
			})
		}
		group.Wait()
		last := newNode(t, s, 99)
		if a, err := last.Begin(t.Context(), command("r1", "hi")); err != nil {
			t.Fatal(err)
		} else if a.State() == Finished {
			reply, _, _ := a.Outcome()
			outcomes[string(reply)] = true
		} else {
			a.Close()
		}
		if len(outcomes) > 1 || len(randoms) != 1 {
			t.Errorf("outcomes %v, random ids %v", outcomes, randoms)
		}
	})
}

// TestRepetitionWaitsForTheRunningOne, on the same node.
func TestRepetitionWaitsForTheRunningOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, NewMemory(0), 1)
		a := n.begin(t, command("r1", "hi"), Fresh)
		states := make(chan State, 3)
		for range 3 {
			go func() {
				again, err := n.Begin(t.Context(), command("r1", "hi"))
				if err != nil {
					t.Error(err)
				}
				states <- again.State()
			}()
		}
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.Begin(impatient, command("r1", "hi")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if len(states) != 0 {
			t.Fatal("a repetition did not wait")
		}
		if err := a.Finish(t.Context(), []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if s := <-states; s != Finished {
				t.Errorf("got %s", s)
			}
		}
		if len(n.running) != 0 {
			t.Errorf("%d commands still count as running", len(n.running))
		}
	})
}

// TestOutcomeIsWrittenForACallerWhoLeft: what was sent is known to the next one who asks.
func TestOutcomeIsWrittenForACallerWhoLeft(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n := newNode(t, s, 1)
		ctx, cancel := context.WithCancel(t.Context())
		a, err := n.Begin(ctx, command("r1", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := a.Finish(ctx, []byte("sent"), nil); err != nil {
			t.Fatal(err)
		}
		n.begin(t, command("r1", "hi"), Finished)
	})
}

func TestValuesAreSealedAndBound(t *testing.T) {
	s := NewMemory(0)
	n := newNode(t, s, 1)
	if err := n.begin(t, command("r1", "the question"), Fresh).Finish(t.Context(), []byte("the answer"), nil); err != nil {
		t.Fatal(err)
	}
	value, _, err := s.Get(t.Context(), Key{"a", "r1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{"the answer", "the question", "token", "dGhlIGFuc3dlcg"} {
		if bytes.Contains(value, []byte(clear)) {
			t.Errorf("the value shows %q", clear)
		}
	}
	// Neither another request nor another account can pass for it, nor what was changed.
	changed := bytes.Clone(value)
	changed[len(changed)-1] ^= 1
	future := bytes.Clone(value)
	future[0]++
	for k, v := range map[Key][]byte{
		{"a", "r2"}: value, {"b", "r1"}: value, {"a", "r3"}: changed, {"a", "r4"}: value[:10], {"a", "r5"}: future,
	} {
		if _, err := s.Create(t.Context(), k, v); err != nil {
			t.Fatal(err)
		}
		_, err := n.Begin(t.Context(), Command{Account: k.Account, ID: k.ID, Method: "Send", Request: []byte("the question")})
		wantReason(t, err, "REQUEST_CORRUPT")
	}
}

func TestTooLargeReplyIsDoneWithoutIt(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n := newNode(t, s, 1)
		if err := n.begin(t, command("r1", "hi"), Fresh).Finish(t.Context(), make([]byte, MaxValue), nil); err != nil {
			t.Fatal(err)
		}
		if _, lost, err := n.begin(t, command("r1", "hi"), Finished).Outcome(); !lost || err != nil {
			t.Errorf("got %v, %v", lost, err)
		}
	})
}

func TestNothingBeginsWithoutStoreKeyOrOwnership(t *testing.T) {
	n := newNode(t, broken{}, 1)
	_, err := n.Begin(t.Context(), command("r1", "hi"))
	if own := wantReason(t, err, "REQUESTS_UNAVAILABLE"); own.Code != fleet.CodeUnavailable || !errors.Is(err, errBroken) {
		t.Errorf("got %+v", own)
	}
	n = newNode(t, NewMemory(0), 1)
	n.cfg.Keys = func(context.Context, fleet.AccountID) (cipher.AEAD, error) { return nil, errBroken }
	_, err = n.Begin(t.Context(), command("r1", "hi"))
	wantReason(t, err, "REQUESTS_UNAVAILABLE")
	n = newNode(t, NewMemory(0), 1)
	n.cfg.Token = func(context.Context, fleet.AccountID) (fleet.FencingToken, error) { return 0, notOwner("a") }
	_, err = n.Begin(t.Context(), command("r1", "hi"))
	wantReason(t, err, "NOT_OWNER")
	if len(n.running) != 0 {
		t.Error("a command that did not begin counts as running")
	}
}

// TestOutcomeThatCannotBeStoredIsResumed: the store fails between intent and outcome.
func TestOutcomeThatCannotBeStoredIsResumed(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n := newNode(t, s, 1)
		a := n.begin(t, command("r1", "hi"), Fresh)
		n.cfg.Store = broken{}
		if err := a.Finish(t.Context(), nil, nil); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		n.cfg.Store = s
		n.begin(t, command("r1", "hi"), Resumed).Close()
	})
}

func TestRequestIDsAreChecked(t *testing.T) {
	n := newNode(t, NewMemory(0), 1)
	for _, id := range []string{"", "a.b", "ä", "a b", strings.Repeat("x", 65), "*", ">"} {
		_, err := n.Begin(t.Context(), command(id, "hi"))
		if own := wantReason(t, err, "REQUEST_ID_INVALID"); own.Code != fleet.CodeInvalidArgument || len(own.Message) > 500 {
			t.Errorf("%q: %+v", id, own)
		}
	}
	n.begin(t, command(strings.Repeat("x", 64), "hi"), Fresh).Close()
}

// TestRandomIDsAreFixed: a changed derivation would send commands in flight twice.
func TestRandomIDsAreFixed(t *testing.T) {
	aead, _ := keys(t.Context(), "a")
	ids := deriveRandomIDs(aead)
	const want, second int64 = 8024715243277007095, -981449733462158875
	if got := ids("r1", 0); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if got := ids("r1", 1); got != second {
		t.Errorf("got %d, want %d", got, second)
	}
	other, _ := keys(t.Context(), "b")
	if deriveRandomIDs(other)("r1", 0) == ids("r1", 0) || ids("r2", 0) == ids("r1", 0) {
		t.Error("different commands have one random id")
	}
}

// TestCommandThatRenewsTheKeyHasAnOutcome: a sign-out gives its account another data key; its own outcome
// is sealed under that one, while what was sealed before is corrupt, and never done again.
func TestCommandThatRenewsTheKeyHasAnOutcome(t *testing.T) {
	n := newNode(t, NewMemory(0), 1)
	round := byte(0)
	n.cfg.Keys = func(context.Context, fleet.AccountID) (cipher.AEAD, error) {
		return chacha20poly1305.NewX(bytes.Repeat([]byte{round}, chacha20poly1305.KeySize))
	}
	if err := n.begin(t, command("before", "hi"), Fresh).Finish(t.Context(), []byte("sent"), nil); err != nil {
		t.Fatal(err)
	}
	leave := n.begin(t, command("leave", "log out"), Fresh)
	round++
	if err := leave.Finish(t.Context(), []byte("signed out"), nil); err != nil {
		t.Fatal(err)
	}
	if reply, _, err := n.begin(t, command("leave", "log out"), Finished).Outcome(); string(reply) != "signed out" || err != nil {
		t.Errorf("got %q, %v", reply, err)
	}
	_, err := n.Begin(t.Context(), command("before", "hi"))
	wantReason(t, err, "REQUEST_CORRUPT")
}
