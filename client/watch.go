package client

import (
	"context"
	"errors"
	"iter"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
	"github.com/telefleet/orchestrator/client/internal/seen"
)

// ChangeKind is what happened to a watched resource.
type ChangeKind = seen.Kind

// The kinds of changes.
const (
	// Added: it exists, was created, or has come to match.
	Added = seen.Added
	// Modified: it is another than before.
	Modified = seen.Modified
	// Deleted: it is gone or no longer matches; the resource is as it was last seen.
	Deleted = seen.Deleted
	// Synced: all that exists was sent; without a resource, once.
	Synced = seen.Synced
)

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
		known := mirrored((*v1.Account).GetId, yield)
		version := ""
		f := &retry.Feed[v1.WatchAccountsReply]{
			Caller: c.calls, Interrupted: o.Interrupted,
			Open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.WatchAccountsReply], error) {
				if version == "" {
					known.Restart()
				}
				return n.Fleet.WatchAccounts(ctx, &v1.WatchAccountsRequest{Selector: o.Selector, ResourceVersion: version})
			},
			Take: func(reply *v1.WatchAccountsReply) bool {
				switch item := reply.GetItem().(type) {
				case *v1.WatchAccountsReply_Added:
					return known.Put(item.Added)
				case *v1.WatchAccountsReply_Modified:
					return known.Put(item.Modified)
				case *v1.WatchAccountsReply_Deleted:
					return known.Drop(item.Deleted)
				case *v1.WatchAccountsReply_Synced:
					version = item.Synced.GetResourceVersion()
					return known.Sync()
				case *v1.WatchAccountsReply_Bookmark:
					version = item.Bookmark.GetResourceVersion()
				}
				return true
			},
		}
		for {
			err := f.Run(ctx)
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
		known := mirrored((*v1.Node).GetId, yield)
		f := &retry.Feed[v1.WatchNodesReply]{
			Caller: c.calls, Interrupted: o.Interrupted,
			Open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.WatchNodesReply], error) {
				known.Restart()
				return n.Fleet.WatchNodes(ctx, &v1.WatchNodesRequest{})
			},
			Take: func(reply *v1.WatchNodesReply) bool {
				switch item := reply.GetItem().(type) {
				case *v1.WatchNodesReply_Added:
					return known.Put(item.Added)
				case *v1.WatchNodesReply_Modified:
					return known.Put(item.Modified)
				case *v1.WatchNodesReply_Deleted:
					return known.Drop(item.Deleted)
				case *v1.WatchNodesReply_Synced:
					return known.Sync()
				}
				return true
			},
		}
		if err := f.Run(ctx); err != nil {
			yield(Change[*v1.Node]{}, err)
		}
	}
}

// mirrored makes the mirror of a watch.
func mirrored[T proto.Message](id func(T) string, yield func(Change[T], error) bool) *seen.Mirror[T] {
	return seen.NewMirror(id, func(kind seen.Kind, resource T) bool { return yield(Change[T]{kind, resource}, nil) })
}
