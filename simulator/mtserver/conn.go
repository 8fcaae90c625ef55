package mtserver

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telefleet/orchestrator/simulator/mtserver/framing"
)

var errLast = errors.New("the last packet was written")

// conn is one TCP connection: a reader, which handles what arrives, and a writer.
type conn struct {
	id     uint64
	srv    *Server
	dc     *dc
	sock   socket
	remote string
	opened time.Time

	packets   *framing.Packets
	poisoned  bool         // a broken key exchange: only -404 from now on; reader only
	lingering atomic.Bool  // a last transport error was sent: read on, but ignore
	keyID     atomic.Int64 // permanent key of the last frame

	mu          sync.Mutex
	queue       []queued
	queuedBytes int
	sessions    map[*session]struct{}
	keys        []int64 // identities that used it
	timer       *time.Timer

	wake chan struct{}
	done chan struct{}
	once sync.Once
}

// queued is one item for the writer: a message of a session, or raw bytes.
type queued struct {
	session *session
	m       *outgoing
	raw     []byte // payload of a packet
	quick   uint32 // token of a quick acknowledgement
	last    bool   // close after this one
	size    int
}

func newConn(srv *Server, d *dc, id uint64, sock socket) *conn {
	return &conn{
		id: id, srv: srv, dc: d, sock: sock, remote: sock.RemoteAddr().String(), opened: srv.cfg.Now(),
		sessions: map[*session]struct{}{}, wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// serve reads until the connection ends.
func (c *conn) serve() {
	defer c.finish()
	p, err := framing.Detect(c.sock, c.sock)
	if err != nil {
		c.srv.cfg.Log.Debug("connection without a transport", "dc", c.dc.id, "conn", c.id, "error", err)
		return
	}
	c.packets = p
	c.srv.wg.Go(c.writeLoop)
	for {
		payload, quick, err := p.Next()
		if err != nil {
			return
		}
		if c.lingering.Load() {
			continue
		}
		c.srv.stats.framesIn.Add(1)
		if err := c.handle(payload, quick, p.Consumed()); err != nil {
			c.srv.cfg.Log.Debug("connection closed for a broken packet", "dc", c.dc.id, "conn", c.id, "error", err)
			c.srv.stats.refused.Add(1)
			return
		}
	}
}

// handle judges one packet; an error closes the connection without an answer.
func (c *conn) handle(payload []byte, quick bool, end int64) error {
	if len(payload) < 8 {
		return errPacket
	}
	keyID := int64(binary.LittleEndian.Uint64(payload))
	if keyID == 0 {
		return c.unencrypted(payload)
	}
	if c.poisoned {
		c.transportError(-404, false)
		return nil
	}
	k := c.srv.lookup(c.dc, keyID)
	if k == nil {
		c.transportError(-404, false)
		return nil
	}
	p, err := openPacket(&k.value, payload)
	if err != nil {
		return err
	}
	if quick {
		c.enqueue(queued{quick: p.token})
	}
	c.awaitEnd(k, end)
	return k.receive(c, p, end)
}

// awaitEnd gives the end of the connection, which may be right behind a suspicious frame,
// a little time to arrive.
func (c *conn) awaitEnd(k *authKey, end int64) {
	k.mu.Lock()
	id := k.identity()
	k.mu.Unlock()
	for range 10 {
		if c.dc.media || !c.srv.referee.suspects(id, c, end) || c.sock.ended() {
			return
		}
		select {
		case <-c.done:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// unencrypted answers a message of the key exchange.
func (c *conn) unencrypted(payload []byte) error {
	if len(payload) < 24 {
		return errPacket
	}
	n := int(int32(binary.LittleEndian.Uint32(payload[16:])))
	if n < 4 || n > len(payload)-20 {
		return errPacket
	}
	if c.poisoned {
		c.transportError(-404, false)
		return nil
	}
	now := c.srv.cfg.Now()
	answer, err := c.dc.step(payload[20:20+n], now)
	switch {
	case errors.Is(err, errWrongDC):
		c.transportError(-444, true)
		return nil
	case errors.Is(err, errExchange):
		c.poisoned = true
		c.transportError(-404, false)
		return nil
	case err != nil:
		return err
	case answer == nil:
		return nil
	}
	// Telegram pads inside the unencrypted message, so we do.
	padding := 4 * rand.IntN(23)
	out := make([]byte, 20, 20+len(answer)+padding)
	binary.LittleEndian.PutUint64(out[8:], uint64(msgIDAt(now)&^3|1))
	binary.LittleEndian.PutUint32(out[16:], uint32(len(answer)+padding))
	out = append(out, answer...)
	for range padding {
		out = append(out, byte(rand.Uint32()))
	}
	c.enqueue(queued{raw: out, size: len(out)})
	return nil
}

// transportError sends a 4-byte error; last closes the connection behind it.
func (c *conn) transportError(code int, last bool) {
	c.srv.stats.transportError(code)
	if last {
		c.lingering.Store(true)
	}
	c.enqueue(queued{raw: binary.LittleEndian.AppendUint32(nil, uint32(int32(code))), size: 4, last: last})
}

// enqueue hands an item to the writer. A client that does not read is cut.
func (c *conn) enqueue(q queued) {
	c.mu.Lock()
	c.queue = append(c.queue, q)
	c.queuedBytes += q.size
	full := c.queuedBytes > queuedFrameBytes
	c.mu.Unlock()
	if full {
		c.close(true)
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *conn) writeLoop() {
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		c.mu.Lock()
		queue := c.queue
		c.queue, c.queuedBytes = nil, 0
		c.mu.Unlock()
		_ = c.sock.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := c.writeAll(queue); err != nil {
			if !errors.Is(err, errLast) {
				c.close(false)
			}
			return
		}
	}
}

func (c *conn) writeAll(queue []queued) error {
	for len(queue) > 0 {
		q := queue[0]
		if q.session == nil {
			queue = queue[1:]
			if err := c.writeRaw(q); err != nil {
				return err
			}
			continue
		}
		n := 1
		for n < len(queue) && queue[n].session == q.session {
			n++
		}
		if err := c.writeMessages(q.session, queue[:n]); err != nil {
			return err
		}
		queue = queue[n:]
	}
	return nil
}

func (c *conn) writeRaw(q queued) error {
	if q.quick != 0 {
		return c.packets.WriteQuickAck(q.quick)
	}
	c.srv.stats.framesOut.Add(1)
	if err := c.packets.Write(q.raw); err != nil || !q.last {
		return err
	}
	// Unread bytes would turn the close into a reset, and the reset would overtake the error.
	_ = c.sock.SetReadDeadline(time.Now().Add(lingerTime))
	_ = c.sock.CloseWrite()
	return errLast
}

func (c *conn) writeMessages(s *session, queue []queued) error {
	for _, sealed := range s.key.pack(c, s, queue) {
		data, err := sealPacket(s.key, sealed.packet, sealed.padding, c.srv.cfg.Rand)
		if err != nil {
			return err
		}
		if sealed.flip {
			data[8] ^= 1
		}
		for range sealed.times {
			c.srv.stats.framesOut.Add(1)
			if err := c.packets.Write(data); err != nil {
				return err
			}
		}
	}
	return nil
}

// identify notes which key uses the connection.
func (c *conn) identify(keyID int64) {
	if c.keyID.Swap(keyID) == keyID {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.keys, keyID) {
		c.keys = append(c.keys, keyID)
	}
}

func (c *conn) attach(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[s] = struct{}{}
}

func (c *conn) detach(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// disconnectAfter is ping_delay_disconnect: the connection ends unless another one comes.
func (c *conn) disconnectAfter(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(d, func() {
		c.srv.stats.disconnects.Add(1)
		c.close(false)
	})
}

// close ends the connection; reset discards what is not yet delivered.
func (c *conn) close(reset bool) {
	c.once.Do(func() {
		if reset {
			_ = c.sock.SetLinger(0)
		}
		_ = c.sock.Close()
		close(c.done)
	})
}

// finish runs when the reader has ended.
func (c *conn) finish() {
	c.close(false)
	c.mu.Lock()
	if c.timer != nil {
		c.timer.Stop()
	}
	sessions, keys := make([]*session, 0, len(c.sessions)), c.keys
	for s := range c.sessions {
		sessions = append(sessions, s)
	}
	c.mu.Unlock()
	for _, s := range sessions {
		s.key.mu.Lock()
		if s.conn == c {
			s.conn = nil
		}
		s.key.mu.Unlock()
	}
	c.srv.referee.closed(keys, c)
	c.srv.remove(c)
	if c.srv.observer != nil {
		for _, id := range keys {
			c.srv.observer.ConnectionClosed(id, c.id)
		}
	}
}
