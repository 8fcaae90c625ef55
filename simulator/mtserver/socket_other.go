//go:build !linux

package mtserver

import (
	"net"
	"sync/atomic"
)

// tcpSocket counts the bytes read. Elsewhere than on Linux the bytes that wait in the
// kernel are not counted, so the referee is a little too strict there.
type tcpSocket struct {
	*net.TCPConn
	read atomic.Int64
}

func newTCPSocket(c *net.TCPConn) (*tcpSocket, error) { return &tcpSocket{TCPConn: c}, nil }

// Read implements io.Reader.
func (s *tcpSocket) Read(p []byte) (int, error) {
	n, err := s.TCPConn.Read(p)
	s.read.Add(int64(n))
	return n, err
}

func (s *tcpSocket) arrived() int64 { return s.read.Load() }

func (s *tcpSocket) ended() bool { return false }
