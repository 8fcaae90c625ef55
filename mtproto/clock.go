package mtproto

import (
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// clock is our idea of the server's time, and the source of message ids.
type clock struct {
	offset time.Duration // server minus ours
	synced bool          // offset was confirmed by a message of the server
	lastID int64         // last message id given out
}

func (c *clock) server(now time.Time) time.Time { return now.Add(c.offset) }

// nextID makes a message id: server time * 2^32, divisible by 4, greater than all before,
// lower half not empty (core.telegram.org/mtproto/description, "Message Identifier").
func (c *clock) nextID(now time.Time) int64 {
	t := c.server(now)
	fraction := int64(t.Nanosecond()) * wire.MsgIDFactor / int64(time.Second)
	id := max(t.Unix()*wire.MsgIDFactor+fraction&^3, c.lastID+4)
	if uint32(id) == 0 {
		id += 4
	}
	c.lastID = id
	return id
}

// idTime is the time that a message id speaks of.
func idTime(id int64) time.Time {
	fraction := id % wire.MsgIDFactor
	return time.Unix(id/wire.MsgIDFactor, fraction*int64(time.Second)/wire.MsgIDFactor)
}

// setOffset adopts the time of a server's message as the present; it reports whether that
// changed the offset noticeably.
func (c *clock) setOffset(now time.Time, serverMsgID int64) bool {
	c.synced = true
	offset := idTime(serverMsgID).Sub(now)
	if diff := offset - c.offset; diff > -offsetStep && diff < offsetStep {
		return false
	}
	c.offset = offset.Round(time.Millisecond)
	return true
}

// observe learns from the id of a packet's message, and reports whether that changed the
// offset noticeably. Nothing comes from the future, so a later id always pushes the offset
// forward. An earlier one sets it only once, and only if the id is certainly new: that of an
// answer or a container; another message may be an old one, repeated.
func (c *clock) observe(now time.Time, m wire.Message) bool {
	const answer = 1
	isNew := m.ID&3 == answer || wire.ConstructorID(m.Body) == wire.IDMsgContainer
	if !idTime(m.ID).After(c.server(now)) && (c.synced || !isNew) {
		return false
	}
	return c.setOffset(now, m.ID)
}

// plausible is the time window of the message checks; without a synchronised clock it says
// nothing.
func (c *clock) plausible(now time.Time, serverMsgID int64) bool {
	if !c.synced {
		return true
	}
	age := c.server(now).Sub(idTime(serverMsgID))
	return age <= maxPast && age >= -maxFuture
}
