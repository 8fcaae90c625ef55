package transport

import "sync"

// Poller watches connections that sleep: one goroutine for all of them, where each would have one that is blocked in a
// read. The zero Poller is ready; it begins with the first connection that sleeps and must be closed. A nil Poller, and
// one on another system than Linux, lets no connection sleep. It is safe for concurrent use.
type Poller struct {
	mu     sync.Mutex
	conns  []*Conn // by slot; slot 0 is no slot
	free   []int32
	set    pollSet
	done   chan struct{} // closed when the goroutine has ended; nil: it has not begun
	closed bool
}

// nap is the part of a connection that belongs to its poller, under the poller's lock.
type nap struct {
	slot    int32            // 0: not known to the poller
	wake    func()           // nil: it does not sleep
	control func(fd uintptr) // adds the descriptor to the poller's set, then arms it again
	err     error            // of control
}

// Sleep lets a connection on which nothing is under way be read without a goroutine: wake is called once, when there may
// be something to read or the connection has ended. It must not wait, as the poller's own goroutine calls it: it lets the
// one reader go on, by Pull or ReadFrame. False means that the connection cannot sleep now, or at all (Options.Poller is
// not set, or has been closed), and ReadFrame does the waiting.
func (c *Conn) Sleep(wake func()) bool {
	if c.poller == nil || c.in.raw == nil || c.in.chunk != nil {
		return false
	}
	return c.poller.watch(c, wake)
}

func (p *Poller) watch(c *Conn, wake func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.done == nil && !p.begin() {
		return false
	}
	if c.nap.slot == 0 {
		c.nap.slot = p.slot(c)
		c.nap.control = c.add
	}
	c.nap.wake = wake
	err := c.in.raw.Control(c.nap.control)
	if err == nil {
		err = c.nap.err
	}
	if err != nil { // a closed connection, for one: its ReadFrame says so
		p.release(c)
		return false
	}
	c.nap.control = c.arm
	return true
}

// begin starts the goroutine. Where that is impossible, connections wait in ReadFrame.
func (p *Poller) begin() bool {
	if p.set.open() != nil {
		p.closed = true
		return false
	}
	p.conns = make([]*Conn, 1)
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		p.set.watch(p.wake)
		p.wakeAll()
	}()
	return true
}

// Close ends the goroutine and waits for it. Connections that sleep are woken; they live on, and wait in ReadFrame.
func (p *Poller) Close() error {
	p.mu.Lock()
	begun := p.done != nil && !p.closed
	p.closed = true
	p.mu.Unlock()
	if !begun {
		return nil
	}
	err := p.set.close()
	<-p.done
	return err
}

func (c *Conn) add(fd uintptr) { c.nap.err = c.poller.set.add(fd, c.nap.slot) }
func (c *Conn) arm(fd uintptr) { c.nap.err = c.poller.set.arm(fd, c.nap.slot) }

func (p *Poller) slot(c *Conn) int32 {
	if n := len(p.free); n > 0 {
		slot := p.free[n-1]
		p.free = p.free[:n-1]
		p.conns[slot] = c
		return slot
	}
	p.conns = append(p.conns, c)
	return int32(len(p.conns) - 1)
}

// release forgets a connection and returns what ends its sleep, nil if it does not sleep.
func (p *Poller) release(c *Conn) (wake func()) {
	if c.nap.slot == 0 {
		return nil
	}
	wake = c.nap.wake
	p.conns[c.nap.slot] = nil
	p.free = append(p.free, c.nap.slot)
	c.nap = nap{}
	return wake
}

// wake ends the sleep of a connection. One that does not sleep was closed, and another has its slot.
func (p *Poller) wake(slot int32) {
	if wake := p.rouse(slot); wake != nil {
		wake()
	}
}

// rouse takes what ends the sleep of the connection in a slot.
func (p *Poller) rouse(slot int32) (wake func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.conns[slot]; c != nil {
		wake, c.nap.wake = c.nap.wake, nil
	}
	return wake
}

// forget is for a connection that has been closed: its sleep ends.
func (p *Poller) forget(c *Conn) {
	if p == nil {
		return
	}
	p.mu.Lock()
	wake := p.release(c)
	p.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// wakeAll ends every sleep.
func (p *Poller) wakeAll() {
	var all []func()
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		if c == nil {
			continue
		}
		if wake := p.release(c); wake != nil {
			all = append(all, wake)
		}
	}
	p.mu.Unlock()
	for _, wake := range all {
		wake()
	}
}
