package methods

import (
	"context"
	"errors"
	"path"
	"slices"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

// Labels finds the labels of an account; an error with CodeNotFound when there is no such account.
type Labels func(ctx context.Context, account fleet.AccountID) (map[string]string, error)

// Matcher makes a function that says whether an account's labels match a selector now; nil for an
// empty one. An account that is gone matches none.
func (l Labels) Matcher(selector string) (func(context.Context, fleet.AccountID) (bool, error), error) {
	match, err := parseSelector(selector)
	if match == nil {
		return nil, err
	}
	return func(ctx context.Context, account fleet.AccountID) (bool, error) {
		labels, err := l(ctx, account)
		var own *fleet.Error
		if errors.As(err, &own) && own.Code == fleet.CodeNotFound {
			return false, nil
		}
		return err == nil && match(labels), err
	}, nil
}

// labelled is the matcher of a subscription.
func labelled(host *Host, selector string) (func(context.Context, fleet.AccountID) (bool, error), error) {
	match, err := host.Labels.Matcher(selector)
	if err == nil && match != nil && host.Labels == nil {
		return nil, Unsupported("selecting events by labels")
	}
	return match, err
}

// KindMatches says whether a kind is one of the names or patterns, such as message_*. None match
// all; gaps always match.
func KindMatches(kind string, patterns []string) bool {
	return len(patterns) == 0 || kind == updates.KindGap || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, kind)
		return err == nil && ok
	})
}

// View makes the contract's form of events, with the names that accounts running here know. It
// belongs to one goroutine.
type View struct{ peers *peerFinder }

// NewView makes a View; peers are those of an account, nil when it does not run here.
func NewView(peers func(ctx context.Context, account fleet.AccountID) telegram.Peers) *View {
	return &View{&peerFinder{host: &Host{Peers: peers}, found: map[fleet.AccountID]foundPeers{}}}
}

// Event converts an event; raw adds TL and JSON to typed ones.
func (v *View) Event(ctx context.Context, e Event, raw bool) *v1.Event {
	return eventOf(e, v.peers.of(ctx, e.Account), raw)
}

// ParseSelector makes a function that says whether labels match a selector; nil for an empty one.
func ParseSelector(text string) (func(map[string]string) bool, error) { return parseSelector(text) }

// CheckSelector refuses label selectors that cannot be.
func CheckSelector(text string) error {
	_, err := parseSelector(text)
	return err
}

// CheckName refuses names of consumers and webhooks that cannot be.
func CheckName(field, name string) error {
	if fleet.AccountID(name).Validate() == nil {
		return nil
	}
	return convert.Invalid(field, "choose another name", "must be 1 to 64 characters of a-z, 0-9 and - (got %.80q)", name)
}
