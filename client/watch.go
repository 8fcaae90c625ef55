package client

import (
	"context"
	"errors"
	"iter"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// ChangeKind is what happened to a watched resource.
type ChangeKind uint8

// The kinds of changes.
const (
	// Added: it exists, was created, or has come to match.
	Added ChangeKind = iota + 1
	// Modified: it is another than before.
	Modified
	// Deleted: it is gone or no longer matches; the resource is as it was last seen.
	Deleted
	// Synced: all that exists was sent; without a resource, once.
	Synced
)

// String names the kind in lower case.
func (k ChangeKind) String() string {
	switch k {
	case Added:
		return "added"
	case Modified:
		return "modified"
	case Deleted:
		return "deleted"
	case Synced:
		return "synced"
	}
	return "unknown"
}

// Change is one change of a watched resource.
type Change[T proto.Message] struct {
	// Kind is what happened.
	Kind ChangeKind
	// Resource is the resource after it, shared with the iterator: do not change it.
	Resource T
}

// WatchOptions select what is watched.
type WatchOptions struct {
	// Selector is a label selector as in Accounts; nodes have none.
	Selector string
	// Interrupted is told why the stream is opened again, before it is; for logs.
	Interrupted func(error)
}

// WatchAccounts yields the accounts that match, then Synced, then what changes. It goes on over
// broken connections and stopped nodes as Events does; what changed meanwhile, deletions
// included, is told when it is back. Of changes that follow each other closely only the last may
// come. The iterator keeps the accounts in memory.
func (c *Client) WatchAccounts(ctx context.Context, o WatchOptions) iter.Seq2[Change[*v1.Account], error] {
	return func(yield func(Change[*v1.Account], error) bool) {
		ctx, stop := c.bind(ctx)
		defer stop()
		seen := &mirror[*v1.Account]{known: map[string]*v1.Account{}, id: (*v1.Account).GetId, yield: yield}
		version := ""
		f := &feed[v1.WatchAccountsReply]{
			client: c, interrupted: o.Interrupted,
			open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.WatchAccountsReply], error) {
				if version == "" {
					seen.restart()
				}
				return n.fleet.WatchAccounts(ctx, &v1.WatchAccountsRequest{Selector: o.Selector, ResourceVersion: version})
			},
			take: func(reply *v1.WatchAccountsReply) bool {
				switch item := reply.GetItem().(type) {
				case *v1.WatchAccountsReply_Added:
					return seen.put(item.Added)
				case *v1.WatchAccountsReply_Modified:
					return seen.put(item.Modified)
				case *v1.WatchAccountsReply_Deleted:
					return seen.drop(item.Deleted)
				case *v1.WatchAccountsReply_Synced:
					version = item.Synced.GetResourceVersion()
					return seen.sync()
				case *v1.WatchAccountsReply_Bookmark:
					version = item.Bookmark.GetResourceVersion()
				}
				return true
			},
		}
		for {
			err := f.run(ctx)
			if err == nil {
				return
			}
			if !errors.Is(err, reasonVersionTooOld) || version == "" {
				yield(Change[*v1.Account]{}, err)
				return
			}
			version = "" // begin anew; the mirror tells the difference
		}
	}
}

// WatchNodes yields the nodes that are alive, then Synced, then what changes, as WatchAccounts
// does.
func (c *Client) WatchNodes(ctx context.Context, o WatchOptions) iter.Seq2[Change[*v1.Node], error] {
	return func(yield func(Change[*v1.Node], error) bool) {
		ctx, stop := c.bind(ctx)
		defer stop()
		seen := &mirror[*v1.Node]{known: map[string]*v1.Node{}, id: (*v1.Node).GetId, yield: yield}
		f := &feed[v1.WatchNodesReply]{
			client: c, interrupted: o.Interrupted,
			open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.WatchNodesReply], error) {
				seen.restart()
				return n.fleet.WatchNodes(ctx, &v1.WatchNodesRequest{})
			},
			take: func(reply *v1.WatchNodesReply) bool {
				switch item := reply.GetItem().(type) {
				case *v1.WatchNodesReply_Added:
					return seen.put(item.Added)
				case *v1.WatchNodesReply_Modified:
					return seen.put(item.Modified)
				case *v1.WatchNodesReply_Deleted:
					return seen.drop(item.Deleted)
				case *v1.WatchNodesReply_Synced:
					return seen.sync()
				}
				return true
			},
		}
		if err := f.run(ctx); err != nil {
			yield(Change[*v1.Node]{}, err)
		}
	}
}

// mirror is what a watcher was told, so that a watch that begins anew tells only differences.
type mirror[T proto.Message] struct {
	id    func(T) string
	yield func(Change[T], error) bool

	known  map[string]T
	fresh  map[string]bool // told since restart; nil outside the first part of a watch
	synced bool
}

// restart begins the first part of a watch: all that exists is told.
func (m *mirror[T]) restart() { m.fresh = map[string]bool{} }

func (m *mirror[T]) put(resource T) bool {
	id := m.id(resource)
	if m.fresh != nil {
		m.fresh[id] = true
	}
	kind := Added
	if before, ok := m.known[id]; ok {
		if proto.Equal(before, resource) {
			return true
		}
		kind = Modified
	}
	m.known[id] = resource
	return m.yield(Change[T]{kind, resource}, nil)
}

func (m *mirror[T]) drop(resource T) bool {
	id := m.id(resource)
	delete(m.fresh, id)
	if _, ok := m.known[id]; !ok {
		return true
	}
	delete(m.known, id)
	return m.yield(Change[T]{Deleted, resource}, nil)
}

// sync ends the first part: what was known and not told is gone.
func (m *mirror[T]) sync() bool {
	if m.fresh != nil {
		for id, resource := range m.known {
			if !m.fresh[id] && !m.drop(resource) {
				return false
			}
		}
		m.fresh = nil
	}
	if m.synced {
		return true
	}
	m.synced = true
	var none T
	return m.yield(Change[T]{Synced, none}, nil)
}
