package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// How long a call waits for an account to get an owner, and for an owner that hands it over:
// placement and claim take a moment after its creation and after a move.
const (
	ownerWait = time.Second
	ownerPoll = 20 * time.Millisecond
)

// Owner is the node that runs an account.
type Owner struct {
	Node fleet.NodeID
	// Address is host:port of its cluster listener; empty when the node offers none or has
	// just gone.
	Address string
}

// Owners knows which node runs which account.
type Owners interface {
	// Owner is the account's owner as far as this node has seen; an error when it has none.
	Owner(account fleet.AccountID) (Owner, error)
	// WaitOwner is Owner, waiting for one until ctx ends.
	WaitOwner(ctx context.Context, account fleet.AccountID) (Owner, error)
}

// Reasons of errors that say where an account is. The first two mean that nothing was carried
// out, so that the call can be sent again.
const (
	reasonNotOwner    = "NOT_OWNER"
	reasonUnreachable = "OWNER_UNREACHABLE"
	reasonLost        = "OWNER_LOST"
	reasonNoOwner     = "NO_OWNER"
	// reasonNodeFenced is a node's refusal of every call.
	reasonNodeFenced = "NODE_FENCED"
	// reasonDraining is an account's refusal while it is handed over. A command of several steps
	// may have taken some.
	reasonDraining = "ACCOUNT_DRAINING"
	// reasonFenced is that of one whose node has just lost its place in the cluster.
	reasonFenced = "ACCOUNT_FENCED"
)

func isReason(err error, reasons ...string) bool {
	var own *fleet.Error
	if !errors.As(err, &own) {
		return false
	}
	for _, r := range reasons {
		if own.Reason == r {
			return true
		}
	}
	return false
}

func notOwner(what string, id fleet.AccountID, owner fleet.NodeID) *fleet.Error {
	err := fleet.Errorf(fleet.CodeUnavailable, reasonNotOwner, "%s %s is owned by node %s", what, id, owner)
	if owner == "" {
		err = fleet.Errorf(fleet.CodeUnavailable, reasonNotOwner, "%s %s is not owned by this node", what, id)
	}
	return err.WithRetryAfter(ownerWait).WithRemedy("repeat the call in a moment: the " + what + " is moving")
}

// NodeFenced is the answer of a node that has lost its place in the cluster: its accounts may have
// other owners, and it cannot know them.
func NodeFenced() error {
	return fleet.Errorf(fleet.CodeUnavailable, reasonNodeFenced, "this node has lost its place in the cluster: it could not renew its lease in etcd").
		WithRetryAfter(ownerWait).WithRemedy("call another node; this one takes calls again by itself once it reaches etcd")
}

// forwardedHeader names the node that sent a call on. Such a call is never sent on again: two
// nodes that see different owners for a moment must not play ball with it.
const forwardedHeader = "Orchestrator-Forwarded"

type forwardedKey struct{}

// fromPeer notes in the context of a request that a node has sent it on.
func fromPeer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if node := r.Header.Get(forwardedHeader); node != "" {
			r = r.WithContext(context.WithValue(r.Context(), forwardedKey{}, node))
		}
		next.ServeHTTP(w, r)
	})
}

func isForwarded(ctx context.Context) bool { return ctx.Value(forwardedKey{}) != nil }

// What requests can be routed by: a string field of this name with the number 1.
const (
	byAccount  = "account"
	byConsumer = "consumer"
	byWebhook  = "webhook"
)

// routeOf is what a request is routed by, and the name of it.
func routeOf(req proto.Message) (what string, id fleet.AccountID) {
	m := req.ProtoReflect()
	f := m.Descriptor().Fields().ByNumber(1)
	if f == nil || f.Kind() != protoreflect.StringKind || f.IsList() {
		return "", ""
	}
	switch what = string(f.Name()); what {
	case byAccount, byConsumer, byWebhook:
		return what, fleet.AccountID(m.Get(f).String())
	}
	return "", ""
}

// router brings calls of an account, or of a consumer or webhook, to the node that owns it.
type router struct {
	what string // byAccount, …
	// local says whether this node owns it now.
	local func(id fleet.AccountID) bool
	// exists is nil, or why there is none of this name.
	exists func(ctx context.Context, id fleet.AccountID) error
	owners Owners
	node   string
	wait   time.Duration
}

// routed is a call of one account, carried out here or by another node.
type routed struct {
	local  func(ctx context.Context) error
	remote func(ctx context.Context, owner Owner) error
	// again says whether the call may be repeated although it may have been carried out.
	again func() bool
}

// maxMoves bounds how often a call follows its account.
const maxMoves = 10

// route carries a call out where its account is owned. What was refused before anything was done
// is tried again, at the account's next owner or for as long as a call waits for one; what may
// have been done is tried again, once, if it can do no harm and the account has another owner
// since.
func (r *router) route(ctx context.Context, id fleet.AccountID, c routed) error {
	if err := id.Validate(); err != nil {
		if r.what == byAccount {
			return err
		}
		return methods.CheckName(r.what, string(id))
	}
	var waited time.Duration
	moves, repeated := 0, false
	for {
		start := time.Now()
		owner, err := r.once(ctx, id, c)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case isForwarded(ctx): // the sender knows more, or will in a moment
			return err
		case isReason(err, reasonNotOwner, reasonUnreachable), isReason(err, reasonDraining, reasonFenced) && c.again():
			if waited += time.Since(start); waited < r.wait {
				break
			}
			if moves++; moves > maxMoves || !r.moved(id, owner) {
				return err
			}
		case !repeated && c.again() && r.movedSince(id, owner, err):
			repeated = true
		default:
			return err
		}
		waited += pause(ctx, ownerPoll)
	}
}

