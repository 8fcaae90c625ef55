package methods

import (
	"context"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

// syncer is an account that can bring its update state level.
type syncer interface {
	// Sync catches up by difference and returns when every event is in the log.
	Sync(ctx context.Context) error
	// Skip takes over the server's state and returns what that leaves out.
	Skip(ctx context.Context) ([]updates.Gap, error)
}

func syncUpdates(ctx context.Context, env telegram.Env, req *v1.SyncUpdatesRequest) (*v1.SyncUpdatesReply, error) {
	account, ok := env.(syncer)
	if !ok {
		return nil, unsupported("update streams")
	}
	reply := &v1.SyncUpdatesReply{}
	if !req.GetSkip() {
		if err := account.Sync(ctx); err != nil {
			return nil, err
		}
		return reply, nil
	}
	gaps, err := account.Skip(ctx)
	if err != nil {
		return nil, err
	}
	for _, gap := range gaps {
		reply.Skipped = append(reply.Skipped, &v1.SkippedUpdates{Box: gap.Box.String(), From: int64(gap.From), To: int64(gap.To)})
	}
	return reply, nil
}
