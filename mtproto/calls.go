package mtproto

import "slices"

// Pending is a call without answer.
type Pending struct {
	ID         CallID
	Body       []byte
	Idempotent bool
	Low        bool
	// Sent says that the server may have received it.
	Sent bool
}

// call is one query without answer.
type call struct {
	id   CallID
	body []byte

	msgID    int64  // 0: queued
	packetID int64  // the container it travelled in, or msgID
	seqNo    int32  // as sent
	socket   uint32 // the socket it was sent on

	idempotent bool
	low        bool
	alone      bool // the server refused it in a container

	binding *binding // of a Bind: its body is made for each message anew
}

// calls are all queries without answer: queued ones in three queues, sent ones by message id.
type calls struct {
	byID   index[CallID]
	sent   index[int64]
	again  []*call // refused or lost: before all others, in their old order
	normal []*call
	low    []*call
}

func (c *calls) queued() bool { return len(c.again)+len(c.normal)+len(c.low) > 0 }

// queue is where a call waits to be sent.
func (c *calls) queue(one *call) *[]*call {
	if one.low {
		return &c.low
	}
	return &c.normal
}

// next is the first queued call, nil if there is none.
func (c *calls) next() *call {
	for _, queue := range [...][]*call{c.again, c.normal, c.low} {
		if len(queue) > 0 {
			return queue[0]
		}
	}
	return nil
}

// pop removes what next returned.
func (c *calls) pop() {
	for _, queue := range [...]*[]*call{&c.again, &c.normal, &c.low} {
		if q := *queue; len(q) > 0 {
			q[0] = nil
			if *queue = q[1:]; len(q) == 1 {
				*queue = nil
			}
			return
		}
	}
}

// unqueue removes one queued call, wherever it waits.
func (c *calls) unqueue(one *call) {
	for _, queue := range [...]*[]*call{&c.again, &c.normal, &c.low} {
		if at := slices.Index(*queue, one); at >= 0 {
			*queue = slices.Delete(*queue, at, at+1)
			return
		}
	}
}

// remove forgets a call.
func (c *calls) remove(one *call) {
	if c.byID.drop(one.id); one.msgID == 0 {
		c.unqueue(one)
	} else {
		c.sent.drop(one.msgID)
	}
}

// rest gives back what nobody uses.
func (c *calls) rest() {
	if len(c.byID) == 0 {
		c.byID, c.sent = nil, nil
	}
}

// markSent records that a call left under this id.
func (c *calls) markSent(one *call, msgID int64, seqNo int32, socket uint32) {
	one.msgID, one.packetID, one.seqNo, one.socket = msgID, msgID, seqNo, socket
	c.sent.put(msgID, one)
}

// requeue puts sent calls, in their order, before all that are queued; they will leave under
// new ids.
func (c *calls) requeue(ones []*call) {
	for _, one := range ones {
		if one.msgID != 0 { // else it is named twice
			c.sent.drop(one.msgID)
			one.msgID, one.packetID = 0, 0
			c.again = append(c.again, one)
		}
	}
}

// sentWhere lists sent calls in the order in which they left.
func (c *calls) sentWhere(matches func(*call) bool) []*call {
	var found []*call
	for _, e := range c.sent {
		if matches(e.call) {
			found = append(found, e.call)
		}
	}
	return found
}

func (e *Engine) invoke(in Invoke) {
	switch {
	case e.calls.byID.get(in.ID) != nil:
		return // the id is taken: the first call will end it
	case len(in.Body) == 0 || len(in.Body)%4 != 0:
		e.done(in.ID, ErrMalformed)
		return
	case len(in.Body) > MaxBody:
		e.done(in.ID, ErrTooLarge)
		return
	case len(e.calls.byID) >= MaxCalls:
		e.done(in.ID, ErrTooManyCalls)
		return
	}
	one := &call{id: in.ID, body: in.Body, idempotent: in.Idempotent, low: in.Low}
	e.calls.byID.put(in.ID, one)
	queue := e.calls.queue(one)
	*queue = append(*queue, one)
}

func (e *Engine) adopt(pending []Pending) {
	for _, p := range pending {
		if p.Sent && !p.Idempotent {
			e.done(p.ID, ErrUnknownOutcome)
			continue
		}
		e.invoke(Invoke{ID: p.ID, Body: p.Body, Idempotent: p.Idempotent, Low: p.Low})
	}
}

func (e *Engine) cancel(id CallID) {
	one := e.calls.byID.get(id)
	if one == nil {
		return
	}
	if one.msgID != 0 && e.phase == up {
		e.out.drops = append(e.out.drops, one.msgID)
	}
	e.finish(one, ErrCancelled)
}

// finish ends a call without a result.
func (e *Engine) finish(one *call, err error) {
	e.calls.remove(one)
	e.done(one.id, err)
}

// resendOrGiveUp is for calls that the server has forgotten: it may have executed them.
func (e *Engine) resendOrGiveUp(ones []*call) {
	again := ones[:0:0]
	for _, one := range ones {
		switch {
		case one.idempotent:
			again = append(again, one)
		case e.calls.byID.get(one.id) == one: // else it is named twice
			e.finish(one, ErrUnknownOutcome)
		}
	}
	e.calls.requeue(again)
}

// Unanswered lists the calls that are not done, in the order in which they should be sent again.
func (e *Engine) Unanswered() []Pending {
	sent := e.calls.sentWhere(func(*call) bool { return true })
	pending := make([]Pending, 0, len(e.calls.byID))
	for _, queue := range [...][]*call{sent, e.calls.again, e.calls.normal, e.calls.low} {
		for _, one := range queue {
			if one.binding != nil {
				continue
			}
			pending = append(pending, Pending{
				ID: one.id, Body: one.body, Idempotent: one.idempotent, Low: one.low, Sent: one.msgID != 0,
			})
		}
	}
	return pending
}
