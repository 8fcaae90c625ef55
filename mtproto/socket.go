package mtproto

import (
	"errors"
	"time"
)

// ErrNoPong ends a socket on which pings are not answered.
var ErrNoPong = errors.New("no pong: the server does not answer")

// socketUp starts a new socket: its first packet will carry a ping, and the question what
// became of the calls that an earlier socket took with it.
func (e *Engine) socketUp(now time.Time) {
	if e.phase == ended {
		return
	}
	e.socketDown()
	e.phase = up
	e.socket++
	e.ping.wanted = true
	e.ping.next = now.Add(e.pingInterval)
	for _, one := range e.calls.sentWhere(func(*call) bool { return true }) {
		e.out.ask = append(e.out.ask, one.msgID)
	}
}

// socketDown forgets what made sense on that socket only.
func (e *Engine) socketDown() {
	e.out = outbox{}
	e.ping.stop()
	if e.phase != ended {
		e.phase = down
	}
}

// closeSocket leaves the phase up.
func (e *Engine) closeSocket(action Action, err error) {
	if e.phase != up {
		return
	}
	if e.phase = closing; action == NewSession {
		e.phase = ended
	}
	e.persist() // nothing of interest comes after Closed
	e.emit(Closed{Reason: &CloseError{Action: action, Err: err}})
}

// updateTimer asks for the next time at which something is due. A timer that is early
// enough stays as it is, so that busy engines do not set one for every packet.
func (e *Engine) updateTimer() {
	var next time.Time
	if e.phase == up {
		next = e.ping.next
		if d := e.ping.deadline; !d.IsZero() && d.Before(next) {
			next = d
		}
		if len(e.acks.waiting) > 0 {
			if due := e.acks.since.Add(ackDelay); due.Before(next) {
				next = due
			}
		}
	}
	stays := !e.timer.IsZero() && !next.IsZero() && !next.Before(e.timer)
	if stays || next.Equal(e.timer) {
		return
	}
	e.timer = next
	e.emit(SetTimer{At: next})
}

// rest gives memory back that a busy time has left; it comes with each ping.
func (e *Engine) rest() {
	e.incoming.trim()
	e.calls.rest()
	const usual = 16
	if cap(e.batch) > usual {
		e.batch = nil
	}
	if cap(e.effects) > usual && len(e.effects) == 0 {
		e.effects = nil
	}
}

func (e *Engine) timerFired(now time.Time) {
	e.timer = time.Time{}
	if e.phase != up {
		return
	}
	if d := e.ping.deadline; !d.IsZero() && !now.Before(d) {
		e.closeSocket(Reconnect, ErrNoPong)
		return
	}
	if !now.Before(e.ping.next) {
		e.ping.wanted = true
		e.rest()
	}
	e.flush(now)
}
