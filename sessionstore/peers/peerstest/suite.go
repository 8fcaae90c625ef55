// Package peerstest is the contract of peers.Store as a test suite, run over every
// implementation, and over a broken one that must fail it.
//
// # Usage
//
//	for _, err := range peerstest.Run(ctx, store) { t.Error(err) }
package peerstest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore/peers"
)

type step struct {
	name string
	run  func(ctx context.Context, s peers.Store, account fleet.AccountID) error
}

// Run gives each broken promise as an error that names it. The store may hold other accounts;
// those called contract-<n> are used.
func Run(ctx context.Context, s peers.Store) []error {
	var errs []error
	for i, st := range []step{
		{"an unknown account has no peers", unknownIsEmpty},
		{"what is put is loaded", putIsLoaded},
		{"kinds have their own numbers", kindsAreApart},
		{"a min hash never replaces a full one", minKeepsFull},
		{"a full hash replaces a min one", fullReplacesMin},
		{"accounts are apart", accountsAreApart},
		{"delete forgets all", deleteForgets},
		{"bad peers are refused whole", badIsRefused},
		{"many peers fit", manyFit},
		{"parallel writers merge", writersMerge},
		{"a cancelled context is an error", cancelled},
	} {
		if err := st.run(ctx, s, fleet.AccountID(fmt.Sprintf("contract-%d", i))); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", st.name, err))
		}
	}
	return errs
}

func sorted(ps []peers.Peer) []peers.Peer {
	ps = slices.Clone(ps)
	slices.SortFunc(ps, func(a, b peers.Peer) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return ps
}

func want(ctx context.Context, s peers.Store, account fleet.AccountID, ps ...peers.Peer) error {
	got, err := s.Load(ctx, account)
	if err != nil {
		return err
	}
	if !slices.Equal(sorted(got), sorted(ps)) {
		if len(ps) > 20 {
			return fmt.Errorf("loaded %d peers, or others than the %d put", len(got), len(ps))
		}
		return fmt.Errorf("loaded %v, want %v", sorted(got), sorted(ps))
	}
	return nil
}

func user(id, hash int64, name string, min bool) peers.Peer {
	return peers.Peer{ID: id, Kind: peers.User, AccessHash: hash, Username: name, Min: min}
}

func unknownIsEmpty(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	return want(ctx, s, a)
}

func putIsLoaded(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	one, two := user(1, -1<<63, "one", false), user(1<<52, 7, "", true)
	if err := s.Put(ctx, a, []peers.Peer{one}); err != nil {
		return err
	}
	if err := s.Put(ctx, a, []peers.Peer{two}); err != nil {
		return err
	}
	if err := s.Put(ctx, a, nil); err != nil {
		return err
	}
	return want(ctx, s, a, one, two)
}

func kindsAreApart(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	ps := []peers.Peer{user(5, 1, "u", false), {ID: 5, Kind: peers.Chat}, {ID: 5, Kind: peers.Channel, AccessHash: 2}}
	if err := s.Put(ctx, a, ps); err != nil {
		return err
	}
	return want(ctx, s, a, ps...)
}

func minKeepsFull(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	full := user(1, 10, "name", false)
	for _, p := range []peers.Peer{full, user(1, 99, "other", true)} {
		if err := s.Put(ctx, a, []peers.Peer{p}); err != nil {
			return err
		}
	}
	return want(ctx, s, a, full)
}

func fullReplacesMin(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	full := user(1, 10, "name", false)
	for _, p := range []peers.Peer{user(1, 99, "other", true), full} {
		if err := s.Put(ctx, a, []peers.Peer{p}); err != nil {
			return err
		}
	}
	return want(ctx, s, a, full)
}

func accountsAreApart(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	longer := a + "-2"
	if err := s.Put(ctx, a, []peers.Peer{user(1, 1, "", false)}); err != nil {
		return err
	}
	if err := s.Put(ctx, longer, []peers.Peer{user(2, 2, "", false)}); err != nil {
		return err
	}
	if err := want(ctx, s, a, user(1, 1, "", false)); err != nil {
		return err
	}
	if err := s.Delete(ctx, a); err != nil {
		return err
	}
	return want(ctx, s, longer, user(2, 2, "", false))
}

func deleteForgets(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	if err := s.Put(ctx, a, []peers.Peer{user(1, 1, "x", false)}); err != nil {
		return err
	}
	if err := s.Delete(ctx, a); err != nil {
		return err
	}
	if err := want(ctx, s, a); err != nil {
		return err
	}
	if err := s.Delete(ctx, a); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if err := s.Put(ctx, a, []peers.Peer{user(2, 2, "", false)}); err != nil {
		return err
	}
	return want(ctx, s, a, user(2, 2, "", false))
}

func badIsRefused(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	for _, bad := range []peers.Peer{{ID: 1}, {ID: 1, Kind: 9}, user(1, 1, strings.Repeat("x", 100), false)} {
		err := s.Put(ctx, a, []peers.Peer{user(7, 7, "", false), bad})
		if !errors.Is(err, peers.ErrInvalid) {
			return fmt.Errorf("put of %v: %w, want ErrInvalid", bad, err)
		}
	}
	if err := s.Put(ctx, "Not.An.Account", []peers.Peer{user(1, 1, "", false)}); err == nil {
		return errors.New("a bad account id is accepted")
	}
	return want(ctx, s, a)
}

// manyFit needs more than one page of every size, in one call and over several.
func manyFit(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	var ps []peers.Peer
	for i := range int64(9000) {
		ps = append(ps, user(i*7919, i, fmt.Sprint("user_", i), i%5 == 0))
	}
	for _, part := range [][]peers.Peer{ps[:10], ps[10:4000], ps[4000:4001], ps[4001:], ps[:100]} {
		if err := s.Put(ctx, a, part); err != nil {
			return err
		}
	}
	return want(ctx, s, a, ps...)
}

func writersMerge(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	var all []peers.Peer
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for w := range int64(4) {
		var mine []peers.Peer
		for i := range int64(600) {
			mine = append(mine, user(w*1000+i, i+1, fmt.Sprint("name", w, "x", i), false))
		}
		all = append(all, mine...)
		wg.Go(func() {
			for part := range slices.Chunk(mine, 100) {
				if err := s.Put(ctx, a, part); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return want(ctx, s, a, all...)
}

func cancelled(ctx context.Context, s peers.Store, a fleet.AccountID) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Put(ctx, a, []peers.Peer{user(1, 1, "", false)}); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("put: %w", err)
	}
	if _, err := s.Load(ctx, a); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}
