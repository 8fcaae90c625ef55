// Package storetest is the contract of sessionstore.Store as tests, run over every
// implementation, and Failing, a store for tests of those who use one.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Store is what the suite tests.
type Store interface {
	sessionstore.Store
	sessionstore.Holders
}

// Fixture is an empty store and what the suite needs around it.
type Fixture struct {
	Store Store
	// Own makes the caller the account's owner and returns its fence; a former one is stale
	// from then on.
	Own func(id fleet.AccountID) fleet.Fence
	// Tamper writes other bytes over the stored ones of an account's record.
	Tamper func(id fleet.AccountID, change func(sessionstore.Sealed) sessionstore.Sealed)
}

// Run runs the contract over stores made by open.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"RecordsComeBackAsSaved":          roundTrip,
		"StaleTokenCannotWrite":           staleToken,
		"AuthKeyBelongsToOneAccount":      keyInUse,
		"KeyOfAuthorisedRecordIsKept":     keyKept,
		"DamageIsAnError":                 damage,
		"RecordOfAnotherAccountIsRefused": swapped,
		"ValueOfAnotherTypeIsRefused":     otherType,
		"OldRecordPutBackIsRefused":       rolledBack,
		"OldCheckpointPutBackIsRefused":   checkpointRolledBack,
		"LargeCheckpointIsKept":           largeCheckpoint,
		"TooLargeRecordIsRefused":         tooLarge,
		"BadRecordIsRefused":              badRecord,
		"RenewedDataKeyOpensNothingOld":   renewed,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// Key makes a distinct auth key.
func Key(n byte) (k sessionstore.AuthKey) {
	for i := range k {
		k[i] = n ^ byte(i)
	}
	return k
}

// Record makes a full record with a home key of its own.
func Record(id fleet.AccountID, key byte) *sessionstore.Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &sessionstore.Record{
		Account: id, HomeDC: 2, UserID: 1 << 40, Bot: true,
		Keys: map[int]sessionstore.DCKey{
			2: {
				Key: Key(key), TimeOffset: -1500 * time.Millisecond, CreatedAt: at, DoubtedSince: at.Add(time.Hour),
				Salts: []sessionstore.Salt{{ValidSince: at.Unix(), ValidUntil: at.Add(time.Hour).Unix(), Value: -7}},
			},
			-4: {Key: Key(key + 128)},
		},
		Unverified: true, UpdatesOf: 1 << 41, Leaving: true,
		Restriction: sessionstore.Restriction{Reason: "PEER_FLOOD", Message: "of strangers", Until: at},
		Checkpoint:  []byte("checkpoint"), FutureAuthToken: []byte("future"),
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Core makes a change of the record of a change of its core.
func Core(change func([]byte) []byte) func(sessionstore.Sealed) sessionstore.Sealed {
	return func(s sessionstore.Sealed) sessionstore.Sealed {
		s.Core = change(s.Core)
		return s
	}
}

// Checkpoint makes a change of the record of a change of its checkpoint.
func Checkpoint(change func([]byte) []byte) func(sessionstore.Sealed) sessionstore.Sealed {
	return func(s sessionstore.Sealed) sessionstore.Sealed {
		s.Checkpoint = change(s.Checkpoint)
		return s
	}
}

// want checks the decision and that the error names the account.
func want(t *testing.T, err error, target *fleet.Error, id fleet.AccountID) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got %v, want %s", err, target.Reason)
		return
	}
	if !strings.Contains(err.Error(), string(id)) {
		t.Errorf("%v does not name %s", err, id)
	}
	var fe *fleet.Error
	if errors.As(err, &fe) && fe.Remedy == "" && target != sessionstore.ErrFenced {
		t.Errorf("%v has no remedy", err)
	}
}

func load(t *testing.T, s sessionstore.Store, id fleet.AccountID) (*sessionstore.Record, error) {
	t.Helper()
	rec, err := s.Load(t.Context(), id)
	if err != nil && rec != nil {
		t.Errorf("a record came with error %v", err)
	}
	return rec, err
}

func same(t *testing.T, s sessionstore.Store, want *sessionstore.Record) {
	t.Helper()
	got, err := load(t, s, want.Account)
	must(t, err)
	if got.UpdatedAt.IsZero() {
		t.Error("the time of saving is missing")
	}
	diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(sessionstore.Record{}, "UpdatedAt"),
		cmp.Comparer(func(a, b sessionstore.AuthKey) bool { return a == b }))
	if diff != "" {
		t.Errorf("read back: %s", diff)
	}
}

