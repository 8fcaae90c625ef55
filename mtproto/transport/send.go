package transport

import (
	"fmt"
	"time"
)

// WriteFrame sends one packet, by exactly one Write on the stream unless the kernel takes it in parts. It returns when
// the kernel has taken all of it, or after Options.WriteTimeout. The payload is neither changed nor kept.
func (c *Conn) WriteFrame(payload []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	done, err := c.offer(payload)
	if done || err != nil {
		return err
	}
	return c.drain()
}

// Offer is WriteFrame that does not wait for the peer: what the kernel does not take at once is kept, and false says that
// Drain must send it. What is offered before that is kept behind it; while Drain runs, Offer waits for it. A large packet
// is kept whole, and so is every packet on a stream without a descriptor.
func (c *Conn) Offer(payload []byte) (all bool, err error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.offer(payload)
}

// Drain sends what Offer has kept. It returns as WriteFrame does.
func (c *Conn) Drain() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.drain()
}

// smallWrite is a write that takes the kernel a few microseconds.
const smallWrite = 1 << 12

func (c *Conn) offer(payload []byte) (all bool, err error) {
	if err := c.framing.checkLength(len(payload), c.max); err != nil {
		return false, fmt.Errorf("write packet: %w", err)
	}
	if c.werr != nil {
		return false, c.werr
	}
	buf, err := c.out.build(c.framing, payload)
	if err != nil {
		return false, c.fail(fmt.Errorf("write packet: %w", err))
	}
	if c.unsent != nil {
		c.unsent = append(c.unsent, buf...)
		Recycle(buf)
		return false, nil
	}
	c.unsent, c.sent = buf, 0
	if c.in.raw == nil || len(buf) > smallWrite {
		return false, nil
	}
	if err := c.mayWrite(); err != nil {
		return false, err
	}
	c.sent, err = c.writeNow(buf)
	if err != nil {
		return false, c.fail(fmt.Errorf("write packet: %w", err))
	}
	if c.sent < len(buf) {
		return false, nil
	}
	c.forgetUnsent()
	return true, nil
}

func (c *Conn) drain() error {
	if c.werr != nil || c.unsent == nil {
		return c.werr
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return c.fail(fmt.Errorf("write packet: %w", err))
	}
	if err := c.mayWrite(); err != nil {
		return err
	}
	if _, err := c.nc.Write(c.unsent[c.sent:]); err != nil {
		return c.fail(fmt.Errorf("write packet: %w", err))
	}
	c.forgetUnsent()
	return nil
}

// mayWrite asks the fence.
func (c *Conn) mayWrite() error {
	if c.check == nil {
		return nil
	}
	if err := c.check(); err != nil {
		return c.fail(err)
	}
	return nil
}

// fail ends the writing side: its cipher has moved on.
func (c *Conn) fail(err error) error {
	c.werr = err
	c.forgetUnsent()
	return err
}

func (c *Conn) forgetUnsent() {
	Recycle(c.unsent)
	c.unsent, c.sent = nil, 0
}
