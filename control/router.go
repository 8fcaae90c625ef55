package control

import (
	"context"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// How long a call waits for an account to get an owner: placement and claim take a moment after
// its creation and after a move.
const (
	ownerWait = time.Second
	ownerPoll = 20 * time.Millisecond
)

// router finds the account of a call. It serves what this node owns; for what another node owns
// the error says which one.
type router struct {
	fleet    Fleet
	accounts Accounts
	node     string
}

// env waits up to ownerWait for this node to own the account.
func (r *router) env(ctx context.Context, id fleet.AccountID) (telegram.Env, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if r.fleet.Local(id) {
		return r.fleet.Env(ctx, id)
	}
	ticks := time.NewTicker(ownerPoll)
	defer ticks.Stop()
	timeout := time.NewTimer(ownerWait)
	defer timeout.Stop()
	for {
		account, err := r.accounts.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		owner := account.GetStatus().GetNode()
		if owner != "" && owner != r.node && !r.fleet.Local(id) {
			return nil, fleet.Errorf(fleet.CodeUnavailable, "NOT_OWNER", "account %s is owned by node %s", id, owner).
				WithRemedy("send the call to that node")
		}
		select {
		case <-ticks.C:
		case <-timeout.C:
			return nil, fleet.Errorf(fleet.CodeUnavailable, "NO_OWNER", "account %s has no owner yet", id).
				WithRetryAfter(ownerWait).WithRemedy("repeat in a moment; if it stays so, see the account's status and the node's log")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if r.fleet.Local(id) {
			return r.fleet.Env(ctx, id)
		}
	}
}

// peers are those of an account that this node owns, else nil.
func (r *router) peers(ctx context.Context, id fleet.AccountID) telegram.Peers {
	if !r.fleet.Local(id) {
		return nil
	}
	env, err := r.fleet.Env(ctx, id)
	if err != nil {
		return nil
	}
	return env.Peers()
}
