// Package consuming holds the RPCs of consumers and webhooks, one function each, as package methods
// does those of accounts.
//
// # Usage
//
// All lists them; package control serves them beside those of package methods. What they do is done
// by methods.Consumers, Deliveries, Webhooks and WebhookTools.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error.
package consuming

import (
	"path"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{
		methods.Hosted(createConsumer), methods.Hosted(getConsumer), methods.Hosted(listConsumers), methods.Hosted(updateConsumer),
		methods.Hosted(deleteConsumer), methods.Hosted(fetchEvents), methods.Streamed(consumeEvents), methods.Hosted(ackEvents),
		methods.Hosted(nakEvents), methods.Hosted(keepEvents), methods.Hosted(replayConsumer), methods.Hosted(listDeadLetters),
		methods.Hosted(createWebhook), methods.Hosted(getWebhook), methods.Hosted(listWebhooks), methods.Hosted(updateWebhook),
		methods.Hosted(deleteWebhook), methods.Hosted(enableWebhook), methods.Hosted(rotateWebhookSecret), methods.Hosted(testWebhook),
		methods.Hosted(listDeliveries), methods.Hosted(replayWebhook), methods.Hosted(redeliverDeadLetters), methods.Hosted(redeliverWebhook),
	}
}

// maxFilters bounds the lists of a selector.
const maxFilters = 1000

// checkSelect refuses selectors that cannot be.
func checkSelect(s *v1.EventSelector) error {
	if n := max(len(s.GetAccounts()), len(s.GetKinds())); n > maxFilters {
		return convert.Invalid("spec.select", "select all and drop what is not wanted", "accounts and kinds must have at most %d entries (got %d)", maxFilters, n)
	}
	for _, id := range s.GetAccounts() {
		if err := fleet.AccountID(id).Validate(); err != nil {
			return err
		}
	}
	for _, kind := range s.GetKinds() {
		if _, err := path.Match(kind, ""); err != nil || kind == "" {
			return convert.Invalid("spec.select.kinds", "write message_new or message_*", "has an entry that is no name and no pattern (got %.80q)", kind)
		}
	}
	return methods.CheckSelector(s.GetSelector())
}

// checkRange refuses numbers outside of their limits.
func checkRange[T int | int32 | time.Duration](field string, got, low, high T) error {
	if got < low || got > high {
		return convert.Invalid(field, "leave it out for the default", "must be from %v to %v (got %v)", low, high, got)
	}
	return nil
}
