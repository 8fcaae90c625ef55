package methods

import (
	"context"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
)

// Security looks after the master key.
type Security interface {
	// RotateMasterKey reads this node's master keys again and makes the new one current once every
	// live node has it.
	RotateMasterKey(ctx context.Context) (MasterRotation, error)
}

// MasterRotation is how far a rotation is.
type MasterRotation struct {
	// Master is the id of the new key, Node the node that was asked.
	Master string
	Node   fleet.NodeID
	// Waiting are the nodes that do not have it; nothing is changed while there are any.
	Waiting []string
	// Rewrapped is how many data keys were wrapped anew.
	Rewrapped int
}

func rotateMasterKey(ctx context.Context, host *Host, _ *v1.RotateMasterKeyRequest) (*v1.RotateMasterKeyReply, error) {
	if host.Security == nil {
		return nil, Unsupported("master keys")
	}
	r, err := host.Security.RotateMasterKey(ctx)
	if err != nil {
		return nil, err
	}
	return &v1.RotateMasterKeyReply{
		MasterKey: r.Master, Node: string(r.Node), WaitingFor: r.Waiting, Rewrapped: int32(r.Rewrapped),
	}, nil
}