// once makes one attempt and says at which owner.
func (r *router) once(ctx context.Context, id fleet.AccountID, c routed) (Owner, error) {
	if r.local(id) {
		return Owner{Node: fleet.NodeID(r.node)}, c.local(ctx)
	}
	if isForwarded(ctx) {
		return r.claimed(ctx, id, c)
	}
	owner, err := r.owner(ctx, id)
	switch {
	case err != nil:
		return owner, err
	case string(owner.Node) == r.node && r.local(id):
		return owner, c.local(ctx)
	case string(owner.Node) == r.node || owner.Address == "":
		return owner, notOwner(r.what, id, owner.Node)
	}
	return owner, c.remote(ctx, owner)
}

// claimed waits a moment for an account that the sending node, whose view may be ahead, sees
// here.
func (r *router) claimed(ctx context.Context, id fleet.AccountID, c routed) (Owner, error) {
	self := Owner{Node: fleet.NodeID(r.node)}
	for waited := time.Duration(0); waited < r.wait/4 && ctx.Err() == nil; {
		waited += pause(ctx, ownerPoll)
		if r.local(id) {
			return self, c.local(ctx)
		}
	}
	owner, err := r.owners.Owner(id)
	if err != nil || string(owner.Node) == r.node {
		owner.Node = ""
	}
	return self, notOwner(r.what, id, owner.Node)
}

// owner finds the owner of an account that exists, waiting for one.
func (r *router) owner(ctx context.Context, id fleet.AccountID) (Owner, error) {
	if owner, err := r.owners.Owner(id); err == nil {
		return owner, nil
	}
	if err := r.exists(ctx, id); err != nil {
		return Owner{}, err
	}
	wait, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	owner, err := r.owners.WaitOwner(wait, id)
	switch {
	case err == nil:
		return owner, nil
	case ctx.Err() != nil:
		return Owner{}, ctx.Err()
	}
	return Owner{}, fleet.Errorf(fleet.CodeUnavailable, reasonNoOwner, "%s %s has no owner yet", r.what, id).
		WithRetryAfter(ownerWait).WithRemedy("repeat in a moment; if it stays so, see its status and the node's log")
}

// movedSince tells a failure that comes from losing the owner from any other one.
func (r *router) movedSince(id fleet.AccountID, was Owner, err error) bool {
	if isReason(err, reasonLost) {
		return true
	}
	var own *fleet.Error
	if errors.As(err, &own) && own.Code != fleet.CodeUnavailable && own.Code != fleet.CodeAborted {
		return false
	}
	return r.moved(id, was)
}

func (r *router) moved(id fleet.AccountID, was Owner) bool {
	is, err := r.owners.Owner(id)
	return err != nil || is.Node != was.Node
}

// homes are the accounts that this node runs.
type homes struct{ fleet Fleet }

// env is the environment of an account that this node owns. Losing the account before that is
// NOT_OWNER, and nothing was done.
func (h *homes) env(ctx context.Context, id fleet.AccountID) (telegram.Env, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if !h.fleet.Local(id) {
		return nil, notOwner(byAccount, id, "")
	}
	env, err := h.fleet.Env(ctx, id)
	if err != nil && ctx.Err() == nil && !h.fleet.Local(id) {
		return nil, notOwner(byAccount, id, "")
	}
	return env, err
}

// peers are those of an account that this node owns, else nil.
func (h *homes) peers(ctx context.Context, id fleet.AccountID) telegram.Peers {
	if !h.fleet.Local(id) {
		return nil
	}
	env, err := h.fleet.Env(ctx, id)
	if err != nil {
		return nil
	}
	return env.Peers()
}

// pause waits and says how long it did.
func pause(ctx context.Context, d time.Duration) time.Duration {
	start := time.Now()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return time.Since(start)
}

// reported finds owners by what the accounts' statuses say, for a node without a table of
// owners.
type reported struct {
	fleet    Fleet
	accounts Accounts
	node     string
}

// Owner implements Owners.
func (r reported) Owner(id fleet.AccountID) (Owner, error) {
	if r.fleet.Local(id) {
		return Owner{Node: fleet.NodeID(r.node)}, nil
	}
	return Owner{}, errors.New("not owned here")
}

// WaitOwner implements Owners.
func (r reported) WaitOwner(ctx context.Context, id fleet.AccountID) (Owner, error) {
	for {
		if owner, err := r.Owner(id); err == nil {
			return owner, nil
		}
		account, err := r.accounts.Get(ctx, id)
		if err != nil {
			return Owner{}, err
		}
		if node := account.GetStatus().GetNode(); node != "" && node != r.node {
			return Owner{Node: fleet.NodeID(node)}, nil
		}
		pause(ctx, ownerPoll)
		if ctx.Err() != nil {
			return Owner{}, ctx.Err()
		}
	}
}
