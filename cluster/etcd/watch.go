package etcd

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

const (
	// bookmarkDelay gathers changes before a bookmark is asked for.
	bookmarkDelay = 100 * time.Millisecond
	// idleBookmark keeps the bookmarks of a watch without changes younger than what is compacted.
	idleBookmark = time.Minute
)

// WatchOptions selects what to watch.
type WatchOptions struct {
	// Revision behind which to begin; 0 = tell of all accounts first.
	Revision int64
	// Match selects by labels; nil = all.
	Match func(labels map[string]string) bool
}

// Watch tells of accounts and their changes, in any order between accounts, until ctx ends.
// Changes may be told twice, and several of one account as one; none is left out up to each
// bookmark. ErrTooOld when the revision, or what was missed while etcd was away, is no longer
// kept.
func (a *Accounts) Watch(ctx context.Context, o WatchOptions) iter.Seq2[cluster.AccountChange, error] {
	return func(yield func(cluster.AccountChange, error) bool) {
		w := &watch{
			accounts: a, match: o.Match, rows: make(map[fleet.AccountID]*watched),
			tell: func(c cluster.AccountChange) bool { return yield(c, nil) },
		}
		err := w.run(ctx, o.Revision)
		if err != nil && !errors.Is(err, errStopped) && ctx.Err() == nil {
			yield(cluster.AccountChange{}, err)
		}
	}
}

// errStopped ends a watch whose consumer has had enough.
var errStopped = errors.New("stopped")

// watch merges three keys of each account. Its watchers are independent of each other: a place
// to go on from is the lowest one that all of them have reached, of which etcd tells when asked.
type watch struct {
	accounts *Accounts
	match    func(map[string]string) bool
	tell     func(cluster.AccountChange) bool
	rows     map[fleet.AccountID]*watched
	pos      [parts]int64 // everything up to here has been told
	marked   int64        // the last bookmark
}

type watched struct {
	account cluster.Account
	mods    [parts]int64
	told    bool // the consumer knows of it
}

func (w *watch) run(ctx context.Context, from int64) error {
	list, rev, err := w.accounts.List(ctx, ListOptions{Revision: from})
	if err != nil {
		return err
	}
	for _, acc := range list {
		row := &watched{account: acc, mods: [parts]int64{rev, rev, rev}}
		w.rows[acc.Spec.Account] = row
		if row.told = w.matches(acc); row.told && from == 0 && !w.tell(cluster.AccountChange{Kind: cluster.Added, Account: acc}) {
			return errStopped
		}
	}
	w.pos, w.marked = [parts]int64{rev, rev, rev}, rev
	if !w.tell(cluster.AccountChange{Kind: cluster.Synced, Revision: rev}) {
		return errStopped
	}
	wait := relistPause
	for {
		began := time.Now()
		err := w.follow(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, errStopped):
			return err
		case errors.Is(err, rpctypes.ErrCompacted):
			return tooOld(slices.Min(w.pos[:]))
		}
		if time.Since(began) > maxRelistPause {
			wait = relistPause
		}
		pause(ctx, wait/2+rand.N(wait))
		wait = min(2*wait, maxRelistPause)
	}
}

func (w *watch) matches(a cluster.Account) bool {
	return a.Spec.Account != "" && (w.match == nil || w.match(a.Spec.Labels))
}

// follow watches from where the watch stands until something fails.
func (w *watch) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	a := w.accounts
	var in [parts]clientv3.WatchChan
	for p, dir := range [parts]string{specPart: a.keys.specs(), statusPart: a.keys.statuses(), ownPart: a.keys.owns()} {
		in[p] = a.client.Watch(ctx, dir, clientv3.WithPrefix(), clientv3.WithRev(w.pos[p]+1))
	}
	ask, soon := time.NewTimer(idleBookmark), false
	defer ask.Stop()
	for {
		var p part
		var resp clientv3.WatchResponse
		var ok bool
		select {
		case resp, ok = <-in[specPart]:
			p = specPart
		case resp, ok = <-in[statusPart]:
			p = statusPart
		case resp, ok = <-in[ownPart]:
			p = ownPart
		case <-ask.C:
			if err := a.client.RequestProgress(ctx); err != nil {
				return err
			}
			// etcd does not answer while it is behind with one of the watchers
			soon = false
			ask.Reset(min(idleBookmark, 10*bookmarkDelay))
			continue
		}
		if !ok {
			return errors.New("watch ended")
		}
		if err := resp.Err(); err != nil {
			return err
		}
		if err := w.take(p, resp, len(a.keys.prefix)); err != nil {
			return err
		}
		switch behind := slices.Max(w.pos[:]) > w.marked; {
		case behind && !soon:
			soon = true
			ask.Reset(bookmarkDelay)
		case !behind:
			soon = false
			ask.Reset(idleBookmark)
		}
	}
}

// take takes over what one watcher says.
func (w *watch) take(p part, resp clientv3.WatchResponse, prefix int) error {
	dir := prefix + len([parts]string{"accounts/", "status/", "own/"}[p])
	changed := make(map[fleet.AccountID]bool)
	for _, ev := range resp.Events {
		w.pos[p] = max(w.pos[p], ev.Kv.ModRevision)
		id := fleet.AccountID(ev.Kv.Key[dir:])
		row := w.rows[id]
		if row == nil {
			row = &watched{}
			w.rows[id] = row
		}
		if ev.Kv.ModRevision <= row.mods[p] {
			continue
		}
		row.mods[p] = ev.Kv.ModRevision
		if p == specPart && ev.Type == clientv3.EventTypeDelete && !w.gone(row) {
			return errStopped
		}
		if ev.Type == clientv3.EventTypeDelete {
			p.clear(&row.account)
		} else if p.set(&row.account, ev.Kv) != nil {
			continue // it must not look like a deletion; reading the account says what is wrong
		}
		changed[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		if !w.report(id, w.rows[id]) {
			return errStopped
		}
	}
	if resp.IsProgressNotify() {
		w.pos[p] = max(w.pos[p], resp.Header.Revision)
	}
	if at := slices.Min(w.pos[:]); resp.IsProgressNotify() && at > w.marked {
		w.marked = at
		if !w.tell(cluster.AccountChange{Kind: cluster.Bookmark, Revision: at}) {
			return errStopped
		}
	}
	return nil
}

// gone tells that an account is no more, as it was last seen.
func (w *watch) gone(row *watched) bool {
	told := row.told
	row.told = false
	return !told || w.tell(cluster.AccountChange{Kind: cluster.Deleted, Account: row.account})
}

// report tells what has become of an account.
func (w *watch) report(id fleet.AccountID, row *watched) bool {
	switch matches := w.matches(row.account); {
	case matches && row.told:
		return w.tell(cluster.AccountChange{Kind: cluster.Modified, Account: row.account})
	case matches:
		row.told = true
		return w.tell(cluster.AccountChange{Kind: cluster.Added, Account: row.account})
	case row.told:
		return w.gone(row)
	}
	if row.account.Spec.Account == "" && row.account.Status.Account == "" && row.account.Owner == "" {
		delete(w.rows, id)
	}
	return true
}
