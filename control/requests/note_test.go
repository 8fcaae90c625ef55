package requests

import (
	"bytes"
	"context"
	"testing"

	"github.com/telefleet/orchestrator/fleet"
)

func (n *node) note(t *testing.T, account fleet.AccountID, name string) *Note {
	t.Helper()
	got, err := n.Note(t.Context(), account, name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestNotesAreReadByTheNextOwner(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		n1, n2 := newNode(t, s, 1), newNode(t, s, 2)
		a := n1.note(t, "a", "a name: any")
		if a.Value() != nil {
			t.Errorf("a new note has %q", a.Value())
		}
		for _, v := range []string{"one", "two"} {
			if err := a.Put(t.Context(), []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
		b := n2.note(t, "a", "a name: any")
		if string(b.Value()) != "two" || n2.note(t, "a", "another").Value() != nil || n2.note(t, "b", "a name: any").Value() != nil {
			t.Errorf("the next owner reads %q", b.Value())
		}
		if err := b.Put(t.Context(), []byte("three")); err != nil {
			t.Fatal(err)
		}
		// The former owner neither writes nor removes, whether it has read the note before or not.
		for _, former := range []*Note{a, n1.note(t, "a", "a name: any")} {
			wantReason(t, former.Put(t.Context(), []byte("late")), "NOT_OWNER")
		}
		wantReason(t, a.Drop(t.Context()), "NOT_OWNER")
		if got := n2.note(t, "a", "a name: any").Value(); string(got) != "three" {
			t.Errorf("the note has %q", got)
		}
		if err := b.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := n2.note(t, "a", "a name: any").Value(); got != nil {
			t.Errorf("a dropped note has %q", got)
		}
		if err := b.Drop(t.Context()); err != nil {
			t.Errorf("drop again: %v", err)
		}
	})
}

// TestNotesAreSealedAndNoRequests: nobody reads a note without the account's key, by a request id, or under
// another name.
func TestNotesAreSealedAndNoRequests(t *testing.T) {
	s := NewMemory(0)
	n := newNode(t, s, 1)
	a := n.note(t, "a", "x")
	if err := a.Put(t.Context(), []byte("a secret")); err != nil {
		t.Fatal(err)
	}
	sealed, _, err := s.Get(t.Context(), a.key)
	if err != nil || bytes.Contains(sealed, []byte("secret")) {
		t.Errorf("stored: %q, %v", sealed, err)
	}
	_, err = n.Begin(t.Context(), Command{Account: "a", ID: a.key.ID, Method: "Send"})
	wantReason(t, err, "REQUEST_ID_INVALID")
	moved := n.note(t, "a", "y")
	if _, err := s.Create(t.Context(), moved.key, sealed); err != nil {
		t.Fatal(err)
	}
	if got := n.note(t, "a", "y"); got.Value() != nil {
		t.Errorf("under another name it has %q", got.Value())
	} else if err := got.Put(t.Context(), []byte("new")); err != nil {
		t.Errorf("what cannot be read is not replaced: %v", err)
	}
	if err := n.Forget(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := n.note(t, "a", "x").Value(); got != nil {
		t.Errorf("a forgotten account has %q", got)
	}
	if _, err := n.Note(context.Background(), "", "x"); err == nil {
		t.Error("a note of no account was made")
	}
}
