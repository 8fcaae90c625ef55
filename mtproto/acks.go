package mtproto

import (
	"slices"
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// acks are the acknowledgements that we owe: for every content-related message, also inside
// containers. They belong to the session, so they outlive the socket.
type acks struct {
	waiting     []int64
	since       time.Time // when the first of them began to wait
	unprocessed []int64   // updates delivered and not yet Processed, ascending
}

func (a *acks) add(now time.Time, msgID int64) {
	if len(a.waiting) == 0 {
		a.since = now
	}
	a.waiting = append(a.waiting, msgID)
}

// due reports whether acknowledgements should leave even without a query to travel with.
func (a *acks) due(now time.Time) bool {
	return len(a.waiting) > maxWaitingAcks || len(a.waiting) > 0 && now.Sub(a.since) >= ackDelay
}

// take removes at most as many as fit into one message.
func (a *acks) take() []int64 {
	n := min(len(a.waiting), wire.MaxIDs)
	ids := a.waiting[:n:n]
	if a.waiting = a.waiting[n:]; len(a.waiting) == 0 {
		a.waiting = nil
	}
	return ids
}

// hold remembers an update that must not be acknowledged before Processed.
func (a *acks) hold(msgID int64) {
	at, _ := slices.BinarySearch(a.unprocessed, msgID)
	a.unprocessed = slices.Insert(a.unprocessed, at, msgID)
}

func (a *acks) held(msgID int64) bool {
	_, found := slices.BinarySearch(a.unprocessed, msgID)
	return found
}

// release forgets that an update is held, and reports whether it was.
func (a *acks) release(msgID int64) bool {
	at, found := slices.BinarySearch(a.unprocessed, msgID)
	if !found {
		return false
	}
	if a.unprocessed = slices.Delete(a.unprocessed, at, at+1); len(a.unprocessed) == 0 {
		a.unprocessed = nil
	}
	return true
}

func (e *Engine) processed(now time.Time, msgIDs []int64) {
	for _, id := range msgIDs {
		if e.acks.release(id) {
			e.acks.add(now, id)
		}
	}
}
