package mtproto

import (
	"errors"
	"fmt"
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// Codes of bad_msg_notification (core.telegram.org/mtproto/service_messages_about_messages,
// "Notice of Ignored Error Message").
const (
	badIDTooLow       = 16
	badIDTooHigh      = 17
	badIDLowBits      = 18
	badContainerID    = 19
	badTooOld         = 20
	badSeqTooLow      = 32
	badSeqTooHigh     = 33
	badSeqEvenWanted  = 34
	badSeqOddWanted   = 35
	badSalt           = 48
	badContainer      = 64
	groupID           = 1
	groupContainer    = 4
	codesPerGroupBits = 4
)

var errRefusedOften = errors.New("the server keeps refusing messages")

func badMsgText(code int) string {
	switch code {
	case badIDTooLow:
		return "message id too low"
	case badIDTooHigh:
		return "message id too high"
	case badIDLowBits:
		return "message id not divisible by 4"
	case badContainerID:
		return "container id used before"
	case badTooOld:
		return "message too old to know whether it was received"
	case badSeqTooLow:
		return "sequence number too low"
	case badSeqTooHigh:
		return "sequence number too high"
	case badSeqEvenWanted:
		return "even sequence number expected"
	case badSeqOddWanted:
		return "odd sequence number expected"
	case badSalt:
		return "wrong server salt"
	case badContainer:
		return "invalid container"
	default:
		return "unknown code"
	}
}

// onBadMsg takes bad_msg_notification#a7eff811 bad_msg_id:long bad_msg_seqno:int
// error_code:int, and bad_server_salt#edab447b which adds new_server_salt:long.
func (e *Engine) onBadMsg(now time.Time, serverMsgID int64, body []byte) error {
	r := wire.NewReader(body)
	salted := r.Uint32() == wire.IDBadServerSalt
	badID := r.Int64()
	r.Int32()
	code := int(r.Int32())
	var salt int64
	if salted {
		salt = r.Int64()
	}
	if r.Err() != nil || badID == 0 {
		return r.Err()
	}
	refused, requests := e.takeRefused(badID)
	if len(refused)+len(requests) == 0 && !e.recent.has(badID) {
		return nil // not ours, or answered long ago
	}
	e.emit(Refused{Code: code})
	late := badID <= e.refusedUpTo // sent before we knew of an earlier refusal
	e.refusedUpTo = max(e.refusedUpTo, e.clock.lastID)
	often := !late && e.refusals.exceeded(now, maxRefusals, refusalPeriod)
	problem := &BadMsgError{Code: code}
	if salted {
		if server := e.clock.server(now); !late || e.salts.current(server) != salt {
			e.salts.replace(salt)
			e.dirty = true
		}
		e.calls.requeue(refused)
	} else {
		e.react(now, serverMsgID, problem, refused)
	}
	e.askAgain(requests)
	if often {
		e.closeSocket(NewSession, fmt.Errorf("%w: %w", errRefusedOften, problem))
	}
	return nil
}

// takeRefused finds what a refused message was or, if it was a container, what it held.
func (e *Engine) takeRefused(badID int64) ([]*call, []request) {
	ones := e.calls.sentWhere(func(one *call) bool { return one.msgID == badID || one.packetID == badID })
	return ones, e.out.takeRefused(badID)
}

// react does what each code asks for. A refused message was not executed, so its calls may be
// sent again even if they are not idempotent; only 20 says that nobody knows.
func (e *Engine) react(now time.Time, serverMsgID int64, problem *BadMsgError, refused []*call) {
	switch problem.Code {
	case badIDTooLow:
		e.dirty = e.clock.setOffset(now, serverMsgID) || e.dirty
		e.calls.requeue(refused)
	case badIDTooHigh:
		e.dirty = e.clock.setOffset(now, serverMsgID) || e.dirty
		e.calls.requeue(refused)
		if !e.clock.plausible(now, e.clock.lastID) { // by the right clock: ids must not go backwards within a session
			e.closeSocket(NewSession, problem)
		}
	case badTooOld:
		e.resendOrGiveUp(refused)
	case badIDLowBits, badContainerID, badSeqEvenWanted, badSeqOddWanted:
		// Faults of ours that would come again: these calls must not.
		for _, one := range refused {
			e.finish(one, problem)
		}
		e.closeSocket(NewSession, problem)
	default:
		e.reactToGroup(now, serverMsgID, problem, refused)
	}
}

// reactToGroup reacts to the codes where their group says enough: the upper four bits.
func (e *Engine) reactToGroup(now time.Time, serverMsgID int64, problem *BadMsgError, refused []*call) {
	switch problem.Code >> codesPerGroupBits {
	case groupContainer:
		again := len(refused) == 0
		for _, one := range refused {
			again = again || one.alone
			one.alone = true
		}
		e.calls.requeue(refused)
		if again {
			e.closeSocket(NewSession, problem)
		}
	case groupID: // unknown ones
		e.dirty = e.clock.setOffset(now, serverMsgID) || e.dirty
		e.calls.requeue(refused)
		e.closeSocket(NewSession, problem)
	default: // sequence numbers (32, 33), a salt without the right one, unknown groups
		e.calls.requeue(refused)
		e.closeSocket(NewSession, problem)
	}
}
