package client

import (
	"context"
	"errors"
	"iter"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
)

// CreateAccount adds an account to the fleet, by its id, labels and spec. Reasons:
// ACCOUNT_EXISTS, ACCOUNT_ID_INVALID.
func (c *Client) CreateAccount(ctx context.Context, account *v1.Account) (*v1.Account, error) {
	reply, err := call(ctx, c, once, on(fleetService.CreateAccount), &v1.CreateAccountRequest{Id: account.GetId(), Labels: account.GetLabels(), Spec: account.GetSpec()})
	return reply.GetAccount(), err
}

// GetAccount reads an account. Reason: ACCOUNT_UNKNOWN.
func (c *Client) GetAccount(ctx context.Context, id string) (*v1.Account, error) {
	reply, err := call(ctx, c, repeatable, on(fleetService.GetAccount), &v1.GetAccountRequest{Id: id})
	return reply.GetAccount(), err
}

// Accounts yields the accounts that a label selector matches, in the order of their ids, and
// reads them page by page as the loop goes on. The selector is comma-separated `key=value`,
// `key!=value`, `key` or `!key`; empty = all. All are of one moment; reason
// RESOURCE_VERSION_TOO_OLD when the loop takes so long that it is no longer kept.
func (c *Client) Accounts(ctx context.Context, selector string) iter.Seq2[*v1.Account, error] {
	return func(yield func(*v1.Account, error) bool) {
		for token := ""; ; {
			page, err := call(ctx, c, repeatable, on(fleetService.ListAccounts), &v1.ListAccountsRequest{Selector: selector, PageSize: accountsPage, PageToken: token})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, account := range page.GetAccounts() {
				if !yield(account, nil) {
					return
				}
			}
			if token = page.GetNextPageToken(); token == "" {
				return
			}
		}
	}
}

const accountsPage = 500

// UpdateAccount changes labels and spec, from the account as it was read: its resource version
// must still hold. Paths say what to change: `labels` (all of them are replaced), `spec`, or a
// field such as `spec.proxy`; none = labels and spec. Reason CONFLICT: the account has changed
// since; see Account.Update.
func (c *Client) UpdateAccount(ctx context.Context, account *v1.Account, paths ...string) (*v1.Account, error) {
	req := &v1.UpdateAccountRequest{Resource: account}
	if len(paths) > 0 {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	}
	reply, err := call(ctx, c, once, on(fleetService.UpdateAccount), req)
	return reply.GetAccount(), err
}

// Get reads the account as a resource.
func (a *Account) Get(ctx context.Context) (*v1.Account, error) {
	return a.client.GetAccount(ctx, a.id)
}

// maxConflicts is how often Update starts again.
const maxConflicts = 16

// Update reads the account, lets change edit its labels and spec, and stores them; it starts
// again when somebody else was faster, so change may be called more than once.
func (a *Account) Update(ctx context.Context, change func(*v1.Account) error, paths ...string) (*v1.Account, error) {
	for attempt := 0; ; attempt++ {
		account, err := a.Get(ctx)
		if err != nil {
			return nil, err
		}
		if err := change(account); err != nil {
			return nil, err
		}
		account, err = a.client.UpdateAccount(ctx, account, paths...)
		if err == nil || attempt >= maxConflicts || !errors.Is(err, reasonConflict) {
			return account, err
		}
		retry.Pause(ctx, attempt) // where ctx ends, the next read says so
	}
}

// Pause asks for the account without sockets, gracefully: new calls are refused with
// ACCOUNT_PAUSED, running ones may end within 10 s, what was received is recorded and acknowledged,
// then it disconnects. The session and the place in the update stream are kept. It does not wait
// for that: see PauseAndWait.
func (a *Account) Pause(ctx context.Context) (*v1.Account, error) {
	account, _, err := a.pause(ctx, false)
	return account, err
}

// PauseAndWait is Pause that returns when the account holds no socket any more, or after 20 s with
// done false; the pause then goes on by itself.
func (a *Account) PauseAndWait(ctx context.Context) (account *v1.Account, done bool, err error) {
	return a.pause(ctx, true)
}

func (a *Account) pause(ctx context.Context, wait bool) (*v1.Account, bool, error) {
	reply, err := call(ctx, a.client, repeatable, on(fleetService.PauseAccount), &v1.PauseAccountRequest{Id: a.id, Wait: wait})
	return reply.GetAccount(), reply.GetDone(), err
}

