package mtproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// Codes of transport errors (core.telegram.org/mtproto/mtproto-transports).
const (
	codeKeyUnknown = -404
	codeFlood      = -429
	codeWrongDC    = -444
)

var errNestedTooDeep = errors.New("object wrapped too often")

// receive takes one packet: the message checks in their order, then the message itself. A
// packet that fails a check is dropped as a whole, and the socket with it.
func (e *Engine) receive(now time.Time, frame []byte) {
	if e.phase != up {
		return
	}
	if len(frame) == 4 {
		e.transportError(int(int32(binary.LittleEndian.Uint32(frame))))
		return
	}
	p, err := wire.Open(&e.key, frame)
	if err == nil {
		err = e.checkMessage(now, p)
	}
	if err != nil {
		e.closeSocket(Reconnect, err)
		return
	}
	e.inflated = 0
	if err := e.message(now, p.Message, true); err != nil {
		e.closeSocket(Reconnect, fmt.Errorf("message %#x: %w", wire.ConstructorID(p.Body), err))
	}
}

func (e *Engine) transportError(code int) {
	action := Reconnect
	switch code {
	case codeKeyUnknown:
		action = KeyUnknown
	case codeFlood:
		action = Flood
	case codeWrongDC:
		action = WrongDC
	}
	e.closeSocket(action, &TransportError{Code: code})
}

// checkMessage makes checks 4 and 5 of the message checks: session, parity of the id, ids
// older than the window, time window.
func (e *Engine) checkMessage(now time.Time, p wire.Opened) error {
	switch {
	case p.SessionID != e.sessionID:
		return &wire.PacketError{Rule: wire.RuleSession, Problem: "message of another session"}
	case p.ID&1 == 0:
		return &wire.PacketError{Rule: wire.RuleMessageID, Problem: "message id of a client"}
	}
	switch e.incoming.check(p.ID) {
	case tooOld:
		return &wire.PacketError{Rule: wire.RuleMessageID, Problem: "message id older than all remembered"}
	case fresh:
		if !e.clock.plausible(now, p.ID) {
			if setsRight(p.Body) {
				return nil
			}
			e.clock.synced = false // if it is our clock that jumped, the next message sets it right
			return &wire.PacketError{Rule: wire.RuleTime, Problem: "message id too far from the present"}
		}
		if e.clock.observe(now, p.Message) {
			e.dirty = true
		}
	}
	return nil
}

// setsRight reports whether a message is one that the time window does not bind: a notice of a
// refused message is how a server tells that our clock has jumped.
func setsRight(body []byte) bool {
	id := wire.ConstructorID(body)
	return id == wire.IDBadMsgNotification || id == wire.IDBadServerSalt
}

// message takes one message of a packet, or of a container in it.
func (e *Engine) message(now time.Time, m wire.Message, outer bool) error {
	if outer && wire.ConstructorID(m.Body) == wire.IDMsgContainer {
		return e.container(now, m)
	}
	if m.ID&1 == 0 {
		return &wire.PacketError{Rule: wire.RuleMessageID, Problem: "message id of a client"}
	}
	switch e.incoming.check(m.ID) {
	case duplicate:
		e.ackRepeated(now, m)
		return nil
	case tooOld: // in a container: repeated long after; only an awaited answer still counts
		e.ackRepeated(now, m)
		if wire.ConstructorID(m.Body) != wire.IDRPCResult {
			return nil
		}
	case fresh:
		if isUpdate(m.Body) && len(e.acks.unprocessed) >= maxUnprocessed {
			return nil // not remembered: the server will repeat it
		}
		e.incoming.add(m.ID)
		e.ackNew(now, m)
	}
	return e.object(now, m, m.Body)
}

