// Package faultproxy is a small TCP proxy that breaks connections on purpose.
//
// # Usage
//
//	p, err := faultproxy.Start(ctx, "127.0.0.1:2379")
//	dial(p.Addr())
//	p.BlackHole(faultproxy.Both) // nothing passes, nobody is told
//	p.BlackHole(faultproxy.None) // what was held passes now
//	p.Reset()                    // RST to both ends; what was held is lost
//	p.Close()
//
// # Concurrency
//
// All methods may be called from any goroutine. Close waits for every goroutine of the proxy.
//
// # Errors
//
// A target that cannot be reached shows as a reset to the client.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Direction names the way of bytes that a black hole swallows.
type Direction uint8

// Up is from the client to the target.
const (
	None Direction = 0
	Up   Direction = 1
	Down Direction = 2
	Both           = Up | Down
)

const (
	chunk       = 32 << 10
	heldChunks  = 64 // per direction; then the sender feels back-pressure
	dialTimeout = 5 * time.Second
)

// Proxy forwards every connection to one target.
type Proxy struct {
	target   string
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu       sync.Mutex
	links    map[*link]struct{}
	hole     Direction
	delay    time.Duration
	refuse   bool
	changed  chan struct{} // closed at each change of hole
	accepted int
}

// Start listens on a free port of 127.0.0.1.
func Start(ctx context.Context, target string) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start fault proxy: %w", err)
	}
	p := &Proxy{target: target, listener: l, links: map[*link]struct{}{}, changed: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the address to dial instead of the target's.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Retarget sends future connections elsewhere.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Connections returns how many links are open and how many were ever accepted.
func (p *Proxy) Connections() (open, accepted int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links), p.accepted
}

// BlackHole holds all bytes of a direction, also of new connections, until it is called
// again with another direction. Ends of connections are held, too.
func (p *Proxy) BlackHole(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = d
	close(p.changed)
	p.changed = make(chan struct{})
}

// Delay adds this latency to each direction.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Refuse resets new connections at once.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Cut closes all links in an orderly way (FIN) and returns their number. Held bytes are lost.
func (p *Proxy) Cut() int { return p.end(false) }

// Reset ends all links with RST and returns their number. Held bytes are lost.
func (p *Proxy) Reset() int { return p.end(true) }

func (p *Proxy) end(reset bool) int {
	p.mu.Lock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		l.close(reset)
	}
	return len(links)
}

// Close ends everything and waits for it.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.listener.Close()
	p.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) accept() {
	stop := context.AfterFunc(p.ctx, func() { _ = p.listener.Close() })
	defer stop()
	for {
		c, err := p.listener.Accept()
		if err != nil {
			if p.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	p.accepted++
	refuse, target := p.refuse, p.target
	p.mu.Unlock()
	if refuse {
		abort(client)
		return
	}
	d := net.Dialer{Timeout: dialTimeout}
	server, err := d.DialContext(p.ctx, "tcp", target)
	if err != nil {
		abort(client)
		return
	}
	l := &link{client: client, server: server, done: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = struct{}{}
	p.mu.Unlock()
	stop := context.AfterFunc(p.ctx, func() { l.close(true) })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { p.forward(l, Up, client, server) })
	both.Go(func() { p.forward(l, Down, server, client) })
	both.Wait()
	l.close(false)
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// link is one client connection and its other half.
type link struct {
	client, server net.Conn
	once           sync.Once
	done           chan struct{}
}

func (l *link) close(reset bool) {
	l.once.Do(func() {
		close(l.done)
		for _, c := range []net.Conn{l.client, l.server} {
			if reset {
				abort(c)
			} else {
				_ = c.Close()
			}
		}
	})
}

// abort closes with RST and discards what is not yet delivered.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// piece is a part of the stream on its way; err ends it.
type piece struct {
	data []byte
	due  time.Time
	err  error
}

// forward reads one direction and writes it later, as the faults allow.
func (p *Proxy) forward(l *link, d Direction, from, to net.Conn) {
	pieces := make(chan piece, heldChunks)
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() {
		for {
			buf := make([]byte, chunk)
			n, err := from.Read(buf)
			p.mu.Lock()
			due := time.Now().Add(p.delay)
			p.mu.Unlock()
			select {
			case pieces <- piece{buf[:n], due, err}:
			case <-l.done:
				return
			}
			if err != nil {
				return
			}
		}
	})
	for {
		select {
		case <-l.done:
			return
		case next := <-pieces:
			if !p.wait(l, d, next.due) {
				return
			}
			if _, err := to.Write(next.data); err != nil {
				l.close(true)
				return
			}
			if next.err != nil {
				endStream(l, to, next.err)
				return
			}
		}
	}
}

// endStream passes the end of one direction on: FIN as FIN, anything else as RST.
func endStream(l *link, to net.Conn, err error) {
	if tcp, ok := to.(*net.TCPConn); ok && errors.Is(err, io.EOF) {
		_ = tcp.CloseWrite()
		return
	}
	l.close(true)
}

// wait returns when the piece may pass; false if the link has ended.
func (p *Proxy) wait(l *link, d Direction, due time.Time) bool {
	if rest := time.Until(due); rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.done:
			return false
		}
	}
	for {
		p.mu.Lock()
		open, changed := p.hole&d == 0, p.changed
		p.mu.Unlock()
		if open {
			return true
		}
		select {
		case <-changed:
		case <-l.done:
			return false
		}
	}
}
