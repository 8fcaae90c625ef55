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

// attempt reads once without blocking. It returns false when nothing is there; the runtime's poller then parks the
// goroutine, which holds no buffer, and calls again when the descriptor is readable.
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
		return false
	case nil:
		err = io.EOF
	default:
		err = os.NewSyscallError("read", err)
	}
	in.got.n, in.got.err = 0, err
	return true
}

// smallWrite is a write that takes the kernel a few microseconds.
const smallWrite = 1 << 12

// write writes all of b, within the deadline.
func (c *Conn) write(b []byte) error {
	if c.in.raw == nil || len(b) > smallWrite {
		_, err := c.nc.Write(b)
		return err
	}
	s := sendings.Get().(*sending)
	s.left = b
	err := c.in.raw.Write(s.attempt)
	if err == nil {
		err = s.err
	}
	s.left, s.err = nil, nil
	sendings.Put(s)
	return err
}

// sending is a write under way. Its attempt is kept so that no closure is made per packet.
type sending struct {
	left    []byte
	err     error
	attempt func(fd uintptr) bool
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.attempt = s.write
	return s
}}

// write writes without blocking. It returns false when the socket takes no more; the runtime's poller
// then parks the goroutine and calls again when it does.
func (s *sending) write(fd uintptr) bool {
	for len(s.left) > 0 {
		n, err := writeNow(fd, s.left)
		switch {
		case err == nil:
			s.left = s.left[n:]
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return false
		default:
			s.err = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}
