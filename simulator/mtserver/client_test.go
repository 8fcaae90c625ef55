package mtserver

import (
	"context"
	"crypto/aes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/transport"

	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

// Queries that the test handler knows.
const (
	idEcho = 0x11111111 // answered with its own body
	idWait = 0x22222222 // answered when the test lets it
	idBig  = 0x33333333 // answered with 64 KiB
)

const patience = 20 * time.Second // for events that must come; never measured

// handler answers test queries and remembers their calls.
type handler struct {
	mu     sync.Mutex
	calls  []*Call
	called chan *Call // every call, if somebody listens
	killed chan int64
	opened chan int64
}

func newHandler() *handler {
	return &handler{called: make(chan *Call, 10000), killed: make(chan int64, 10), opened: make(chan int64, 10000)}
}

func (h *handler) RPC(_ context.Context, call *Call) {
	h.mu.Lock()
	h.calls = append(h.calls, call)
	h.mu.Unlock()
	switch call.Constructor() {
	case idEcho:
		call.Reply(call.Body)
	case idBig:
		call.Reply(append(tl(idBig), make([]byte, 64<<10)...))
	}
	select {
	case h.called <- call:
	default:
	}
}

func (h *handler) count(constructor uint32) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if c.Constructor() == constructor {
			n++
		}
	}
	return n
}

func (h *handler) SessionOpened(_, id int64)      { h.opened <- id }
func (h *handler) ConnectionClosed(int64, uint64) {}
func (h *handler) KeyKilled(id int64)             { h.killed <- id }

// clock is a clock that tests can move.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// rig is a server with what a test needs around it.
type rig struct {
	*Server
	t       *testing.T
	handler *handler
	clock   *clock
}

func start(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, handler: newHandler(), clock: &clock{}}
	cfg := Config{Uninitialised: true, Pack: -1, Now: r.clock.Now}
	if change != nil {
		change(&cfg)
	}
	srv, err := Start(t.Context(), cfg, r.handler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	r.Server = srv
	return r
}

// key makes an auth key without a key exchange.
func (r *rig) key(dcIndex int) (crypto.AuthKey, int64) {
	r.t.Helper()
	var value crypto.Key
	_, _ = rand.Read(value[:])
	r.dcs[dcIndex].addKey(value, 0x5a17, false, 0, r.clock.Now())
	return value.WithID(), 0x5a17
}

// client is a raw client: it does only what it is told.
type client struct {
	t       *testing.T
	rig     *rig
	nc      net.Conn
	tr      transport.Conn
	key     crypto.AuthKey
	salt    int64
	session int64
	lastID  int64
	content int32
	ackAll  bool
	address int // the number of the one that it dials
	inbox   []message
}

// dial opens a connection with a new key and session.
func (r *rig) dial() *client {
	r.t.Helper()
	key, salt := r.key(0)
	c := &client{t: r.t, rig: r, key: key, salt: salt, session: time.Now().UnixNano()}
	c.connect()
	return c
}

// again opens another connection for the same session.
func (c *client) again() *client {
	c.t.Helper()
	d := *c
	d.inbox = nil
	d.connect()
	return &d
}

func (c *client) connect() {
	c.t.Helper()
	nc, err := net.Dial("tcp", c.rig.DCs()[c.address].Addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = nc.Close() })
	c.nc = nc
	if c.tr, err = transport.Intermediate.Handshake(nc); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) keyID() int64 { return c.key.IntID() }

// nextID draws a lawful msg_id.
func (c *client) nextID() int64 {
	id := msgIDAt(c.rig.clock.Now()) &^ 3
	if id <= c.lastID {
		id = c.lastID + 4
	}
	c.lastID = id
	return id
}

func (c *client) nextSeq(content bool) int32 {
	seq := c.content * 2
	if content {
		seq++
		c.content++
	}
	return seq
}

// number makes a message of a body.
func (c *client) number(body []byte, content bool) message {
	return message{id: c.nextID(), seq: c.nextSeq(content), body: body}
}

