package mtserver

import (
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpSocket is a TCP connection that knows how many bytes the kernel has received for it,
// read or not. The referee needs that: a goroutine may be late, bytes are not.
type tcpSocket struct {
	*net.TCPConn
	raw syscall.RawConn

	mu   sync.Mutex // makes reading and counting one step
	read int64
}

func newTCPSocket(c *net.TCPConn) (*tcpSocket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &tcpSocket{TCPConn: c, raw: raw}, nil
}

// Read implements io.Reader.
func (s *tcpSocket) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	rawErr := s.raw.Read(func(fd uintptr) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for {
			n, err = syscall.Read(int(fd), p)
			if err != syscall.EINTR {
				break
			}
		}
		if err == syscall.EAGAIN {
			return false
		}
		if n > 0 {
			s.read += int64(n)
		}
		return true
	})
	switch {
	case rawErr != nil:
		return 0, rawErr
	case err != nil:
		return 0, err
	case n <= 0:
		return 0, io.EOF
	}
	return n, nil
}

// arrived counts the bytes that have reached this machine.
func (s *tcpSocket) arrived() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := 0
	// A closed socket has nothing waiting.
	_ = s.raw.Control(func(fd uintptr) {
		if n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ); err == nil {
			waiting = n
		}
	})
	return s.read + int64(waiting)
}

// ended says that the peer has closed or reset the connection.
func (s *tcpSocket) ended() bool {
	ended := true
	_ = s.raw.Control(func(fd uintptr) {
		const established = 1 // TCP_ESTABLISHED
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		ended = err == nil && info.State != established
	})
	return ended
}
