package methods

import (
	"context"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

// syncer is an account that can bring its update state level.
type syncer interface {
	// Sync catches up by difference and returns when every event is in the log.
	Sync(ctx context.Context) error
	// Skip takes over the server's state and returns what that leaves out.
	Skip(ctx context.Context) ([]updates.Gap, error)
	// SyncChannel does the same for one channel, and goes on asking it for a while.
	SyncChannel(ctx context.Context, id int64, keep time.Duration) error
}

// maxPoll bounds how long a channel is polled.
const maxPoll = 24 * time.Hour

func syncUpdates(ctx context.Context, env telegram.Env, req *v1.SyncUpdatesRequest) (*v1.SyncUpdatesReply, error) {
	account, ok := Ability[syncer](env)
	if !ok {
		return nil, Unsupported("update streams")
	}
	reply := &v1.SyncUpdatesReply{}
	if req.GetChannel() != "" || req.GetPollFor() != nil {
		return reply, syncChannel(ctx, env, account, req)
	}
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

func syncChannel(ctx context.Context, env telegram.Env, account syncer, req *v1.SyncUpdatesRequest) error {
	keep := req.GetPollFor().AsDuration()
	switch {
	case req.GetSkip():
		return convert.Invalid("skip", "skip the common updates without channel", "excludes channel")
	case req.GetChannel() == "":
		return convert.Invalid("poll_for", "name the channel", "is of a channel, and channel is empty")
	case req.GetPollFor() != nil && (!req.GetPollFor().IsValid() || keep < 0 || keep > maxPoll):
		return convert.Invalid("poll_for", "for example 3600s", "must be 0 to %s (got %s)", maxPoll, keep)
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetChannel())
	if err != nil {
		return err
	}
	if peer.Kind != telegram.PeerChannel {
		return convert.Invalid("channel", "users and basic groups are synced without channel", "must be a channel or supergroup (got %q)", req.GetChannel())
	}
	return account.SyncChannel(ctx, peer.ID, keep)
}
