package mailbox

import "sync"

// usual is the room of a pooled buffer; few mailboxes ever hold more.
const usual = 32

var buffers = sync.Pool{New: func() any { return new([usual]any) }}

// queue is first in, first out. Empty, it holds no memory.
type queue struct {
	buf   []any // buf[head:] waits
	head  int
	small *[usual]any // the pooled buffer, if buf is one
}

func (q *queue) len() int { return len(q.buf) - q.head }

func (q *queue) push(message any) {
	if q.buf == nil {
		q.small = buffers.Get().(*[usual]any)
		q.buf = q.small[:0]
	}
	if len(q.buf) == cap(q.buf) && q.head > len(q.buf)/2 { // most of it is free
		n := copy(q.buf, q.buf[q.head:])
		clear(q.buf[n:])
		q.buf, q.head = q.buf[:n], 0
	}
	if len(q.buf) == cap(q.buf) {
		grown := append(make([]any, 0, 2*cap(q.buf)), q.buf[q.head:]...)
		q.release()
		q.buf, q.head = grown, 0
	}
	q.buf = append(q.buf, message)
}

// pop takes the oldest message of a queue that is not empty.
func (q *queue) pop() any {
	message := q.buf[q.head]
	q.buf[q.head] = nil
	if q.head++; q.head == len(q.buf) {
		q.release()
	}
	return message
}

// release gives the buffer back.
func (q *queue) release() {
	if q.small != nil {
		clear(q.small[:])
		buffers.Put(q.small)
	}
	*q = queue{}
}