// Disconnect pauses the account at once: its sockets are closed, and calls that wait fail with
// DISCONNECTED. Otherwise as PauseAndWait; Resume connects it again.
func (a *Account) Disconnect(ctx context.Context) (account *v1.Account, done bool, err error) {
	reply, err := call(ctx, a.client, repeatable, on(fleetService.DisconnectAccount), &v1.DisconnectAccountRequest{Id: a.id})
	return reply.GetAccount(), reply.GetDone(), err
}

// Resume ends a pause: the account connects and catches up.
func (a *Account) Resume(ctx context.Context) (*v1.Account, error) {
	reply, err := call(ctx, a.client, repeatable, on(fleetService.ResumeAccount), &v1.ResumeAccountRequest{Id: a.id})
	return reply.GetAccount(), err
}

// Delete removes the account with its session, peers, events and keys, and reports whether
// nothing of it is left; its owner goes on cleaning up otherwise. The login stays valid at
// Telegram: LogOut first to end it.
func (a *Account) Delete(ctx context.Context) (done bool, err error) {
	reply, err := call(ctx, a.client, repeatable, on(fleetService.DeleteAccount), &v1.DeleteAccountRequest{Id: a.id})
	return reply.GetDone(), err
}

// Move hands the account over to a node, by the node's id, and keeps it there while the node
// lives and takes accounts; empty = wherever placement wants it. It reports whether the node owns
// the account already. Reasons: NODE_NOT_FOUND, NODE_CORDONED.
func (a *Account) Move(ctx context.Context, node string) (account *v1.Account, done bool, err error) {
	reply, err := call(ctx, a.client, repeatable, moveAccount, &v1.MoveAccountRequest{Id: a.id, Node: node})
	return reply.GetAccount(), reply.GetDone(), err
}

func moveAccount(n *node) func(context.Context, *v1.MoveAccountRequest) (*v1.MoveAccountReply, error) {
	return n.Fleet.MoveAccount
}

// Nodes reads the nodes that are alive, in the order of their ids.
func (c *Client) Nodes(ctx context.Context) ([]*v1.Node, error) {
	reply, err := call(ctx, c, repeatable, on(fleetService.ListNodes), &v1.ListNodesRequest{})
	return reply.GetNodes(), err
}

// CordonNode keeps new accounts away from a node; it keeps those that it has. Reason:
// NODE_NOT_FOUND.
func (c *Client) CordonNode(ctx context.Context, id string) (*v1.Node, error) {
	reply, err := call(ctx, c, repeatable, on(fleetService.CordonNode), &v1.CordonNodeRequest{Node: id})
	return reply.GetNode(), err
}

// UncordonNode lets a node take accounts again, after CordonNode or DrainNode. Reason:
// NODE_NOT_FOUND.
func (c *Client) UncordonNode(ctx context.Context, id string) (*v1.Node, error) {
	reply, err := call(ctx, c, repeatable, on(fleetService.UncordonNode), &v1.UncordonNodeRequest{Node: id})
	return reply.GetNode(), err
}

// DrainNode hands all accounts of a node over to the others and keeps new ones away. It does not
// wait for them: watch Node.accounts. Reason: NODE_NOT_FOUND.
func (c *Client) DrainNode(ctx context.Context, id string) (*v1.Node, error) {
	reply, err := call(ctx, c, repeatable, on(fleetService.DrainNode), &v1.DrainNodeRequest{Node: id})
	return reply.GetNode(), err
}

// Target says whose network works again: of WholeFleet, OfAccount, OfSelector or OfNode.
type Target struct{ request *v1.NetworkRestoredRequest }

// WholeFleet means every account.
func WholeFleet() Target {
	return Target{&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_All{All: true}}}
}

// OfAccount means one account.
func OfAccount(id string) Target {
	return Target{&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Id{Id: id}}}
}

// OfSelector means the accounts that a label selector matches.
func OfSelector(selector string) Target {
	return Target{&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Selector{Selector: selector}}}
}

// OfNode means the accounts of one node.
func OfNode(id string) Target {
	return Target{&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Node{Node: id}}}
}

// NetworkRestored ends running waits before the next connection, because the network is known to
// work again, and gives the number of accounts that were told. Nothing happens to accounts that
// are connected.
func (c *Client) NetworkRestored(ctx context.Context, whose Target) (accounts int, err error) {
	if whose.request == nil {
		return 0, invalid("use WholeFleet, OfAccount, OfSelector or OfNode", "target: is missing")
	}
	reply, err := call(ctx, c, repeatable, on(fleetService.NetworkRestored), whose.request)
	return int(reply.GetAccounts()), err
}
