// Package convert turns values of packages telegram and tg into messages of the contract, and back.
//
// # Usage
//
//	reply.Message = convert.Message(sent, env.Peers())
//	entities, err := convert.InputEntities("message.entities", list, env.Peers())
//
// Conversions to the contract take what is known of the peers and never fail: what the contract has
// no form for is left out. Those from the contract name the field that is wrong.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Invalid makes the error of a bad field: *fleet.Error of reason FIELD_INVALID.
package convert

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Peers finds peers by kind and bare id.
type Peers interface {
	Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool)
}

var _ Peers = telegram.Peers(nil)

// Nobody knows no peers.
type Nobody struct{}

// Get finds nobody.
func (Nobody) Get(telegram.PeerKind, int64) (telegram.Peer, bool) { return telegram.Peer{}, false }

type peerKey struct {
	kind telegram.PeerKind
	id   int64
}

// answered finds peers in an answer first, then in the cache.
type answered struct {
	known map[peerKey]telegram.Peer
	cache Peers
}

// Answered finds the peers that came with an answer first, then those of cache.
func Answered(with []telegram.Peer, cache Peers) Peers {
	a := answered{known: make(map[peerKey]telegram.Peer, len(with)), cache: cache}
	for _, p := range with {
		a.known[peerKey{p.Kind, p.ID}] = p
	}
	return a
}

func (a answered) Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool) {
	if p, ok := a.known[peerKey{kind, id}]; ok {
		return p, true
	}
	return a.cache.Get(kind, id)
}

// Time is nil for the zero time.
func Time(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// Unix is a TL date in seconds; nil for 0.
func Unix(date int) *timestamppb.Timestamp {
	if date == 0 {
		return nil
	}
	return timestamppb.New(time.Unix(int64(date), 0))
}

// IDs narrows message ids, which TL has as int32.
func IDs(list []int) []int32 {
	out := make([]int32, 0, len(list))
	for _, id := range list {
		out = append(out, int32(id))
	}
	return out
}

// Invalid is the error for a bad field of a request; format begins with a verb.
func Invalid(field, remedy, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", field+": "+format, args...).WithRemedy(remedy)
}
