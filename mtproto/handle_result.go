package mtproto

import (
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// onResult takes rpc_result#f35c6d01 req_msg_id:long result:Object. An answer to nothing
// that we wait for is acknowledged like any other, and dropped.
func (e *Engine) onResult(now time.Time, m wire.Message, body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	req := r.Int64()
	result := r.Rest()
	if r.Err() != nil || len(result) < 4 {
		return wire.ErrShort
	}
	one := e.calls.sent.get(req)
	if one == nil {
		return e.onOwnResult(now, m, req, result)
	}
	e.calls.remove(one)
	packed := wire.ConstructorID(result) == wire.IDGzipPacked
	result, err := e.unpack(result)
	switch {
	case err != nil:
		e.done(one.id, &ResultError{Err: err})
	case wire.ConstructorID(result) == wire.IDRPCError:
		e.done(one.id, parseRPCError(result))
	case packed:
		e.emit(CallDone{ID: one.id, Result: result})
	default:
		e.emit(CallDone{ID: one.id, Result: append([]byte(nil), result...)})
	}
	return nil
}

// onOwnResult takes the answer to a request of the engine's own. Most servers answer these
// without rpc_result.
func (e *Engine) onOwnResult(now time.Time, m wire.Message, req int64, result []byte) error {
	switch wire.ConstructorID(result) {
	case wire.IDPong, wire.IDFutureSalts, wire.IDMsgsStateInfo:
		return e.object(now, m, result)
	}
	if r, ours := e.out.takeRequest(req); ours && r.kind == askState {
		// The server does not know this question: what an earlier socket took with it has to
		// be taken for forgotten.
		e.resendOrGiveUp(e.calls.sentWhere(func(one *call) bool {
			return one.socket != e.socket && contains(r.ids, one.msgID)
		}))
	}
	return nil
}

func parseRPCError(result []byte) error {
	r := wire.NewReader(result)
	r.Uint32()
	code, message := r.Int32(), r.Bytes()
	if r.Err() != nil {
		return &ResultError{Err: r.Err()}
	}
	return &RPCError{Code: int(code), Message: string(message)}
}

// unpack removes gzip_packed around an object.
func (e *Engine) unpack(object []byte) ([]byte, error) {
	for range maxDepth {
		if wire.ConstructorID(object) != wire.IDGzipPacked {
			return object, nil
		}
		limit := min(maxInflated, maxInflatedFrame-e.inflated)
		unpacked, err := wire.Gunzip(object, limit)
		if err != nil {
			return nil, err
		}
		e.inflated += len(unpacked)
		object = unpacked
	}
	if wire.ConstructorID(object) == wire.IDGzipPacked {
		return nil, errNestedTooDeep
	}
	return object, nil
}

// onPacked takes gzip_packed outside of an answer. What cannot be unpacked is handed out as
// it is: its reader will find it undecodable and catch up by difference.
func (e *Engine) onPacked(now time.Time, m wire.Message, body []byte) error {
	object, err := e.unpack(body)
	if err != nil {
		e.emit(UpdatesReceived{MsgID: m.ID, Body: append([]byte(nil), body...)})
		return nil
	}
	if !isUpdate(object) && e.acks.release(m.ID) { // it only looked like updates
		e.acks.add(now, m.ID)
	}
	return e.object(now, m, object)
}
