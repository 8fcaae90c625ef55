package mtserver

import (
	"net"
	"sync/atomic"
)

// socket is one connection of a client, as far as the server and the referee look at it.
type socket interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
	// arrived counts the bytes that have reached this machine.
	arrived() int64
	// ended says that the peer has closed or reset the connection.
	ended() bool
}

func newSocket(nc net.Conn) (socket, error) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		return newTCPSocket(tcp)
	}
	return &pipe{Conn: nc}, nil
}

// pipe is a connection without a kernel in between, such as net.Pipe: what was written was read.
type pipe struct {
	net.Conn
	read atomic.Int64
	eof  atomic.Bool
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.read.Add(int64(n))
	if err != nil {
		p.eof.Store(true)
	}
	return n, err
}

// CloseWrite does nothing: nothing that was written can be overtaken.
func (p *pipe) CloseWrite() error { return nil }

// SetLinger does nothing, for the same reason.
func (p *pipe) SetLinger(int) error { return nil }

func (p *pipe) arrived() int64 { return p.read.Load() }

// ended asks the connection itself, if it can tell: its end may not have been read yet.
func (p *pipe) ended() bool {
	c, tells := p.Conn.(interface{ Ended() bool })
	return p.eof.Load() || tells && c.Ended()
}