func roundTrip(t *testing.T, f Fixture) {
	_, err := load(t, f.Store, "a")
	want(t, err, sessionstore.ErrNotFound, "a")
	fence := f.Own("a")
	fresh := &sessionstore.Record{Account: "a"}
	must(t, f.Store.Save(t.Context(), fence, fresh))
	same(t, f.Store, fresh)
	full := Record("a", 1)
	must(t, f.Store.Save(t.Context(), fence, full))
	same(t, f.Store, full)
	full.Checkpoint = []byte("later")
	must(t, f.Store.Save(t.Context(), fence, full))
	same(t, f.Store, full)
	full.Bot = false // the checkpoint stays as it is
	must(t, f.Store.Save(t.Context(), fence, full))
	same(t, f.Store, full)
	full.Checkpoint = nil
	must(t, f.Store.Save(t.Context(), fence, full))
	same(t, f.Store, full)
	must(t, f.Store.Delete(t.Context(), fence, "a"))
	_, err = load(t, f.Store, "a")
	want(t, err, sessionstore.ErrNotFound, "a")
	must(t, f.Store.Delete(t.Context(), fence, "a"))
}

func staleToken(t *testing.T, f Fixture) {
	stale := f.Own("a")
	kept := Record("a", 1)
	must(t, f.Store.Save(t.Context(), stale, kept))
	fence := f.Own("a")
	kept.Checkpoint = []byte("of the new owner")
	must(t, f.Store.Save(t.Context(), fence, kept))
	late := Record("a", 1)
	want(t, f.Store.Save(t.Context(), stale, late), sessionstore.ErrFenced, "a")
	want(t, f.Store.ReplaceKey(t.Context(), stale, late), sessionstore.ErrFenced, "a")
	want(t, f.Store.Delete(t.Context(), stale, "a"), sessionstore.ErrFenced, "a")
	want(t, f.Store.Save(t.Context(), fleet.Fence{}, late), sessionstore.ErrFenced, "a")
	want(t, f.Store.Save(t.Context(), fleet.Fence{Key: "nothing here"}, late), sessionstore.ErrFenced, "a")
	same(t, f.Store, kept)
}

func keyInUse(t *testing.T, f Fixture) {
	a, b := f.Own("a"), f.Own("b")
	must(t, f.Store.Save(t.Context(), a, Record("a", 1)))
	copied := Record("b", 1)
	err := f.Store.Save(t.Context(), b, copied)
	want(t, err, sessionstore.ErrKeyInUse, "b")
	if err != nil && !strings.Contains(err.Error(), "account a") {
		t.Errorf("%v does not name the other account", err)
	}
	want(t, f.Store.ReplaceKey(t.Context(), b, copied), sessionstore.ErrKeyInUse, "b")
	_, err = load(t, f.Store, "b")
	want(t, err, sessionstore.ErrNotFound, "b")
	holds(t, f, 1, "a")
	must(t, f.Store.Delete(t.Context(), a, "a"))
	holds(t, f, 1, "")
	must(t, f.Store.Save(t.Context(), b, copied))
	holds(t, f, 1, "b")
	// A key that its record gives up is free again.
	must(t, f.Store.ReplaceKey(t.Context(), b, Record("b", 2)))
	must(t, f.Store.Save(t.Context(), a, Record("a", 1)))
}

// renewed: what was sealed before cannot be read again, and the account goes on under the new key.
func renewed(t *testing.T, f Fixture) {
	stale := f.Own("a")
	must(t, f.Store.Save(t.Context(), stale, Record("a", 1)))
	fence := f.Own("a")
	next := &sessionstore.Record{Account: "a", HomeDC: 2, FutureAuthToken: []byte("later")}
	want(t, f.Store.Renew(t.Context(), stale, next), sessionstore.ErrFenced, "a")
	same(t, f.Store, Record("a", 1))
	var old sessionstore.Sealed
	f.Tamper("a", func(s sessionstore.Sealed) sessionstore.Sealed { old = s; return s })
	must(t, f.Store.Renew(t.Context(), fence, next))
	same(t, f.Store, next)
	holds(t, f, 1, "")
	must(t, f.Store.Save(t.Context(), fence, Record("a", 2)))
	same(t, f.Store, Record("a", 2))
	f.Tamper("a", func(sessionstore.Sealed) sessionstore.Sealed { return old })
	_, err := load(t, f.Store, "a")
	want(t, err, sessionstore.ErrCorrupt, "a")
	must(t, f.Store.Renew(t.Context(), fence, next)) // a damaged record is no obstacle
	same(t, f.Store, next)
}