func (e *Engine) container(now time.Time, m wire.Message) error {
	c, err := wire.ReadContainer(m.Body)
	if err != nil {
		return err
	}
	if e.incoming.check(m.ID) != fresh {
		return nil
	}
	e.incoming.add(m.ID)
	var problem error
	for inner, ok := c.Next(); ok; inner, ok = c.Next() {
		if err := e.message(now, inner, false); err != nil && problem == nil {
			problem = fmt.Errorf("message %#x: %w", wire.ConstructorID(inner.Body), err)
		}
	}
	return problem
}

// ackNew makes a content-related message acknowledged: updates after Processed, all others
// now.
func (e *Engine) ackNew(now time.Time, m wire.Message) {
	switch {
	case !m.NeedsAck():
	case isUpdate(m.Body):
		e.acks.hold(m.ID)
	default:
		e.acks.add(now, m.ID)
	}
}

// ackRepeated acknowledges a message again whose first acknowledgement was lost.
func (e *Engine) ackRepeated(now time.Time, m wire.Message) {
	if m.NeedsAck() && !e.acks.held(m.ID) {
		e.acks.add(now, m.ID)
	}
}

// object takes one TL object: a message's body, or what was packed in it.
func (e *Engine) object(now time.Time, m wire.Message, body []byte) error {
	if len(body) < 4 {
		return wire.ErrShort
	}
	switch wire.ConstructorID(body) {
	case wire.IDRPCResult:
		return e.onResult(now, m, body)
	case wire.IDPong:
		return e.onPong(now, body)
	case wire.IDNewSessionCreated:
		return e.onNewSession(now, body)
	case wire.IDBadMsgNotification, wire.IDBadServerSalt:
		return e.onBadMsg(now, m.ID, body)
	case wire.IDFutureSalts:
		return e.onFutureSalts(now, body)
	case wire.IDMsgsStateReq:
		return e.onStateReq(m.ID, body)
	case wire.IDMsgsStateInfo:
		return e.onStateInfo(body)
	case wire.IDMsgsAllInfo:
		return e.onAllInfo(body)
	case wire.IDMsgDetailedInfo, wire.IDMsgNewDetailedInfo:
		return e.onDetailedInfo(now, body)
	case wire.IDMsgResendReq:
		return e.onResendReq(m.ID, body)
	case wire.IDGzipPacked:
		return e.onPacked(now, m, body)
	case wire.IDMsgContainer:
		return &wire.PacketError{Rule: wire.RuleContainer, Problem: "container in a container"}
	case wire.IDMsgsAck:
		return nil // an answer is awaited anyway; only that ends a call
	case wire.IDDestroyAuthKeyOK, wire.IDDestroyAuthKeyNone, wire.IDDestroyAuthKeyFail:
		e.onKeyDestroyed(body)
		return nil
	case wire.IDDestroySessionOK, wire.IDDestroySessionNone, wire.IDHTTPWait, wire.IDMsgCopy:
		return nil // msg_copy is history: no server uses it
	default:
		e.emit(UpdatesReceived{MsgID: m.ID, Body: append([]byte(nil), body...)})
		return nil
	}
}

// isUpdate reports whether a message will be handed out as UpdatesReceived, as far as can be
// seen without unpacking: what is packed and is no answer is taken for updates.
func isUpdate(body []byte) bool {
	switch wire.ConstructorID(body) {
	case 0: // nothing at all
		return false
	case wire.IDRPCResult, wire.IDPong, wire.IDNewSessionCreated, wire.IDBadMsgNotification,
		wire.IDBadServerSalt, wire.IDFutureSalts, wire.IDMsgsStateReq, wire.IDMsgsStateInfo,
		wire.IDMsgsAllInfo, wire.IDMsgDetailedInfo, wire.IDMsgNewDetailedInfo, wire.IDMsgResendReq,
		wire.IDMsgCopy, wire.IDMsgContainer, wire.IDMsgsAck, wire.IDDestroySessionOK,
		wire.IDDestroySessionNone, wire.IDHTTPWait, wire.IDDestroyAuthKeyOK, wire.IDDestroyAuthKeyNone,
		wire.IDDestroyAuthKeyFail:
		return false
	default:
		return true
	}
}
