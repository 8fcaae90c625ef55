package node

import (
	"context"
	"time"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

const (
	// eraseTries is how often the owner of a deleted account tries to clean up before it lets the
	// account go: it, or another node, then claims it again for that.
	eraseTries = 3
	erasePause = 500 * time.Millisecond
)

// erase removes what is stored of a deleted account. Nothing of it runs, and this node owns it
// still. The spec goes last: until then any next owner begins again.
func (n *Node) erase(ctx context.Context, g cluster.Grant) error {
	for _, step := range []func(context.Context, fleet.AccountID) error{
		func(ctx context.Context, id fleet.AccountID) error { return n.sessions.Delete(ctx, g.Fence, id) },
		n.peerStore.Delete,
		n.requests.Forget,
		n.events.Purge,
		n.keys.Shred,
		func(ctx context.Context, id fleet.AccountID) error {
			return n.accounts.CompleteDelete(ctx, g.Fence, id)
		},
	} {
		if err := step(ctx, g.Account); err != nil {
			return err
		}
	}
	n.log.Info("account is deleted", "account", string(g.Account))
	return nil
}

// letGo cleans up after a deleted account, then releases it.
func (n *Node) letGo(g cluster.Grant, reason cluster.LostReason) {
	for try := 1; reason == cluster.LostDeleted; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := n.erase(ctx, g)
		cancel()
		if err == nil {
			break
		}
		n.log.Warn("account is not deleted yet", "account", string(g.Account), "error", err.Error())
		if try == eraseTries || g.Guard.Check() != nil {
			break
		}
		time.Sleep(erasePause)
	}
	n.states.forget(g.Account)
	n.release(g, reason)
}

// forget drops what this process remembers of an account that is gone.
func (n *Node) forget(id fleet.AccountID) {
	n.keys.Forget(id)
	n.events.Forget(id)
}
