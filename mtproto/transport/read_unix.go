//go:build unix

package transport

import (
	"io"
	"net"
	"os"
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
	n, err := syscall.Read(int(fd), chunk)
	for err == syscall.EINTR { //nolint:errorlint // a system call returns a bare Errno
		n, err = syscall.Read(int(fd), chunk)
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
