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
	nc      net.Conn
	raw     syscall.RawConn       // nil: waiting for readability needs a read
	wait    func(fd uintptr) bool // one attempt on raw; kept so that no closure is made per packet
	once    bool                  // the attempt is the only one
	records *records              // nil: the stream is not cut into TLS records
	stream  cipher.Stream         // nil: plain
	seq     uint32                // of the next packet in the full framing
	sum     uint32                // CRC32 of the header of the packet under way in the full framing
	one     [1]byte               // what is read where nothing can be waited for
	chunk   []byte                // pooled; nil while idle
	r, w    int                   // chunk[r:w] is read and not yet used
	got     struct {
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

// readHeader waits for a packet and takes its header off. It returns the length of payload and trailer, 0 for a quick
// acknowledgement.
func (in *reader) readHeader(f framing, limit int) (int, error) {
	for {
		header, size, err := f.parseHeader(in.chunk[in.r:in.w])
		if err != nil {
			return 0, err
		}
		if size > limit+f.trailer {
			return 0, fmt.Errorf("%w (%d bytes announced, limit %d)", ErrFrameSize, size-f.trailer, limit)
		}
		if f.kind == Full && header > 0 {
			if err := in.checkSeq(in.chunk[in.r:]); err != nil {
				return 0, err
			}
		}
		if header > 0 || size > 0 {
			in.take(header)
			return size, nil
		}
		started := in.r < in.w || in.records != nil && in.records.begun()
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
	if in.records != nil {
		return in.readRecords(b)
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

// readRecords is readFull on a stream of records. A read of len(b) bytes never holds more data than that, so nothing of
// the next packet is taken.
func (in *reader) readRecords(b []byte) error {
	for len(b) > 0 {
		n, err := in.nc.Read(b)
		data, bad := in.decode(b[:n])
		b = b[data:]
		if bad != nil {
			return bad
		}
		if err != nil && len(b) > 0 {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// decode turns fresh bytes of the stream into data at their front, and returns the length of it.
func (in *reader) decode(b []byte) (int, error) {
	n := len(b)
	if in.records != nil {
		var err error
		if n, err = in.records.strip(b); err != nil {
			return 0, err
		}
	}
	if in.stream != nil {
		in.stream.XORKeyStream(b[:n], b[:n])
	}
	return n, nil
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

// fill reads once into the chunk. Without a chunk it waits holding none. What it has read may be no data yet.
func (in *reader) fill() error {
	if in.chunk == nil {
		return in.fillIdle()
	}
	if len(in.chunk)-in.w < maxHeader {
		in.w = copy(in.chunk, in.chunk[in.r:in.w])
		in.r = 0
	}
	n, err := in.nc.Read(in.chunk[in.w:])
	if n > 0 {
		return in.grow(n)
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
	if in.got.err != nil || in.got.n == 0 {
		return in.got.err
	}
	return in.grow(in.got.n)
}

// pull reads once into the chunk that an idle reader lacks, without waiting.
func (in *reader) pull() error {
	if in.raw == nil || in.chunk != nil {
		return nil
	}
	in.once = true
	defer func() { in.once = false }()
	return in.fillIdle()
}

// whole reports whether the next packet is all in the chunk, or is one that cannot be read at all.
func (in *reader) whole(f framing) bool {
	header, size, err := f.parseHeader(in.chunk[in.r:in.w])
	return err != nil || header+size > 0 && header+size <= in.w-in.r
}

// fillByte waits where there is no descriptor to wait on, as with net.Pipe: one byte needs no pooled buffer.
func (in *reader) fillByte() error {
	n, err := in.nc.Read(in.one[:])
	if n == 0 {
		return err
	}
	in.chunk = get(chunkSize)
	in.chunk[0] = in.one[0]
	return in.grow(1)
}

// grow accounts for n fresh bytes at the end of the chunk.
func (in *reader) grow(n int) error {
	data, err := in.decode(in.chunk[in.w : in.w+n])
	if err != nil {
		return err
	}
	if in.w += data; in.r == in.w {
		in.release() // only headers of records came
	}
	return nil
}
