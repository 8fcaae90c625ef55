package mailbox

import "sync"

// usual is the room of a pooled buffer; few mailboxes ever hold more.
const usual = 32

var rings = sync.Pool{New: func() any { return new(ring) }}

// queue is first in, first out. Empty, it holds no memory.
type queue struct{ ring *ring }

type ring struct {
	buf   []any // buf[head:] waits
	head  int
	small [usual]any // what buf is to begin with
}

func (q *queue) len() int {
	if q.ring == nil {
		return 0
	}
	return len(q.ring.buf) - q.ring.head
}

func (q *queue) push(message any) {
	r := q.ring
	if r == nil {
		r = rings.Get().(*ring)
		r.buf, r.head = r.small[:0], 0
		q.ring = r
	}
	if len(r.buf) == cap(r.buf) && r.head > len(r.buf)/2 { // most of it is free
		n := copy(r.buf, r.buf[r.head:])
		clear(r.buf[n:])
		r.buf, r.head = r.buf[:n], 0
	}
	if len(r.buf) == cap(r.buf) {
		grown := append(make([]any, 0, 2*cap(r.buf)), r.buf[r.head:]...)
		clear(r.buf)
		r.buf, r.head = grown, 0
	}
	r.buf = append(r.buf, message)
}

// pop takes the oldest message of a queue that is not empty.
func (q *queue) pop() any {
	r := q.ring
	message := r.buf[r.head]
	r.buf[r.head] = nil
	if r.head++; r.head == len(r.buf) {
		r.buf = nil
		q.ring = nil
		rings.Put(r)
	}
	return message
}
