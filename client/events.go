package client

import (
	"cmp"
	"context"
	"iter"
	"sync"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
	"github.com/telefleet/orchestrator/client/internal/seen"
)

// Begin is the position of the oldest event that is retained.
const Begin = "begin"

// EventOptions select events.
type EventOptions struct {
	// Accounts whose events are wanted; empty = all.
	Accounts []string
	// Selector selects accounts by their labels at the moment of each event, as Client.Accounts
	// does; empty = all.
	Selector string
	// Kinds that are wanted, such as message_new; a trailing * matches the rest (message_*);
	// empty = all that are stored. Those that are told once and not stored come where they are named:
	// typing, user_status.
	Kinds []string
	// From is Event.Cursor of the last event that was handled, Begin, or empty for what happens
	// from now on, which is when the first stream was opened.
	From string
	// Raw adds the TL bytes and the JSON of the update to typed events; raw events always have
	// them.
	Raw bool
	// UntilNow ends the iteration behind the last event of now.
	UntilNow bool
	// Window is how many ids of events are remembered to drop repetitions; 0 = DefaultWindow,
	// less drops none.
	Window int
	// Interrupted is told why the stream is opened again, before it is; for logs. It is called
	// by the iterator's goroutine.
	Interrupted func(error)
	// Started is told where the iteration begins, once, when that is fixed: what happens from then
	// on will come. It is called by the iterator's goroutine.
	Started func(position string)
}

// DefaultWindow is how many ids of events an iterator remembers.
const DefaultWindow = 4096

// Events yields what happens to the accounts, in the order of the log. When the connection breaks
// or the node stops, it goes on at the last event, at any node, for as long as ctx lasts; only
// the beginning is bounded by WithRetry. Events that were yielded before are dropped as far back
// as Window says, so each comes at least once and hardly ever twice.
//
// The iteration ends with an error that it yields: that of ctx, or one that trying again does not
// mend. With UntilNow it ends without one. To go on later, keep Event.Cursor of the last event
// that was handled.
func (c *Client) Events(ctx context.Context, o EventOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		position, known := o.From, seen.NewWindow(cmp.Or(o.Window, DefaultWindow))
		var once sync.Once
		begin := func(at string) {
			if position == "" {
				position = at // a stream that breaks before its first event begins here again
			}
			once.Do(func() {
				if o.Started != nil {
					o.Started(at)
				}
			})
		}
		f := &retry.Feed[v1.SubscribeReply]{
			Caller: c.calls, Ends: o.UntilNow, Interrupted: o.Interrupted,
			Open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.SubscribeReply], error) {
				return n.Events.Subscribe(ctx, &v1.SubscribeRequest{
					Accounts: o.Accounts, Selector: o.Selector, Kinds: o.Kinds, Position: position, Raw: o.Raw, UntilNow: o.UntilNow,
				})
			},
			Take: func(reply *v1.SubscribeReply) bool {
				event := reply.GetEvent()
				if event == nil {
					begin(reply.GetStarted().GetPosition())
					return true
				}
				if event.GetCursor() != "" { // live-only events have none
					position = event.GetCursor()
				}
				return known.Repeated(event.GetAccount(), event.GetId()) || yield(event, nil)
			},
		}
		if err := f.Run(ctx); err != nil {
			yield(nil, err)
		}
	}
}

// Events yields what happens to this account, see Client.Events; o.Accounts and o.Selector have no effect.
func (a *Account) Events(ctx context.Context, o EventOptions) iter.Seq2[*Event, error] {
	o.Accounts, o.Selector = []string{a.id}, ""
	return a.client.Events(ctx, o)
}
