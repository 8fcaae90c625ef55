package methods

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/rawjson"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// maxFilters bounds the lists of a subscription.
const maxFilters = 1000

func subscribe(ctx context.Context, host *Host, req *v1.SubscribeRequest, send func(*v1.SubscribeReply) error) error {
	opts := SubscribeOptions{Kinds: req.GetKinds(), From: req.GetPosition(), UntilNow: req.GetUntilNow()}
	if n := max(len(req.GetAccounts()), len(req.GetKinds())); n > maxFilters {
		return invalid("accounts, kinds", "subscribe to all and drop what is not wanted", "must have at most %d entries (got %d)", maxFilters, n)
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
	peers getter
	at    time.Time
}

const (
	peersWait  = 20 * time.Millisecond // for an account that is starting
	peersFresh = 5 * time.Second       // an account may start, restart or move meanwhile
	maxFound   = 10_000                // accounts remembered by one stream
)

func (f *peerFinder) of(ctx context.Context, account fleet.AccountID) getter {
	now := time.Now()
	if known, ok := f.found[account]; ok && now.Sub(known.at) < peersFresh {
		return known.peers
	}
	if len(f.found) >= maxFound {
		clear(f.found)
	}
	found := foundPeers{peers: nobody{}, at: now}
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
func eventOf(e Event, peers getter, raw bool) *v1.Event {
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
	p, err := tlupdates.Decode(e.Payload)
	if err != nil {
		out.Tl = e.Payload
		out.Payload = &v1.Event_Update{Update: &v1.RawUpdate{Name: "unreadable"}}
		return out
	}
	fillPayload(out, p, peers)
	_, untyped := out.Payload.(*v1.Event_Update)
	if raw || untyped {
		fillRaw(out, p)
	}
	return out
}

func fillPayload(out *v1.Event, p tlupdates.Payload, peers getter) {
	switch {
	case p.Gap != nil:
		out.Payload = &v1.Event_Gap{Gap: gapOf(p.Gap)}
	case p.Message != nil:
		message := messageOf(p.Message, peers)
		if out.Kind == tlupdates.KindMessageEdited {
			out.Payload = &v1.Event_MessageEdited{MessageEdited: message}
		} else {
			out.Payload = &v1.Event_MessageNew{MessageNew: message}
		}
	case p.Update != nil:
		fillUpdate(out, p.Update, peers)
	default:
		out.Payload = &v1.Event_Update{Update: &v1.RawUpdate{Name: rawjson.Name(p.Raw)}}
	}
}

// fillRaw adds the TL bytes and, where the schema knows them, the JSON.
func fillRaw(out *v1.Event, p tlupdates.Payload) {
	var value bin.Encoder
	switch {
	case p.Message != nil:
		value = p.Message
	case p.Update != nil:
		value = p.Update
	default:
		out.Tl = p.Raw
		if text, err := rawjson.FormatTL(p.Raw); err == nil {
			out.Json = string(text)
		}
		return
	}
	var b bin.Buffer
	if err := value.Encode(&b); err == nil {
		out.Tl = b.Raw()
	}
	if text, err := rawjson.Format(value); err == nil {
		out.Json = string(text)
	}
}

func gapOf(g *updates.Gap) *v1.Gap {
	reasons := map[updates.GapReason]string{
		updates.GapTooLong:    "Telegram keeps no updates of this gap: read the chats' histories",
		updates.GapReset:      "Telegram replaced the position: updates in between are unknown",
		updates.GapAccessLost: "the channel can no longer be read",
	}
	reason, ok := reasons[g.Reason]
	if !ok {
		reason = string(g.Reason)
	}
	box := g.Box.String()
	if g.Box == (updates.Box{}) { // the log's own: events that are no longer retained
		box = "log"
	}
	return &v1.Gap{Box: box, Reason: reason, From: int64(g.From), To: int64(g.To)}
}

func stateOf(payload []byte) *v1.Event_AccountState {
	var change StateChange
	if err := json.Unmarshal(payload, &change); err != nil {
		change = StateChange{Message: fmt.Sprintf("unreadable state change: %v", err)}
	}
	return &v1.Event_AccountState{AccountState: &v1.AccountStateChanged{
		From: AccountState(change.From), To: AccountState(change.To), Reason: change.Reason, Message: change.Message,
	}}
}

// AccountState is the contract's value for a state's name in lower case: new, online, ...
func AccountState(name string) v1.AccountState {
	return v1.AccountState(v1.AccountState_value["ACCOUNT_STATE_"+strings.ToUpper(name)])
}

func ids(list []int) []int32 {
	out := make([]int32, 0, len(list))
	for _, id := range list {
		out = append(out, int32(id))
	}
	return out
}

var _ getter = telegram.Peers(nil)
