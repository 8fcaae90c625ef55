package peerstest

import (
	"context"
	"errors"
	"fmt"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore/peers"
)

// Failing is a store whose every call fails with Err, for tests of those who use one.
type Failing struct{ Err error }

// Load implements peers.Store.
func (f Failing) Load(_ context.Context, account fleet.AccountID) ([]peers.Peer, error) {
	return nil, fmt.Errorf("load peers of %s: %w", account, f.Err)
}

// Put implements peers.Store.
func (f Failing) Put(_ context.Context, account fleet.AccountID, _ []peers.Peer) error {
	return fmt.Errorf("put peers of %s: %w", account, f.Err)
}

// Delete implements peers.Store.
func (f Failing) Delete(_ context.Context, account fleet.AccountID) error {
	return fmt.Errorf("delete peers of %s: %w", account, f.Err)
}

// RunFailing is the contract of a store whose storage is out of reach: every call is an error, no
// peers come with it, and none of the errors says that something is wrong with what is stored.
func RunFailing(ctx context.Context, s peers.Store) (broken []error) {
	known, err := s.Load(ctx, "contract-a")
	if len(known) > 0 {
		broken = append(broken, fmt.Errorf("%d peers came with error %w", len(known), err))
	}
	for call, err := range map[string]error{
		"load": err, "put": s.Put(ctx, "contract-a", []peers.Peer{user(1, 1, "", false)}), "delete": s.Delete(ctx, "contract-a"),
	} {
		switch {
		case err == nil:
			broken = append(broken, fmt.Errorf("%s: no error", call))
		case errors.Is(err, peers.ErrCorrupt), errors.Is(err, peers.ErrInvalid), errors.Is(err, peers.ErrNoKey):
			broken = append(broken, fmt.Errorf("%s: looks like a decision: %w", call, err))
		}
	}
	return broken
}