// send sends one message and returns its id.
func (c *client) send(body []byte, content bool) int64 {
	c.t.Helper()
	m := c.number(body, content)
	c.write(m)
	return m.id
}

// call sends a query.
func (c *client) call(body []byte) int64 {
	c.t.Helper()
	return c.send(body, true)
}

func (c *client) write(m message) {
	c.t.Helper()
	c.writePacket(packet{salt: c.salt, session: c.session, message: m}, 0, false)
}

// writePacket encrypts with this padding (0: lawful).
func (c *client) writePacket(p packet, padding int, flip bool) {
	c.t.Helper()
	data := c.seal(p, padding)
	if flip {
		data[8] ^= 1
	}
	c.writeFrame(data)
}

func (c *client) seal(p packet, padding int) []byte {
	n := 32 + len(p.body)
	if padding == 0 {
		padding = 12 + (16-(n+12)%16)%16
	}
	b := &bin.Buffer{}
	b.PutLong(p.salt)
	b.PutLong(p.session)
	b.PutLong(p.id)
	b.PutInt32(p.seq)
	b.PutInt(len(p.body))
	b.Put(p.body)
	b.Put(make([]byte, padding))
	msgKey := crypto.MessageKey(c.key.Value, b.Buf, crypto.Client)
	k, iv := crypto.Keys(c.key.Value, msgKey, crypto.Client)
	block, err := aes.NewCipher(k[:])
	if err != nil {
		c.t.Fatal(err)
	}
	out := append(append([]byte{}, c.key.ID[:]...), msgKey[:]...)
	data := make([]byte, len(b.Buf))
	ige.EncryptBlocks(block, iv[:], data, b.Buf)
	return append(out, data...)
}

func (c *client) writeFrame(data []byte) {
	c.t.Helper()
	if err := c.tr.Send(c.t.Context(), &bin.Buffer{Buf: data}); err != nil {
		c.t.Fatal(err)
	}
}

// frame reads one packet as it is, with the error of transport errors.
func (c *client) frame() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b := &bin.Buffer{}
	if err := c.tr.Recv(ctx, b); err != nil {
		return nil, err
	}
	return b.Buf, nil
}

// open decrypts what the server sent and checks it as a client must.
func (c *client) open(frame []byte) (p packet, padding int, err error) {
	if len(frame) < 24+32 || (len(frame)-24)%16 != 0 || string(frame[:8]) != string(c.key.ID[:]) {
		return p, 0, errors.New("bad frame")
	}
	var msgKey bin.Int128
	copy(msgKey[:], frame[8:24])
	k, iv := crypto.Keys(c.key.Value, msgKey, crypto.Server)
	plain := make([]byte, len(frame)-24)
	ige.DecryptAES256Blocks(k[:], iv[:], plain, frame[24:])
	if crypto.MessageKey(c.key.Value, plain, crypto.Server) != msgKey {
		return p, 0, errMsgKey
	}
	p.salt = int64(binary.LittleEndian.Uint64(plain))
	p.session = int64(binary.LittleEndian.Uint64(plain[8:]))
	p.id = int64(binary.LittleEndian.Uint64(plain[16:]))
	p.seq = int32(binary.LittleEndian.Uint32(plain[24:]))
	n := int(binary.LittleEndian.Uint32(plain[28:]))
	p.body = plain[32 : 32+n]
	return p, len(plain) - 32 - n, nil
}

// packet reads one lawful packet.
func (c *client) packet() packet {
	c.t.Helper()
	frame, err := c.frame()
	if err != nil {
		c.t.Fatalf("read frame: %v", err)
	}
	p, padding, err := c.open(frame)
	if err != nil {
		c.t.Fatal(err)
	}
	if padding < 12 || padding > 1024 || p.session != c.session || p.id&1 == 0 {
		c.t.Fatalf("unlawful packet: padding %d, session %d, msg_id %d", padding, p.session, p.id)
	}
	return p
}

