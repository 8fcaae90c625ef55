package mtproto

import (
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// onNewSession takes new_session_created#9ec20908 first_msg_id:long unique_id:long
// server_salt:long: the server knows nothing of what came before first_msg_id.
func (e *Engine) onNewSession(now time.Time, body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	first, unique, salt := r.Int64(), r.Int64(), r.Int64()
	if r.Err() != nil {
		return r.Err()
	}
	if e.hasUniqueID && e.uniqueID == unique {
		return nil
	}
	e.uniqueID, e.hasUniqueID = unique, true
	if e.salts.set(e.clock.server(now), salt) {
		e.dirty = true
	}
	// A query that may be repeated is; of the others the server is asked first, because some
	// servers give their own present as first_msg_id, which is later than queries that they do
	// have.
	var again []*call
	for _, one := range e.calls.sentWhere(func(one *call) bool { return one.msgID < first }) {
		if one.idempotent {
			again = append(again, one)
		} else if !contains(e.out.ask, one.msgID) {
			e.out.ask = append(e.out.ask, one.msgID)
		}
	}
	e.calls.requeue(again)
	e.emit(SessionCreated{})
	return nil
}

// onKeyDestroyed takes the answers to destroy_auth_key#d1435160: destroy_auth_key_ok#f660e1d4,
// destroy_auth_key_none#0a9f2259, destroy_auth_key_fail#ea109b13. Some servers give them without
// rpc_result, and so without saying to which query; an engine's user has one at most.
func (e *Engine) onKeyDestroyed(body []byte) {
	for _, one := range e.calls.sentWhere(func(one *call) bool { return wire.ConstructorID(one.body) == wire.IDDestroyAuthKey }) {
		e.calls.remove(one)
		e.emit(CallDone{ID: one.id, Result: append([]byte(nil), body...)})
		return
	}
}
