package simulator

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Pipes joins clients to a Simulator without sockets, so that both can run in the fake time of a
// testing/synctest bubble: Config.Server.ListenOn is its Listen, and clients dial by its Dial.
type Pipes struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
}

// NewPipes makes a network of nobody.
func NewPipes() *Pipes { return &Pipes{listeners: map[string]*pipeListener{}} }

// Listen makes the listener of a DC.
func (p *Pipes) Listen(_ context.Context, dc int) (net.Listener, error) {
	l := &pipeListener{addr: pipeAddr(fmt.Sprintf("127.0.0.1:%d", 10000+dc)), conns: make(chan net.Conn), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners[l.addr.String()] = l
	return l, nil
}

// Dial connects to a DC by the address that the Simulator gives.
func (p *Pipes) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	p.mu.Lock()
	l := p.listeners[addr]
	p.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: nobody listens there", addr)
	}
	near, far := net.Pipe()
	client := &pipeEnd{Conn: near}
	select {
	case l.conns <- &pipeBeginning{Conn: far, client: client}:
		return client, nil
	case <-l.done:
		return nil, fmt.Errorf("dial %s: %w", addr, net.ErrClosed)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipeEnd is a client's end, which remembers that it was closed.
type pipeEnd struct {
	net.Conn
	closed atomic.Bool
}

// Close implements net.Conn.
func (e *pipeEnd) Close() error {
	e.closed.Store(true)
	return e.Conn.Close()
}

// pipeBeginning is the server's end.
type pipeBeginning struct {
	net.Conn
	client *pipeEnd
}

// Ended says that the client has closed its end, read or not: see mtserver.
func (b *pipeBeginning) Ended() bool { return b.client.closed.Load() }

type pipeAddr string

func (pipeAddr) Network() string  { return "tcp" }
func (a pipeAddr) String() string { return string(a) }

type pipeListener struct {
	addr  pipeAddr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return l.addr }
