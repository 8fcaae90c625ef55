package client

import (
	"context"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// RotateMasterKey lets the node that this client reaches read its master keys again, and makes the
// new one current once every live node has it: WaitingFor names those that do not. Use a client of
// one node for each of them, one after the other. Reasons: MASTER_KEY_WRONG, CONFLICT.
func (c *Client) RotateMasterKey(ctx context.Context) (*v1.RotateMasterKeyReply, error) {
	return call(ctx, c, repeatable, func(n *node) func(context.Context, *v1.RotateMasterKeyRequest) (*v1.RotateMasterKeyReply, error) {
		return n.security.RotateMasterKey
	}, &v1.RotateMasterKeyRequest{})
}