func holds(t *testing.T, f Fixture, key byte, want fleet.AccountID) {
	t.Helper()
	if got, err := f.Store.Holder(t.Context(), Key(key).ID()); got != want || err != nil {
		t.Errorf("the key belongs to %q, %v; want %q", got, err, want)
	}
}

// keyKept: a key is never replaced because of one -404 (F18).
func keyKept(t *testing.T, f Fixture) {
	fence := f.Own("a")
	rec := Record("a", 1)
	unauthorised := Record("a", 9)
	unauthorised.UserID, unauthorised.Unverified = 0, false
	must(t, f.Store.Save(t.Context(), fence, unauthorised))
	unverified := Record("a", 8) // whose it is has to be asked yet
	unverified.UserID = 0
	must(t, f.Store.Save(t.Context(), fence, unverified))
	if err := f.Store.Save(t.Context(), fence, Record("a", 9)); !errors.Is(err, sessionstore.ErrKeyReplaced) {
		t.Errorf("over an unverified key: %v", err)
	}
	must(t, f.Store.ReplaceKey(t.Context(), fence, unauthorised))
	must(t, f.Store.Save(t.Context(), fence, rec)) // not signed in yet: a new key is fine

	moved := Record("a", 1)
	moved.HomeDC = 4
	gone := Record("a", 1)
	delete(gone.Keys, 2)
	empty := &sessionstore.Record{Account: "a"}
	for what, bad := range map[string]*sessionstore.Record{
		"another key": Record("a", 2), "another home DC": moved, "no home key": gone, "an empty record": empty,
	} {
		if err := f.Store.Save(t.Context(), fence, bad); !errors.Is(err, sessionstore.ErrKeyReplaced) {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, f.Store, rec)
	side := Record("a", 1)
	side.Keys[5] = sessionstore.DCKey{Key: Key(77)}
	must(t, f.Store.Save(t.Context(), fence, side))
	replaced := Record("a", 2)
	must(t, f.Store.ReplaceKey(t.Context(), fence, replaced))
	same(t, f.Store, replaced)
}

// damage: detected, never a silent default (F11).
func damage(t *testing.T, f Fixture) {
	fence := f.Own("a")
	for name, change := range map[string]func([]byte) []byte{
		"empty":       func([]byte) []byte { return nil },
		"truncated":   func(b []byte) []byte { return b[:len(b)-1] },
		"cut short":   func(b []byte) []byte { return b[:7] },
		"longer":      func(b []byte) []byte { return append(b, 0) },
		"nonce bit":   func(b []byte) []byte { b[9] ^= 1; return b },
		"middle bit":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"tag bit":     func(b []byte) []byte { b[len(b)-1] ^= 128; return b },
		"old version": func(b []byte) []byte { b[3] = 0; return b },
		"new version": func(b []byte) []byte { b[3]++; return b },
		"not sealed":  func([]byte) []byte { return []byte(strings.Repeat("{}", 100)) },
	} {
		must(t, f.Store.ReplaceKey(t.Context(), fence, Record("a", 1)))
		f.Tamper("a", Checkpoint(change))
		_, err := load(t, f.Store, "a")
		want(t, err, sessionstore.ErrCorrupt, "a")
		must(t, f.Store.ReplaceKey(t.Context(), fence, Record("a", 1)))
		f.Tamper("a", Core(change))
		_, err = load(t, f.Store, "a")
		if !errors.Is(err, sessionstore.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want(t, err, sessionstore.ErrCorrupt, "a")
		if err := f.Store.Save(t.Context(), fence, Record("a", 1)); !errors.Is(err, sessionstore.ErrCorrupt) {
			t.Errorf("%s: written over: %v", name, err)
		}
	}
	// Deleting a damaged record frees its keys nevertheless.
	must(t, f.Store.Delete(t.Context(), fence, "a"))
	must(t, f.Store.Save(t.Context(), f.Own("b"), Record("b", 1)))
}

// steal reads the stored bytes of an account.
func (f Fixture) steal(id fleet.AccountID) (stolen sessionstore.Sealed) {
	f.Tamper(id, func(s sessionstore.Sealed) sessionstore.Sealed { stolen = s; return s })
	return stolen
}

// put writes stolen bytes over those of an account.
func (f Fixture) put(id fleet.AccountID, stolen sessionstore.Sealed) {
	f.Tamper(id, func(sessionstore.Sealed) sessionstore.Sealed { return stolen })
}

func swapped(t *testing.T, f Fixture) {
	a, b := f.Own("a"), f.Own("b")
	must(t, f.Store.Save(t.Context(), a, Record("a", 1)))
	must(t, f.Store.Save(t.Context(), a, Record("a", 1))) // the second write, as what is put there
	must(t, f.Store.Save(t.Context(), b, Record("b", 2)))
	stolen := f.steal("a")
	f.put("b", stolen)
	_, err := load(t, f.Store, "b")
	want(t, err, sessionstore.ErrCorrupt, "b")
	must(t, f.Store.ReplaceKey(t.Context(), b, Record("b", 2)))
	f.Tamper("b", Checkpoint(func([]byte) []byte { return stolen.Checkpoint }))
	_, err = load(t, f.Store, "b")
	want(t, err, sessionstore.ErrCorrupt, "b")
}

func otherType(t *testing.T, f Fixture) {
	fence := f.Own("a")
	must(t, f.Store.Save(t.Context(), fence, Record("a", 1)))
	stolen := f.steal("a")
	f.Tamper("a", Core(func([]byte) []byte { return stolen.Checkpoint }))
	_, err := load(t, f.Store, "a")
	want(t, err, sessionstore.ErrCorrupt, "a")
	must(t, f.Store.ReplaceKey(t.Context(), fence, Record("a", 1)))
	f.Tamper("a", Checkpoint(func([]byte) []byte { return stolen.Core }))
	_, err = load(t, f.Store, "a")
	want(t, err, sessionstore.ErrCorrupt, "a")
}

// rolledBack: an old record that is put back could bring back a key that is long gone.
func rolledBack(t *testing.T, f Fixture) {
	fence := f.Own("a")
	must(t, f.Store.Save(t.Context(), fence, Record("a", 1)))
	old := f.steal("a")
	must(t, f.Store.ReplaceKey(t.Context(), fence, Record("a", 2)))
	f.put("a", old)
	_, err := load(t, f.Store, "a")
	want(t, err, sessionstore.ErrCorrupt, "a")
	if err != nil && !strings.Contains(err.Error(), "put back") {
		t.Errorf("%v does not say what happened", err)
	}
	if err := f.Store.Save(t.Context(), fence, Record("a", 1)); !errors.Is(err, sessionstore.ErrCorrupt) {
		t.Errorf("written over: %v", err)
	}
}

func checkpointRolledBack(t *testing.T, f Fixture) {
	fence, rec := f.Own("a"), Record("a", 1)
	must(t, f.Store.Save(t.Context(), fence, rec))
	old := f.steal("a")
	rec.Checkpoint = []byte("later")
	must(t, f.Store.Save(t.Context(), fence, rec))
	f.Tamper("a", Checkpoint(func([]byte) []byte { return old.Checkpoint }))
	_, err := load(t, f.Store, "a")
	want(t, err, sessionstore.ErrCorrupt, "a")
	must(t, f.Store.ReplaceKey(t.Context(), fence, rec))
	f.Tamper("a", func(s sessionstore.Sealed) sessionstore.Sealed { s.Checkpoint = nil; return s })
	_, err = load(t, f.Store, "a")
	want(t, err, sessionstore.ErrCorrupt, "a")
}

// largeCheckpoint: an account may be in thousands of channels.
func largeCheckpoint(t *testing.T, f Fixture) {
	fence, rec := f.Own("a"), Record("a", 1)
	rec.Checkpoint = bytes.Repeat([]byte{7}, sessionstore.MaxCheckpoint)
	must(t, f.Store.Save(t.Context(), fence, rec))
	same(t, f.Store, rec)
	rec.Checkpoint = rec.Checkpoint[:100<<10]
	must(t, f.Store.Save(t.Context(), fence, rec))
	same(t, f.Store, rec)
}

func tooLarge(t *testing.T, f Fixture) {
	fence := f.Own("a")
	rec := Record("a", 1)
	must(t, f.Store.Save(t.Context(), fence, rec))
	big := Record("a", 1)
	big.Checkpoint = make([]byte, sessionstore.MaxCheckpoint+1)
	want(t, f.Store.Save(t.Context(), fence, big), sessionstore.ErrTooLarge, "a")
	big = Record("a", 1)
	big.FutureAuthToken = make([]byte, sessionstore.MaxSealed)
	want(t, f.Store.Save(t.Context(), fence, big), sessionstore.ErrTooLarge, "a")
	same(t, f.Store, rec)
}

func badRecord(t *testing.T, f Fixture) {
	fence := f.Own("a")
	unset := Record("a", 1)
	unset.Keys[3] = sessionstore.DCKey{}
	for what, bad := range map[string]*sessionstore.Record{
		"an unset key": unset, "a bad name": {Account: "+49"}, "too many salts": manySalts(),
	} {
		var fe *fleet.Error
		if err := f.Store.Save(t.Context(), fence, bad); !errors.As(err, &fe) || fe.Code != fleet.CodeInvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func manySalts() *sessionstore.Record {
	rec := Record("a", 1)
	key := rec.Keys[2]
	key.Salts = make([]sessionstore.Salt, 1000)
	rec.Keys[2] = key
	return rec
}

// Failing is a store whose every call fails with Err.
type Failing struct{ Err error }

// Load implements sessionstore.Store.
func (f Failing) Load(_ context.Context, id fleet.AccountID) (*sessionstore.Record, error) {
	return nil, fmt.Errorf("load %s: %w", id, f.Err)
}

// Save implements sessionstore.Store.
func (f Failing) Save(_ context.Context, _ fleet.Fence, rec *sessionstore.Record) error {
	return fmt.Errorf("save %s: %w", rec.Account, f.Err)
}

// ReplaceKey implements sessionstore.Store.
func (f Failing) ReplaceKey(_ context.Context, _ fleet.Fence, rec *sessionstore.Record) error {
	return fmt.Errorf("save %s: %w", rec.Account, f.Err)
}

// Renew implements sessionstore.Store.
func (f Failing) Renew(_ context.Context, _ fleet.Fence, rec *sessionstore.Record) error {
	return fmt.Errorf("renew %s: %w", rec.Account, f.Err)
}

// Delete implements sessionstore.Store.
func (f Failing) Delete(_ context.Context, _ fleet.Fence, id fleet.AccountID) error {
	return fmt.Errorf("delete %s: %w", id, f.Err)
}

// Holder implements sessionstore.Store.
func (f Failing) Holder(_ context.Context, key sessionstore.KeyID) (fleet.AccountID, error) {
	return "", fmt.Errorf("read the holder of %s: %w", key, f.Err)
}

// RunFailing is the contract of a store whose storage is out of reach: every call fails,
// none of the errors is a decision about the record, and nothing comes with them.
func RunFailing(t *testing.T, s Store) {
	fence := fleet.Fence{Key: "own/a", CreateRevision: 1}
	rec, err := s.Load(t.Context(), "a")
	if rec != nil {
		t.Errorf("a record came with error %v", err)
	}
	holder, missing := s.Holder(t.Context(), 1)
	if holder != "" {
		t.Errorf("a holder came with error %v", missing)
	}
	for call, err := range map[string]error{
		"load": err, "holder": missing, "save": s.Save(t.Context(), fence, Record("a", 1)),
		"replace key": s.ReplaceKey(t.Context(), fence, Record("a", 1)), "delete": s.Delete(t.Context(), fence, "a"),
		"renew": s.Renew(t.Context(), fence, Record("a", 1)),
	} {
		if err == nil {
			t.Errorf("%s: no error", call)
		}
		for _, decision := range []error{
			sessionstore.ErrNotFound, sessionstore.ErrCorrupt, sessionstore.ErrFenced,
			sessionstore.ErrKeyInUse, sessionstore.ErrKeyReplaced, sessionstore.ErrTooLarge,
		} {
			if errors.Is(err, decision) {
				t.Errorf("%s: looks like a decision: %v", call, err)
			}
		}
	}
}