// next returns the next message, out of containers, unpacked.
func (c *client) next() message {
	c.t.Helper()
	for len(c.inbox) == 0 {
		p := c.packet()
		ms := []message{p.message}
		if constructorOf(p.body) == idContainer {
			var err error
			if ms, err = parseContainer(p.body); err != nil {
				c.t.Fatal(err)
			}
			if p.seq&1 == 1 {
				c.t.Fatalf("container with odd seqno %d", p.seq)
			}
		}
		for _, m := range ms {
			if m.id > p.id {
				c.t.Fatalf("message %d in container %d", m.id, p.id)
			}
			body, err := packing.Unpack(m.body, maxGunzip)
			if err != nil {
				c.t.Fatal(err)
			}
			m.body = body
			c.inbox = append(c.inbox, m)
		}
	}
	m := c.inbox[0]
	c.inbox = c.inbox[1:]
	if c.ackAll && m.seq&1 == 1 {
		c.send(encodeIDs(idMsgsAck, m.id), false)
	}
	return m
}

// expect skips messages until one has this constructor.
func (c *client) expect(constructor uint32) message {
	c.t.Helper()
	var seen []uint32
	for range 3000 {
		m := c.next()
		if constructorOf(m.body) == constructor {
			return m
		}
		seen = append(seen, constructorOf(m.body))
	}
	c.t.Fatalf("no %#08x among %#x", constructor, seen)
	return message{}
}

// result waits for the answer to a query.
func (c *client) result(id int64) []byte {
	c.t.Helper()
	for range 3000 {
		m := c.expect(idRPCResult)
		if int64(binary.LittleEndian.Uint64(m.body[4:])) != id {
			continue
		}
		body, err := packing.Unpack(m.body[12:], maxGunzip)
		if err != nil {
			c.t.Fatal(err)
		}
		return body
	}
	c.t.Fatal("no result")
	return nil
}

// mustEcho makes a query and waits for its answer.
func (c *client) mustEcho() {
	c.t.Helper()
	if got := constructorOf(c.result(c.call(tl(idEcho)))); got != idEcho {
		c.t.Fatalf("answer %#08x", got)
	}
}

// sync returns when the server has handled everything sent before: a pong has come back.
func (c *client) sync() {
	c.t.Helper()
	id := c.send(ping(77), false)
	for {
		m := c.expect(idPong)
		if int64(binary.LittleEndian.Uint64(m.body[4:])) == id {
			return
		}
	}
}

// badMsg waits for bad_msg_notification or bad_server_salt for this message.
func (c *client) badMsg(id int64, code int32) message {
	c.t.Helper()
	constructor := uint32(idBadMsg)
	if code == 48 {
		constructor = idBadSalt
	}
	m := c.expect(constructor)
	gotID := int64(binary.LittleEndian.Uint64(m.body[4:]))
	got := int32(binary.LittleEndian.Uint32(m.body[16:]))
	if gotID != id || got != code {
		c.t.Fatalf("bad_msg %d for %d, want %d for %d", got, gotID, code, id)
	}
	if m.seq&1 == 1 {
		c.t.Fatal("bad_msg asks for an acknowledgement")
	}
	return m
}

// transportError waits for a transport error.
func (c *client) transportError(code int32) {
	c.t.Helper()
	for {
		_, err := c.frame()
		var got *codec.ProtocolErr
		switch {
		case errors.As(err, &got):
			if -got.Code != code { // gotd turns the sign
				c.t.Fatalf("transport error %d, want %d", got.Code, code)
			}
			return
		case err != nil:
			c.t.Fatalf("%v, want transport error %d", err, code)
		}
	}
}

// closed waits until the server has closed the connection.
func (c *client) closed() {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c.nc); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.t.Fatal("the connection was not closed")
		}
	}
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func tl(constructor uint32, longs ...int64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, constructor)
	for _, v := range longs {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func ping(id int64) []byte { return tl(mt.PingRequestTypeID, id) }

func encode(t *testing.T, e bin.Encoder) []byte {
	t.Helper()
	b := &bin.Buffer{}
	if err := e.Encode(b); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(b.Buf)
}
