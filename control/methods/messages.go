package methods

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"

	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// maxHistory is the most messages that one GetHistory returns.
const maxHistory = 10_000

func resolvePeer(ctx context.Context, env telegram.Env, req *v1.ResolvePeerRequest) (*v1.ResolvePeerReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	return &v1.ResolvePeerReply{Peer: peerOf(peer)}, nil
}

func sendMessage(ctx context.Context, env telegram.Env, req *v1.SendMessageRequest, c *command) (*v1.SendMessageReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	entities, err := inputEntities(req.GetMessage().GetEntities(), env.Peers())
	if err != nil {
		return nil, err
	}
	m := req.GetMessage()
	out := telegram.Outgoing{
		Text: m.GetText(), Entities: entities,
		ReplyTo: int(m.GetReply().GetMessageId()), Quote: m.GetReply().GetQuote(), TopID: int(m.GetReply().GetTopId()),
		Silent: m.GetSilent(), Background: m.GetBackground(), ClearDraft: m.GetClearDraft(),
		NoWebpage: m.GetNoWebpage(), InvertMedia: m.GetInvertMedia(), Noforwards: m.GetNoforwards(),
		RandomID: c.randomID(0), Since: c.since(),
	}
	if m.GetScheduleDate() != nil {
		out.Schedule = m.GetScheduleDate().AsTime()
	}
	sent, err := telegram.SendMessage(ctx, env, peer, out)
	if errors.Is(err, telegram.ErrMessageUnknown) {
		return &v1.SendMessageReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	return &v1.SendMessageReply{Message: messageOf(sent, env.Peers()), Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}, nil
}

func getHistory(ctx context.Context, env telegram.Env, req *v1.GetHistoryRequest) (*v1.GetHistoryReply, error) {
	if n := req.GetLimit(); n < 0 || n > maxHistory {
		return nil, invalid("limit", "read on with offset_id", "must be 0 to %d (got %d)", maxHistory, n)
	}
	if n := req.GetOffsetId(); n < 0 {
		return nil, invalid("offset_id", "give the id of the oldest message read so far, or 0", "must not be negative (got %d)", n)
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	h, err := telegram.GetHistory(ctx, env, peer, telegram.HistoryOptions{
		Limit: int(req.GetLimit()), OffsetID: int(req.GetOffsetId()),
	})
	if err != nil {
		return nil, err
	}
	known := lookup{known: map[peerKey]telegram.Peer{}, cache: env.Peers()}
	for _, p := range h.Peers {
		known.known[peerKey{p.Kind, p.ID}] = p
	}
	reply := &v1.GetHistoryReply{Total: int32(h.Total)}
	for _, m := range h.Messages {
		if msg := messageOf(m, known); msg != nil {
			reply.Messages = append(reply.Messages, msg)
		}
	}
	return reply, nil
}

func invoke(ctx context.Context, env telegram.Env, req *v1.InvokeRequest) (*v1.InvokeReply, error) {
	switch r := req.GetRequest().(type) {
	case *v1.InvokeRequest_Json:
		answer, err := telegram.InvokeJSON(ctx, env, []byte(r.Json))
		if err != nil {
			return nil, doneBefore(ctx, err)
		}
		return &v1.InvokeReply{Reply: &v1.InvokeReply_Json{Json: string(answer)}}, nil
	case *v1.InvokeRequest_Tl:
		answer, err := telegram.InvokeTL(ctx, env, r.Tl)
		if err != nil {
			return nil, doneBefore(ctx, err)
		}
		return &v1.InvokeReply{Reply: &v1.InvokeReply_Tl{Tl: answer}}, nil
	}
	return nil, invalid("request", "give the call as json or as tl", "is missing")
}

// invokesAgain reports whether a raw call may be made once more: Telegram lets only one of equal
// random_ids take effect, and reads do no harm.
func invokesAgain(req proto.Message) bool {
	call, _ := req.(*v1.InvokeRequest)
	switch r := call.GetRequest().(type) {
	case *v1.InvokeRequest_Json:
		var head struct {
			Name string `json:"_"`
		}
		return json.Unmarshal([]byte(r.Json), &head) == nil && telegram.IdempotentName(head.Name)
	case *v1.InvokeRequest_Tl:
		return len(r.Tl) >= 4 && telegram.IdempotentID(binary.LittleEndian.Uint32(r.Tl))
	}
	return false
}

// doneBefore types what Telegram says to a raw call that was made before.
func doneBefore(ctx context.Context, err error) error {
	if commandOf(ctx).resumed() && errors.Is(err, &fleet.Error{Reason: "RANDOM_ID_DUPLICATE"}) {
		return replyLost("Telegram's answer was lost")
	}
	return err
}

type peerKey struct {
	kind telegram.PeerKind
	id   int64
}

// getter finds peers by kind and bare id.
type getter interface {
	Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool)
}

// lookup finds peers in an answer first, then in the cache.
type lookup struct {
	known map[peerKey]telegram.Peer
	cache telegram.Peers
}

func (l lookup) Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool) {
	if p, ok := l.known[peerKey{kind, id}]; ok {
		return p, true
	}
	return l.cache.Get(kind, id)
}

// nobody knows no peers.
type nobody struct{}

func (nobody) Get(telegram.PeerKind, int64) (telegram.Peer, bool) { return telegram.Peer{}, false }
