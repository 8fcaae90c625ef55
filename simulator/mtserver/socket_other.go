//go:build !linux

package mtserver

import (
	"net"
	"sync/atomic"
)

// socket counts the bytes read. Elsewhere than on Linux the bytes that wait in the
// kernel are not counted, so the referee is a little too strict there.
type socket struct {
	*net.TCPConn
	read atomic.Int64
}

func newSocket(c *net.TCPConn) (*socket, error) { return &socket{TCPConn: c}, nil }

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.TCPConn.Read(p)
	s.read.Add(int64(n))
	return n, err
}

func (s *socket) arrived() int64 { return s.read.Load() }

func (s *socket) ended() bool { return false }
