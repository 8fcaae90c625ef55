// Package control is the API server: one listener that speaks gRPC, gRPC-Web and Connect's HTTP
// JSON, a generic handler driven by the descriptors of api, and a router to the account's owner.
// The methods themselves are functions in control/methods.
//
// # Usage
//
//	srv, err := control.NewServer(control.Config{Listen: "127.0.0.1:8420", Fleet: f, Accounts: a, Events: e, Log: log})
//	addr, err := srv.Start()
//	...
//	err = srv.Shutdown(ctx)
//
// # Concurrency
//
// A Server is safe for concurrent use; so must Fleet, Accounts and Events be.
//
// # Errors
//
// A *fleet.Error becomes the Connect code of its Code with an ErrorDetail; anything else becomes
// `internal` and is logged, not returned.
package control

import (
	"context"

	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Fleet gives access to the accounts that this node owns.
type Fleet interface {
	// Env is the account's environment. It fails when the account is not owned here.
	Env(ctx context.Context, account fleet.AccountID) (telegram.Env, error)
	// Local reports whether this node owns the account now.
	Local(account fleet.AccountID) bool
}

// What the methods need of the rest of the house is declared beside them.
type (
	// Accounts keeps the accounts as resources.
	Accounts = methods.Accounts
	// ListOptions selects accounts.
	ListOptions = methods.ListOptions
	// AccountWatcher tells of changes of accounts.
	AccountWatcher = methods.AccountWatcher
	// WatchOptions selects what to watch.
	WatchOptions = methods.WatchOptions
	// Nodes is the cluster as people see and steer it.
	Nodes = methods.Nodes
	// NetworkTarget says whose network works again.
	NetworkTarget = methods.NetworkTarget
	// Proxies keeps the pools of proxies.
	Proxies = methods.Proxies
	// ProxyTester tries proxies.
	ProxyTester = methods.ProxyTester
	// Events reads the event log.
	Events = methods.Events
	// Security looks after the master key.
	Security = methods.Security
	// MasterRotation is how far a rotation of it is.
	MasterRotation = methods.MasterRotation
	// Requests knows the commands of the last day by their request_id.
	Requests = methods.Requests
	// Consumers keeps consumers as resources.
	Consumers = methods.Consumers
	// Deliveries hands out the events of the consumers that this node works on.
	Deliveries = methods.Deliveries
	// Webhooks keeps webhooks as resources.
	Webhooks = methods.Webhooks
	// WebhookTools is what else can be done with webhooks.
	WebhookTools = methods.WebhookTools
	// Labels finds an account's labels.
	Labels = methods.Labels
	// SubscribeOptions selects events.
	SubscribeOptions = methods.SubscribeOptions
	// Subscription is a place in the event log and what follows it.
	Subscription = methods.Subscription
	// Event is one event of the log.
	Event = methods.Event
	// StateChange is the payload of an event of kind KindAccountState.
	StateChange = methods.StateChange
)

const (
	// Begin is the position of the oldest retained event.
	Begin = methods.Begin
	// KindAccountState is the kind of the events that report an account's state.
	KindAccountState = methods.KindAccountState
)
