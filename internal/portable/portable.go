// Package portable puts sessions that come from elsewhere into the stores of an account, makes those
// that go elsewhere free of our event log, and erases those that have ended.
//
// # Concurrency
//
// All functions may be called by any goroutine; nothing of the account may run meanwhile, unless
// they say so.
//
// # Errors
//
// Those of the stores; SESSION_INVALID for an update state that cannot be read.
package portable

import (
	"context"
	"fmt"
	"maps"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/updates"
)

// Session is a session on its way in: a record, whose checkpoint has no place in our event log,
// and the peers that its user knows.
type Session struct {
	Record *sessionstore.Record
	Peers  []peers.Peer
}

// Stores are where the parts of an account's session lie.
type Stores struct {
	Sessions sessionstore.Store
	Events   updatelog.Log
	Peers    peers.Store
}

// Import stores a session in place of an account's old record. The record comes last: an import
// that fails before leaves an account that nobody is signed in with. When the session does not say
// whose it is, the record is Unverified.
func (s Stores) Import(ctx context.Context, fence fleet.Fence, old *sessionstore.Record, in *Session) error {
	rec := *in.Record
	rec.Account, rec.Keys, rec.Unverified = old.Account, maps.Clone(rec.Keys), rec.UserID == 0
	w, err := s.Events.Claim(ctx, rec.Account, fence.Token())
	if err != nil {
		return fmt.Errorf("claim event log: %w", err)
	}
	same := rec.UserID != 0 && rec.UserID == old.UpdatesOf
	switch {
	case len(rec.Checkpoint) > 0:
		state, _, err := updatelog.DecodeCheckpoint(rec.Checkpoint)
		if err != nil {
			return fleet.Errorf(fleet.CodeInvalidArgument, "SESSION_INVALID", "session: update state: %w", err).WithRemedy("export it again")
		}
		rec.UpdatesOf = rec.UserID
		if rec.Checkpoint, err = updatelog.EncodeCheckpoint(state, w.Claimed()); err != nil {
			return err
		}
	case same || rec.Unverified: // the first connection tells whether it is the same user
		rec.UpdatesOf, rec.Checkpoint = old.UpdatesOf, old.Checkpoint
	default:
		if rec.UpdatesOf, rec.Checkpoint = rec.UserID, nil; old.UpdatesOf != 0 {
			rec.Checkpoint, err = updatelog.EncodeCheckpoint(updates.State{}, w.Claimed())
		}
		if err != nil {
			return err
		}
	}
	if !same { // access hashes are of the user who has seen them
		if err := s.Peers.Delete(ctx, rec.Account); err != nil {
			return fmt.Errorf("forget former peers: %w", err)
		}
	}
	if err := s.Peers.Put(ctx, rec.Account, in.Peers); err != nil {
		return fmt.Errorf("store peers: %w", err)
	}
	return s.Sessions.ReplaceKey(ctx, fence, &rec)
}

// Erase removes what is stored of an account whose session has ended, and leaves rec: events and dead
// letters, peers, auth keys, and by a new data key whatever else was sealed under the former one. The
// record goes last, so that one that says Leaving stays until all is done; every step may be repeated.
// What is appended next goes by the writer that it returns.
func (s Stores) Erase(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) (updatelog.Writer, error) {
	w, err := s.Events.Claim(ctx, rec.Account, fence.Token())
	if err != nil {
		return nil, fmt.Errorf("claim event log: %w", err)
	}
	if err := w.Erase(ctx); err != nil {
		return nil, err
	}
	if err := s.Peers.Delete(ctx, rec.Account); err != nil {
		return nil, fmt.Errorf("forget peers: %w", err)
	}
	if err := s.Sessions.Renew(ctx, fence, rec); err != nil {
		return nil, fmt.Errorf("erase session: %w", err)
	}
	s.Events.Forget(rec.Account)
	return w, nil
}

// Place makes the checkpoint of an exported record its user's place in the updates, without that in
// our event log. Of an account that runs it is the last one stored: the log is the account's own.
func (s Stores) Place(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record, running bool) (err error) {
	var state updates.State
	switch {
	case rec.UserID == 0:
	case !running:
		pos, err := updatelog.Claim(ctx, s.Events, rec.Account, fence.Token(), rec.Checkpoint)
		if err != nil {
			return err
		}
		state = pos.State
	case len(rec.Checkpoint) > 0:
		if state, _, err = updatelog.DecodeCheckpoint(rec.Checkpoint); err != nil {
			return err
		}
	}
	if rec.Checkpoint = nil; state.Known() {
		rec.Checkpoint, err = updatelog.EncodeCheckpoint(state, eventlog.Cursor{})
	}
	return err
}
