package node

import (
	"context"

	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/fleet"
)

// openRequests joins what makes commands idempotent: the events' JetStream, the accounts' data
// keys and the tokens under which this node owns accounts.
func (n *Node) openRequests(ctx context.Context, cfg configs.Config) error {
	store, err := requests.NewKV(ctx, n.events.JetStream(), requests.KVConfig{Replicas: cfg.Events.Replicas})
	if err != nil {
		return err
	}
	n.requests, err = requests.New(requests.Config{
		Store: store, Keys: n.keys.DataKey, Token: n.token, Log: n.log.Named("requests"),
	})
	return err
}

// token is that under which this node owns the account.
func (n *Node) token(_ context.Context, id fleet.AccountID) (fleet.FencingToken, error) {
	owner, err := n.member.Owner(id)
	if err != nil || owner.Node != n.member.Node() || n.member.Gate().Check() != nil {
		return 0, fleet.Errorf(fleet.CodeUnavailable, "NOT_OWNER", "account %s is not owned by this node", id).
			WithRemedy("repeat the call in a moment: the account is moving")
	}
	return owner.Fence.Token(), nil
}
