package mtproto

import (
	"slices"
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// States of a message in msgs_state_info (core.telegram.org/mtproto/
// service_messages_about_messages, "Informational Message regarding Status of Messages").
const (
	stateMask        = 7
	stateUnknown     = 1 // forgotten: may have been executed
	stateNotReceived = 2
	stateTooHigh     = 3 // not received either
	stateReceived    = 4
	stateAnswerMade  = 64
)

func contains(ids []int64, id int64) bool { return slices.Contains(ids, id) }

// onStateInfo takes msgs_state_info#04deb57d req_msg_id:long info:bytes, the answer to our
// question what became of calls.
func (e *Engine) onStateInfo(body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	req, info := r.Int64(), r.Bytes()
	if r.Err() != nil {
		return r.Err()
	}
	asked, ours := e.out.takeRequest(req)
	if !ours || asked.kind != askState {
		return nil
	}
	e.learnStates(asked.ids, info)
	return nil
}

// onAllInfo takes msgs_all_info#8cc0d131 msg_ids:Vector<long> info:bytes, the same without
// a question.
func (e *Engine) onAllInfo(body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	ids, info := r.Int64s(wire.MaxIDs), r.Bytes()
	if r.Err() != nil {
		return r.Err()
	}
	e.learnStates(ids, info)
	return nil
}

func (e *Engine) learnStates(ids []int64, info []byte) {
	var lost, forgotten []*call
	for i := range min(len(ids), len(info)) {
		one := e.calls.sent.get(ids[i])
		if one == nil {
			continue
		}
		switch info[i] & stateMask {
		case stateUnknown:
			forgotten = append(forgotten, one)
		case stateNotReceived, stateTooHigh:
			lost = append(lost, one)
		case stateReceived:
			if info[i]&stateAnswerMade != 0 {
				e.out.answers = addID(e.out.answers, one.msgID)
			}
		}
	}
	e.resendOrGiveUp(forgotten)
	e.calls.requeue(lost)
}

// addID adds an id to those of one message to be sent.
func addID(ids []int64, id int64) []int64 {
	if len(ids) >= wire.MaxIDs || contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// onDetailedInfo takes msg_detailed_info#276d3ec6 msg_id:long answer_msg_id:long bytes:int
// status:int, and msg_new_detailed_info#809db6df which lacks the first: instead of repeating
// a message the server says that it has it. We fetch what we miss and acknowledge the rest.
func (e *Engine) onDetailedInfo(now time.Time, body []byte) error {
	r := wire.NewReader(body)
	wanted := true
	if r.Uint32() == wire.IDMsgDetailedInfo {
		wanted = e.calls.sent.get(r.Int64()) != nil
	}
	answer := r.Int64()
	r.Int32()
	r.Int32()
	if r.Err() != nil {
		return r.Err()
	}
	switch {
	case e.acks.held(answer):
	case wanted && e.incoming.check(answer) == fresh:
		e.out.refetch = addID(e.out.refetch, answer)
	default:
		e.acks.add(now, answer)
	}
	return nil
}

// onStateReq answers msgs_state_req#da69fb52 msg_ids:Vector<long>: which of its messages
// have reached us.
func (e *Engine) onStateReq(msgID int64, body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	ids := r.Int64s(wire.MaxIDs)
	if r.Err() != nil {
		return r.Err()
	}
	info := make([]byte, len(ids))
	for i, id := range ids {
		switch e.incoming.check(id) {
		case duplicate:
			info[i] = stateReceived
		case tooOld:
			info[i] = stateUnknown
		case fresh:
			info[i] = stateNotReceived
		}
	}
	e.reply(msgID, info)
	return nil
}

func (e *Engine) reply(req int64, info []byte) {
	if len(e.out.replies) < maxRepliesWaiting {
		e.out.replies = append(e.out.replies, stateReply{req: req, info: info})
	}
}

// onResendReq answers msg_resend_req#7d861a08 msg_ids:Vector<long>: queries that wait for an
// answer are repeated; of anything else we only say that we do not have it.
func (e *Engine) onResendReq(msgID int64, body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	ids := r.Int64s(wire.MaxIDs)
	if r.Err() != nil {
		return r.Err()
	}
	info := make([]byte, len(ids))
	unknown := false
	for i, id := range ids {
		one := e.calls.sent.get(id)
		switch {
		case one == nil:
			info[i], unknown = stateUnknown, true
		case !slices.Contains(e.out.repeat, one):
			e.out.repeat = append(e.out.repeat, one)
			fallthrough
		default:
			info[i] = stateReceived
		}
	}
	if unknown {
		e.reply(msgID, info)
	}
	return nil
}
