//go:build unix

package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// rawConn returns the descriptor to wait on, or nil. Only the very types of package net qualify: a wrapper that embeds
// one of them has its own Read, which must not be bypassed.
func rawConn(nc net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch c := nc.(type) {
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// attempt reads once without blocking. It returns false when nothing is there and it is not the only attempt; the runtime's
// poller then parks the goroutine, which holds no buffer, and calls again when the descriptor is readable.
func (in *reader) attempt(fd uintptr) bool {
	chunk := get(chunkSize)
	n, err := readNow(fd, chunk)
	for err == syscall.EINTR { //nolint:errorlint // a system call returns a bare Errno
		n, err = readNow(fd, chunk)
	}
	if n > 0 {
		in.chunk, in.got.n, in.got.err = chunk, n, nil
		return true
	}
	Recycle(chunk)
	switch err { //nolint:errorlint // a system call returns a bare Errno
	case syscall.EAGAIN:
		in.got.n, in.got.err = 0, nil
		return in.once
	case nil:
		err = io.EOF
	default:
		err = os.NewSyscallError("read", err)
	}
	in.got.n, in.got.err = 0, err
	return true
}

// writeNow writes what the socket takes of b without waiting, and returns how much that was.
func (c *Conn) writeNow(b []byte) (int, error) {
	s := sendings.Get().(*sending)
	s.left = b
	err := c.in.raw.Control(s.attempt)
	if err == nil {
		err = s.err
	}
	n := len(b) - len(s.left)
	s.left, s.err = nil, nil
	sendings.Put(s)
	return n, err
}

// sending is a write under way. Its attempt is kept so that no closure is made per packet.
type sending struct {
	left    []byte
	err     error
	attempt func(fd uintptr)
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.attempt = s.write
	return s
}}

// write writes until all is written or the socket takes no more.
func (s *sending) write(fd uintptr) {
	for len(s.left) > 0 {
		n, err := writeNow(fd, s.left)
		switch {
		case err == nil:
			s.left = s.left[n:]
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return
		default:
			s.err = os.NewSyscallError("write", err)
			return
		}
	}
}
