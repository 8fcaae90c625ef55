package transport

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

const (
	// chunkSize is how much is read at once while a connection is busy: a burst of small packets in one system call.
	chunkSize = 1 << 14
	// firstPart is how much of a packet is allocated on the word of its header alone; the rest follows the bytes that
	// have really arrived.
	firstPart = 1 << 20
)

// reader takes packets off a stream.
//
//	idle (no chunk) --readable--> chunk[r:w] unread --drained--> idle
type reader struct {
	nc     net.Conn
	raw    syscall.RawConn       // nil: waiting for readability needs a read
	wait   func(fd uintptr) bool // one attempt on raw; kept so that no closure is made per packet
	stream cipher.Stream         // nil: plain
	chunk  []byte                // pooled; nil while idle
	r, w   int                   // chunk[r:w] is read and not yet used
	got    struct {
		n   int
		err error
	} // what wait saw
}

func (in *reader) init(nc net.Conn) {
	in.nc = nc
	in.raw = rawConn(nc)
	if in.raw != nil {
		in.wait = in.attempt
	}
}

// readHeader waits for a packet and takes its header off. It returns the payload's length, 0 for a quick
// acknowledgement.
func (in *reader) readHeader(f framing, limit int) (int, error) {
	for {
		header, size, err := f.parseHeader(in.chunk[in.r:in.w])
		if err != nil {
			return 0, err
		}
		if size > limit {
			return 0, fmt.Errorf("%w (%d bytes announced, limit %d)", ErrFrameSize, size, limit)
		}
		if header > 0 {
			in.take(header)
			return size, nil
		}
		started := in.r < in.w
		if err := in.fill(); err != nil {
			if started && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
}

// readPayload takes the next n bytes into a buffer of their own.
func (in *reader) readPayload(n int) ([]byte, error) {
	frame := get(min(n, firstPart))
	done := copy(frame, in.chunk[in.r:in.w])
	in.take(done)
	for {
		if err := in.readFull(frame[done:]); err != nil {
			Recycle(frame)
			return nil, err
		}
		done = len(frame)
		if done == n {
			return frame, nil
		}
		longer := get(min(n, 2*done))
		copy(longer, frame)
		Recycle(frame)
		frame = longer
	}
}

// readFull fills b from the stream, past the chunk, which must be empty unless b is.
func (in *reader) readFull(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := io.ReadFull(in.nc, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if in.stream != nil {
		in.stream.XORKeyStream(b, b)
	}
	return nil
}

// take drops n used bytes and gives the chunk back when nothing is left in it.
func (in *reader) take(n int) {
	in.r += n
	if in.r == in.w {
		in.release()
	}
}

func (in *reader) release() {
	if in.chunk != nil {
		Recycle(in.chunk)
	}
	in.chunk, in.r, in.w = nil, 0, 0
}

// fill reads at least one more byte into the chunk. Without a chunk it waits holding none.
func (in *reader) fill() error {
	if in.chunk == nil {
		return in.fillIdle()
	}
	if len(in.chunk)-in.w < maxHeader {
		in.w = copy(in.chunk, in.chunk[in.r:in.w])
		in.r = 0
	}
	n, err := in.nc.Read(in.chunk[in.w:])
	in.grow(n)
	if n > 0 {
		return nil
	}
	return err
}

func (in *reader) fillIdle() error {
	if in.raw == nil {
		return in.fillByte()
	}
	if err := in.raw.Read(in.wait); err != nil {
		return err
	}
	in.grow(in.got.n)
	return in.got.err
}

// fillByte waits where there is no descriptor to wait on, as with net.Pipe: one byte needs no pooled buffer.
func (in *reader) fillByte() error {
	var one [1]byte
	n, err := in.nc.Read(one[:])
	if n == 0 {
		return err
	}
	in.chunk = get(chunkSize)
	in.chunk[0] = one[0]
	in.grow(1)
	return nil
}

// grow accounts for n fresh bytes at the end of the chunk.
func (in *reader) grow(n int) {
	if n <= 0 {
		return
	}
	if in.stream != nil {
		fresh := in.chunk[in.w : in.w+n]
		in.stream.XORKeyStream(fresh, fresh)
	}
	in.w += n
}
