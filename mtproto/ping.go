package mtproto

import (
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// ping keeps the socket alive and bounded: ping_delay_disconnect makes the server close it
// some time after the last one, so that a node that lost its account cannot hold a socket.
type ping struct {
	id       int64 // of the last ping
	wanted   bool
	next     time.Time // when the next one is due
	deadline time.Time // when a pong is overdue; zero: none is awaited
}

func (p *ping) stop() {
	p.wanted, p.next, p.deadline = false, time.Time{}, time.Time{}
}

// sent notes that a ping leaves now.
func (p *ping) sent(now time.Time, interval, pongDelay time.Duration) {
	p.wanted = false
	p.next = now.Add(interval)
	if p.deadline.IsZero() {
		p.deadline = now.Add(pongDelay)
	}
}

// onPong takes pong#347773c5 msg_id:long ping_id:long.
func (e *Engine) onPong(now time.Time, body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	req, id := r.Int64(), r.Int64()
	if r.Err() != nil {
		return r.Err()
	}
	if _, ours := e.out.takeRequest(req); !ours {
		return nil
	}
	if id == e.ping.id {
		e.out.forgetPings()
		e.ping.deadline = time.Time{}
	} else { // an earlier one: a later one is still on its way
		e.ping.deadline = now.Add(e.pongDelay())
	}
	return nil
}

func (e *Engine) pongDelay() time.Duration { return min(e.disconnectDelay, maxPongDelay) }
