package methods

import (
	"context"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// syncer is an account that can bring its update state level.
type syncer interface {
	// Sync catches up by difference and returns when every event is in the log.
	Sync(ctx context.Context) error
}

func syncUpdates(ctx context.Context, env telegram.Env, req *v1.SyncUpdatesRequest) (*v1.SyncUpdatesReply, error) {
	account, ok := env.(syncer)
	if !ok {
		return nil, unsupported("update streams")
	}
	if req.GetSkip() {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "SKIP_UNSUPPORTED", "skip: updates cannot be skipped by this version (got true)").
			WithRemedy("leave skip out: what is missing is fetched")
	}
	if err := account.Sync(ctx); err != nil {
		return nil, err
	}
	return &v1.SyncUpdatesReply{}, nil
}
