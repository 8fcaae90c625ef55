package methods

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
)

// maxFilters bounds the lists of a subscription.
const maxFilters = 1000

func subscribe(ctx context.Context, host *Host, req *v1.SubscribeRequest, send func(*v1.SubscribeReply) error) error {
	opts := SubscribeOptions{Kinds: req.GetKinds(), From: req.GetPosition(), UntilNow: req.GetUntilNow()}
	if n := max(len(req.GetAccounts()), len(req.GetKinds())); n > maxFilters {
		return convert.Invalid("accounts, kinds", "subscribe to all and drop what is not wanted", "must have at most %d entries (got %d)", maxFilters, n)
	}
	match, err := labelled(host, req.GetSelector())
	if err != nil {
		return err
	}
	for _, id := range req.GetAccounts() {
		account := fleet.AccountID(id)
		if err := account.Validate(); err != nil {
			return err
		}
		if _, err := host.Accounts.Get(ctx, account); err != nil {
			return err
		}
		opts.Accounts = append(opts.Accounts, account)
	}
	subscription, err := host.Events.Subscribe(ctx, opts)
	if err != nil {
		return err
	}
	peers := &peerFinder{host: host, found: map[fleet.AccountID]foundPeers{}}
	started := &v1.SubscriptionStarted{Position: subscription.Position}
	if err := send(&v1.SubscribeReply{Item: &v1.SubscribeReply_Started{Started: started}}); err != nil {
		return err
	}
	for event, err := range subscription.Events {
		if err == nil && match != nil && event.Account != "" {
			var wanted bool
			if wanted, err = match(ctx, event.Account); err == nil && !wanted {
				continue
			}
		}
		if err != nil {
			return err
		}
		item := &v1.SubscribeReply_Event{Event: eventOf(event, peers.of(ctx, event.Account), req.GetRaw())}
		if err := send(&v1.SubscribeReply{Item: item}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// peerFinder finds the names for the peers of events. They are an extra: an account that is not
// running here has none, and asking for it must not hold up the stream.
type peerFinder struct {
	host  *Host
	found map[fleet.AccountID]foundPeers
}

type foundPeers struct {
	peers convert.Peers
	at    time.Time
}

const (
	peersWait  = 20 * time.Millisecond // for an account that is starting
	peersFresh = 5 * time.Second       // an account may start, restart or move meanwhile
	maxFound   = 10_000                // accounts remembered by one stream
)

func (f *peerFinder) of(ctx context.Context, account fleet.AccountID) convert.Peers {
	now := time.Now()
	if known, ok := f.found[account]; ok && now.Sub(known.at) < peersFresh {
		return known.peers
	}
	if len(f.found) >= maxFound {
		clear(f.found)
	}
	found := foundPeers{peers: convert.Nobody{}, at: now}
	if f.host.Peers != nil {
		wait, cancel := context.WithTimeout(ctx, peersWait)
		defer cancel()
		if p := f.host.Peers(wait, account); p != nil {
			found.peers = p
		}
	}
	f.found[account] = found
	return found.peers
}

// eventOf converts an event. What cannot be read is handed out as raw, never dropped.
func eventOf(e Event, peers convert.Peers, raw bool) *v1.Event {
	out := &v1.Event{Cursor: e.Cursor, Account: string(e.Account), Kind: e.Kind, Id: e.ID}
	if !e.Time.IsZero() {
		out.Time = timestamppb.New(e.Time)
	}
	if e.Kind == KindAccountState {
		out.Payload = stateOf(e.Payload)
		return out
	}
	if len(e.Payload) == 0 {
		return out
	}
	convert.Payload(out, e.Payload, peers, raw)
	return out
}

func stateOf(payload []byte) *v1.Event_AccountState {
	var change StateChange
	if err := json.Unmarshal(payload, &change); err != nil {
		change = StateChange{Message: fmt.Sprintf("unreadable state change: %v", err)}
	}
	return &v1.Event_AccountState{AccountState: &v1.AccountStateChanged{
		From: convert.AccountState(change.From), To: convert.AccountState(change.To), Reason: change.Reason, Message: change.Message,
	}}
}
