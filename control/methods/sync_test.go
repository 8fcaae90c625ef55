package methods

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/peertest"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

// syncing is an account that notes what it is to catch up with.
type syncing struct {
	telegram.Env
	peers *peertest.Peers
	done  []string
	keep  time.Duration
}

func (s *syncing) Peers() telegram.Peers { return s.peers }

func (s *syncing) Sync(context.Context) error { s.done = append(s.done, "all"); return nil }

func (s *syncing) Skip(context.Context) ([]updates.Gap, error) {
	s.done = append(s.done, "skip")
	return []updates.Gap{{Box: updates.Box{Kind: updates.BoxPts}, From: 1, To: 9}}, nil
}

func (s *syncing) SyncChannel(_ context.Context, id int64, keep time.Duration) error {
	s.done, s.keep = append(s.done, updates.ChannelBox(id).String()), keep
	return nil
}

func TestSyncUpdatesSaysWhatItDoes(t *testing.T) {
	env := func() *syncing {
		return &syncing{peers: peertest.New(telegram.Peer{Kind: telegram.PeerChannel, ID: 9, AccessHash: 1}, telegram.Peer{Kind: telegram.PeerUser, ID: 7, AccessHash: 1})}
	}
	good := map[string]*v1.SyncUpdatesRequest{
		"all":       {},
		"skip":      {Skip: true},
		"channel:9": {Channel: "-1000000000009", PollFor: durationpb.New(time.Hour)},
	}
	for want, req := range good {
		e := env()
		reply, err := syncUpdates(t.Context(), e, req)
		if err != nil || len(e.done) != 1 || e.done[0] != want || e.keep != req.GetPollFor().AsDuration() || len(reply.GetSkipped()) > 0 != req.GetSkip() {
			t.Errorf("%v: did %v for %v, %v, %v", req, e.done, e.keep, reply, err)
		}
	}
	bad := []*v1.SyncUpdatesRequest{
		{Channel: "-1000000000009", Skip: true},
		{PollFor: durationpb.New(time.Hour)},
		{Channel: "-1000000000009", PollFor: durationpb.New(25 * time.Hour)},
		{Channel: "-1000000000009", PollFor: durationpb.New(-time.Second)},
		{Channel: "7"},
	}
	for _, req := range bad {
		e := env()
		_, err := syncUpdates(t.Context(), e, req)
		var refused *fleet.Error
		if !errors.As(err, &refused) || refused.Reason != "FIELD_INVALID" || refused.Remedy == "" || len(e.done) > 0 {
			t.Errorf("%v: %v, did %v", req, err, e.done)
		}
	}
}
