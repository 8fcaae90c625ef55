package requests

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/telefleet/orchestrator/fleet"
)

// Note is a small value of an account, beside its commands: what a method remembers over a restart of its
// node. Like outcomes it is sealed and fenced, and forgotten TTL after its last write. It belongs to one
// goroutine at a time.
type Note struct {
	ledger   *Ledger
	key      Key
	kept     note
	revision uint64 // 0: there is none
}

// note is what is stored, sealed.
type note struct {
	Token fleet.FencingToken `json:"token"`
	Value []byte             `json:"value"`
}

// Note reads the account's note of this name, of any length, or makes an empty one. A note that does not
// open counts as empty.
func (l *Ledger) Note(ctx context.Context, account fleet.AccountID, name string) (*Note, error) {
	if err := account.Validate(); err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(name))
	n := &Note{ledger: l, key: Key{account, "note=" + base64.RawURLEncoding.EncodeToString(hash[:])}} // no request id has a =
	sealed, revision, err := l.cfg.Store.Get(ctx, n.key)
	if errors.Is(err, ErrNotFound) {
		return n, nil
	}
	if err != nil {
		return nil, noteUnavailable(err)
	}
	n.revision = revision
	aead, err := l.key(ctx, account)
	if err != nil {
		return nil, noteUnavailable(err)
	}
	plain, err := openValue(aead, n.associated(), sealed)
	if err == nil {
		err = json.Unmarshal(plain, &n.kept)
	}
	if err != nil {
		l.cfg.Log.Warn("a note cannot be read", "account", string(account), "error", err)
		n.kept = note{}
	}
	return n, nil
}

func (n *Note) associated() []byte { return associated("note", n.key) }

// Value is what the note has; nil when it is empty.
func (n *Note) Value() []byte { return n.kept.Value }

// Put replaces the value, at most MaxValue less what sealing adds. NOT_OWNER says that another node has
// taken the account or the note over.
func (n *Note) Put(ctx context.Context, value []byte) error {
	token, err := n.ledger.cfg.Token(ctx, n.key.Account)
	if err != nil {
		return err
	}
	if n.kept.Token > token {
		return notOwner(n.key.Account)
	}
	aead, err := n.ledger.key(ctx, n.key.Account)
	if err != nil {
		return noteUnavailable(err)
	}
	next := note{Token: token, Value: value}
	plain, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode note: %w", err)
	}
	sealed, err := sealValue(aead, n.associated(), plain)
	if err != nil {
		return fmt.Errorf("seal note: %w", err)
	}
	var revision uint64
	if n.revision == 0 {
		revision, err = n.ledger.cfg.Store.Create(ctx, n.key, sealed)
	} else {
		revision, err = n.ledger.cfg.Store.Update(ctx, n.key, sealed, n.revision)
	}
	switch {
	case errors.Is(err, ErrConflict):
		return notOwner(n.key.Account)
	case err != nil:
		return noteUnavailable(err)
	}
	n.kept, n.revision = next, revision
	return nil
}

// Drop removes the note.
func (n *Note) Drop(ctx context.Context) error {
	if n.revision == 0 {
		return nil
	}
	err := n.ledger.cfg.Store.Delete(ctx, n.key, n.revision)
	switch {
	case errors.Is(err, ErrConflict):
		return notOwner(n.key.Account)
	case err != nil:
		return noteUnavailable(err)
	}
	n.kept, n.revision = note{}, 0
	return nil
}

func noteUnavailable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fleet.Errorf(fleet.CodeUnavailable, "REQUESTS_UNAVAILABLE", "the store of requests does not answer: %w", err).
		WithRemedy("repeat the call in a moment")
}
