package mtserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/mtproxy"
	"github.com/gotd/td/mtproxy/obfuscated2"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/transport"
)

func TestKeyExchangeWithGotd(t *testing.T) {
	r := start(t, nil)
	info := r.DCs()[0]
	for _, temp := range []bool{false, true} {
		c := &client{t: t, rig: r, session: 5}
		c.connect()
		x := exchange.NewExchanger(c.tr, info.ID)
		if temp {
			x = x.WithTempMode(3600)
		}
		res, err := x.Client([]exchange.PublicKey{{RSA: info.Key}}).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.key, c.salt = res.AuthKey, res.ServerSalt
		c.sync()
		if k := r.lookup(r.dcs[0], c.keyID()); k.temp != temp {
			t.Fatalf("temporary %v, want %v", k.temp, temp)
		}
	}
	if n := r.Stats().KeyExchanges; n != 2 {
		t.Fatalf("%d key exchanges", n)
	}
}

func TestTransports(t *testing.T) {
	r := start(t, nil)
	for name, protocol := range map[string]transport.Protocol{
		"abridged": transport.Abridged, "intermediate": transport.Intermediate, "padded": transport.PaddedIntermediate,
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			c.t = t
			_ = c.nc.Close()
			nc, err := net.Dial("tcp", r.DCs()[0].Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			if c.tr, err = protocol.Handshake(nc); err != nil {
				t.Fatal(err)
			}
			c.overTransport()
		})
	}
	for name, cd := range map[string]codec.TaggedCodec{
		"abridged": codec.Abridged{}, "intermediate": codec.Intermediate{}, "padded": codec.PaddedIntermediate{},
	} {
		t.Run("obfuscated "+name, func(t *testing.T) {
			c := r.dial()
			c.t = t
			_ = c.nc.Close()
			nc, err := net.Dial("tcp", r.DCs()[0].Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			o := obfuscated2.NewObfuscated2(rand.Reader, nc)
			if err := o.Handshake(cd.ObfuscatedTag(), 2, mtproxy.Secret{}); err != nil {
				t.Fatal(err)
			}
			protocol := transport.NewProtocol(func() transport.Codec { return codec.NoHeader{Codec: cd} })
			if c.tr, err = protocol.Handshake(obfuscatedConn{nc, o}); err != nil {
				t.Fatal(err)
			}
			c.overTransport()
		})
	}
}

type obfuscatedConn struct {
	net.Conn
	o *obfuscated2.Obfuscated2
}

func (c obfuscatedConn) Read(p []byte) (int, error)  { return c.o.Read(p) }
func (c obfuscatedConn) Write(p []byte) (int, error) { return c.o.Write(p) }

// overTransport makes small and large queries and provokes a transport error.
func (c *client) overTransport() {
	c.t.Helper()
	for range 20 { // many paddings
		c.transportEcho(4)
	}
	c.transportEcho(4 << 10)
	c.transportEcho(1 << 20)
	c.key = crypto.Key{1}.WithID()
	c.call(tl(idEcho))
	c.transportError(-404)
}

func (c *client) transportEcho(n int) {
	c.t.Helper()
	body := append(tl(idEcho), make([]byte, n)...)
	id := c.call(body)
	for {
		frame, err := c.frame()
		if err != nil {
			c.t.Fatal(err)
		}
		frame = frame[:len(frame)-(len(frame)-24)%16] // padding of padded intermediate
		p, _, err := c.open(frame)
		if err != nil {
			c.t.Fatal(err)
		}
		ms := []message{p.message}
		if constructorOf(p.body) == idContainer {
			if ms, err = parseContainer(p.body); err != nil {
				c.t.Fatal(err)
			}
		}
		for _, m := range ms {
			if constructorOf(m.body) == idRPCResult && int64(binary.LittleEndian.Uint64(m.body[4:])) == id {
				if !bytes.Equal(m.body[12:], body) {
					c.t.Fatal("the echo differs")
				}
				return
			}
		}
	}
}

func TestQuickAck(t *testing.T) {
	c := start(t, nil).dial()
	c.mustEcho()
	data := c.seal(packet{salt: c.salt, session: c.session, message: c.number(encodeIDs(idMsgsAck, 1), false)}, 0)
	frame := binary.LittleEndian.AppendUint32(nil, uint32(len(data))|1<<31)
	if _, err := c.nc.Write(append(frame, data...)); err != nil {
		t.Fatal(err)
	}
	var token [4]byte
	if _, err := readFull(c.nc, token[:]); err != nil {
		t.Fatal(err)
	}
	p, err := openPacket(&c.key.Value, data)
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint32(token[:]); got != p.token || got&(1<<31) == 0 {
		t.Fatalf("token %#x, want %#x", got, p.token)
	}
}

func readFull(nc net.Conn, b []byte) (int, error) {
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	n := 0
	for n < len(b) {
		m, err := nc.Read(b[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func TestSilentAndStrangePeersAreHarmless(t *testing.T) {
	r := start(t, nil)
	for _, hello := range []string{"", "\xee", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "\x10\x00\x00\x00\x00\x00\x00\x00full"} {
		nc, err := net.Dial("tcp", r.DCs()[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
		if _, err := nc.Write([]byte(hello)); err != nil {
			t.Fatal(err)
		}
	}
	r.dial().mustEcho()
}

// handshake is a key exchange step by step. It looks pq's factors up in the server.
type handshake struct {
	*client
	x        *exchangeView
	newNonce bin.Int256
	b        *big.Int
}

type exchangeView struct {
	nonce, serverNonce bin.Int128
	pq                 []byte
	p, q               uint32
}

func (r *rig) handshake() *handshake {
	r.t.Helper()
	c := &client{t: r.t, rig: r, session: 5}
	c.connect()
	h := &handshake{client: c, x: &exchangeView{}, b: big.NewInt(0)}
	_, _ = rand.Read(h.x.nonce[:])
	_, _ = rand.Read(h.newNonce[:])
	h.b.SetBytes(append([]byte{1}, h.newNonce[:]...))
	return h
}

// ask sends one unencrypted message and returns the body of the answer, padding and all.
func (h *handshake) ask(body []byte) ([]byte, error) {
	h.t.Helper()
	b := &bin.Buffer{}
	b.PutLong(0)
	b.PutLong(h.nextID())
	b.PutInt(len(body))
	b.Put(body)
	h.writeFrame(b.Buf)
	frame, err := h.frame()
	if err != nil {
		return nil, err
	}
	if n := int(binary.LittleEndian.Uint32(frame[16:])); n > len(frame)-20 || frame[8]&3 != 1 {
		h.t.Fatalf("length %d in a frame of %d, msg_id %x", n, len(frame), frame[8:16])
	}
	return frame[20:], nil
}

func (h *handshake) reqPQ() []byte {
	h.t.Helper()
	answer, err := h.ask(encode(h.t, &mt.ReqPqMultiRequest{Nonce: h.x.nonce}))
	if err != nil {
		h.t.Fatal(err)
	}
	var res mt.ResPQ
	if err := res.Decode(&bin.Buffer{Buf: answer}); err != nil {
		h.t.Fatal(err)
	}
	if res.Nonce != h.x.nonce || len(res.ServerPublicKeyFingerprints) != 1 {
		h.t.Fatalf("%+v", res)
	}
	d := h.rig.dcs[0]
	d.exchanges.mu.Lock()
	defer d.exchanges.mu.Unlock()
	x := d.exchanges.m[h.x.nonce]
	h.x.serverNonce, h.x.pq, h.x.p, h.x.q = res.ServerNonce, res.Pq, x.p, x.q
	return answer[:len(encode(h.t, &res))]
}

func factor(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// dhParams makes req_DH_params; change may spoil it.
func (h *handshake) dhParams(change func(*mt.PQInnerDataDC, *mt.ReqDHParamsRequest)) []byte {
	h.t.Helper()
	info := h.rig.DCs()[0]
	inner := &mt.PQInnerDataDC{
		Pq: h.x.pq, P: factor(h.x.p), Q: factor(h.x.q), Nonce: h.x.nonce, ServerNonce: h.x.serverNonce,
		NewNonce: h.newNonce, DC: info.ID,
	}
	req := &mt.ReqDHParamsRequest{
		Nonce: h.x.nonce, ServerNonce: h.x.serverNonce, P: factor(h.x.p), Q: factor(h.x.q),
		PublicKeyFingerprint: crypto.RSAFingerprint(info.Key),
	}
	if change != nil {
		change(inner, req)
	}
	var err error
	if req.EncryptedData, err = crypto.RSAPad(encode(h.t, inner), info.Key, rand.Reader); err != nil {
		h.t.Fatal(err)
	}
	return encode(h.t, req)
}

// clientDH makes set_client_DH_params out of server_DH_params_ok; it returns the key, too.
func (h *handshake) clientDH(answer []byte, change func(*mt.ClientDHInnerData)) ([]byte, crypto.Key) {
	h.t.Helper()
	var ok mt.ServerDHParamsOk
	if err := ok.Decode(&bin.Buffer{Buf: answer}); err != nil {
		h.t.Fatal(err)
	}
	key, iv := crypto.TempAESKeys(h.newNonce.BigInt(), h.x.serverNonce.BigInt())
	data, err := crypto.DecryptExchangeAnswer(ok.EncryptedAnswer, key, iv)
	if err != nil {
		h.t.Fatal(err)
	}
	var server mt.ServerDHInnerData
	if err := server.Decode(&bin.Buffer{Buf: data}); err != nil {
		h.t.Fatal(err)
	}
	p := new(big.Int).SetBytes(server.DhPrime)
	inner := &mt.ClientDHInnerData{
		Nonce: h.x.nonce, ServerNonce: h.x.serverNonce,
		GB: new(big.Int).Exp(big.NewInt(int64(server.G)), h.b, p).Bytes(),
	}
	if change != nil {
		change(inner)
	}
	encrypted, err := crypto.EncryptExchangeAnswer(rand.Reader, encode(h.t, inner), key, iv)
	if err != nil {
		h.t.Fatal(err)
	}
	var shared crypto.Key
	new(big.Int).Exp(new(big.Int).SetBytes(server.GA), h.b, p).FillBytes(shared[:])
	return encode(h.t, &mt.SetClientDHParamsRequest{
		Nonce: h.x.nonce, ServerNonce: h.x.serverNonce, EncryptedData: encrypted,
	}), shared
}

func (h *handshake) refused(body []byte, code int32) {
	h.t.Helper()
	_, err := h.ask(body)
	var got *codec.ProtocolErr
	if !errors.As(err, &got) || -got.Code != code {
		h.t.Fatalf("%v, want %d", err, code)
	}
}

func TestRepeatedExchangeRequestsGetTheSameAnswer(t *testing.T) {
	r := start(t, nil)
	h := r.handshake()
	if first, second := h.reqPQ(), h.reqPQ(); !bytes.Equal(first, second) {
		t.Fatal("resPQ differs")
	}
	same := func(body []byte) []byte {
		t.Helper()
		first, err := h.ask(body)
		if err != nil {
			t.Fatal(err)
		}
		h.connect() // the state does not belong to the connection
		second, err := h.ask(body)
		n := min(len(first), len(second))
		if err != nil || n < 52 || !bytes.Equal(first[:52], second[:52]) {
			t.Fatalf("answers differ (%v)", err)
		}
		return first
	}
	answer := same(h.dhParams(nil))
	body, key := h.clientDH(answer, nil)
	var ok mt.DhGenOk
	if err := ok.Decode(&bin.Buffer{Buf: same(body)}); err != nil {
		t.Fatal(err)
	}
	if ok.NewNonceHash1 != crypto.NonceHash1(h.newNonce, key) {
		t.Fatal("new_nonce_hash1 is wrong")
	}
	h.key, h.salt = key.WithID(), crypto.ServerSalt(h.newNonce, h.x.serverNonce)
	h.mustEcho()
}

func TestBadExchangeRequestsAreRefused(t *testing.T) {
	r := start(t, nil)
	for name, change := range map[string]func(*mt.PQInnerDataDC, *mt.ReqDHParamsRequest){
		"p":                  func(_ *mt.PQInnerDataDC, r *mt.ReqDHParamsRequest) { r.P[3] ^= 4 },
		"inner q":            func(i *mt.PQInnerDataDC, _ *mt.ReqDHParamsRequest) { i.Q[3] ^= 4 },
		"fingerprint":        func(_ *mt.PQInnerDataDC, r *mt.ReqDHParamsRequest) { r.PublicKeyFingerprint++ },
		"nonce":              func(_ *mt.PQInnerDataDC, r *mt.ReqDHParamsRequest) { r.Nonce[0]++ },
		"inner nonce":        func(i *mt.PQInnerDataDC, _ *mt.ReqDHParamsRequest) { i.Nonce[0]++ },
		"inner server nonce": func(i *mt.PQInnerDataDC, _ *mt.ReqDHParamsRequest) { i.ServerNonce[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			h := r.handshake()
			h.t = t
			h.reqPQ()
			h.refused(h.dhParams(change), -404)
			h.refused(h.dhParams(nil), -404) // and so is everything after it
		})
	}
	t.Run("dc", func(t *testing.T) {
		h := r.handshake()
		h.t = t
		h.reqPQ()
		h.refused(h.dhParams(func(i *mt.PQInnerDataDC, _ *mt.ReqDHParamsRequest) { i.DC++ }), -444)
	})
	t.Run("test dc", func(t *testing.T) {
		h := r.handshake()
		h.t = t
		h.reqPQ()
		if _, err := h.ask(h.dhParams(func(i *mt.PQInnerDataDC, _ *mt.ReqDHParamsRequest) { i.DC += 10000 })); err != nil {
			t.Fatal(err)
		}
	})
	for name, change := range map[string]func(*mt.ClientDHInnerData){
		"g_b":       func(i *mt.ClientDHInnerData) { i.GB = []byte{1} },
		"retry id":  func(i *mt.ClientDHInnerData) { i.RetryID = 1 },
		"dh nonce":  func(i *mt.ClientDHInnerData) { i.Nonce[0]++ },
		"dh snonce": func(i *mt.ClientDHInnerData) { i.ServerNonce[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			h := r.handshake()
			h.t = t
			h.reqPQ()
			answer, err := h.ask(h.dhParams(nil))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := h.clientDH(answer, change)
			h.refused(body, -404)
		})
	}
	t.Run("out of turn", func(t *testing.T) {
		h := r.handshake()
		h.t = t
		h.refused(tl(mt.ServerDHParamsOkTypeID), -404)
	})
}

func TestExchangeCanBeRetriedAndFail(t *testing.T) {
	r := start(t, nil)
	h := r.handshake()
	h.reqPQ()
	params, err := h.ask(h.dhParams(nil))
	if err != nil {
		t.Fatal(err)
	}
	r.Faults().Inject(0, DHRetry)
	body, key := h.clientDH(params, nil)
	answer, err := h.ask(body)
	if err != nil {
		t.Fatal(err)
	}
	var retry mt.DhGenRetry
	if err := retry.Decode(&bin.Buffer{Buf: answer}); err != nil {
		t.Fatal(err)
	}
	aux := int64(binary.LittleEndian.Uint64(auxHash(key)))
	h.b.Add(h.b, big.NewInt(1))
	body, key = h.clientDH(params, func(i *mt.ClientDHInnerData) { i.RetryID = aux })
	if answer, err = h.ask(body); err != nil {
		t.Fatal(err)
	}
	var ok mt.DhGenOk
	if err := ok.Decode(&bin.Buffer{Buf: answer}); err != nil {
		t.Fatal(err)
	}
	if ok.NewNonceHash1 != crypto.NonceHash1(h.newNonce, key) {
		t.Fatal("new_nonce_hash1 is wrong")
	}

	f := r.handshake()
	f.reqPQ()
	if params, err = f.ask(f.dhParams(nil)); err != nil {
		t.Fatal(err)
	}
	r.Faults().Inject(0, DHFail)
	body, _ = f.clientDH(params, nil)
	if answer, err = f.ask(body); err != nil {
		t.Fatal(err)
	}
	var fail mt.DhGenFail
	if err := fail.Decode(&bin.Buffer{Buf: answer}); err != nil {
		t.Fatal(err)
	}
}

func TestTemporaryKeyMustBeBound(t *testing.T) {
	r := start(t, nil)
	perm := r.dial()
	temp := r.dial()
	var value crypto.Key
	_, _ = rand.Read(value[:])
	r.dcs[0].addKey(value, temp.salt, true, 3600, r.clock.Now())
	temp.key = value.WithID()

	if code, text := temp.rpcError(temp.call(tl(idEcho))); code != 401 || text != "AUTH_KEY_PERM_EMPTY" {
		t.Fatalf("%d %s", code, text)
	}
	temp.call(tl(idGetConfig)) // allowed
	if call := <-r.handler.called; call.KeyID != temp.keyID() {
		t.Fatalf("%+v", call)
	}
	bind := func(change func(*crypto.BindAuthKeyInner)) int64 {
		m := temp.number(nil, true)
		inner := &crypto.BindAuthKeyInner{
			Nonce: 9, TempAuthKeyID: temp.keyID(), PermAuthKeyID: perm.keyID(), TempSessionID: temp.session,
			ExpiresAt: int(r.clock.Now().Unix()) + 1000,
		}
		b := &bin.Buffer{}
		b.PutID(idBindTempKey)
		b.PutLong(inner.PermAuthKeyID)
		b.PutLong(inner.Nonce)
		b.PutInt(inner.ExpiresAt)
		if change != nil {
			change(inner)
		}
		encrypted, err := crypto.EncryptBindMessage(rand.Reader, perm.key, m.id, inner)
		if err != nil {
			t.Fatal(err)
		}
		b.PutBytes(encrypted)
		m.body = b.Buf
		temp.write(m)
		return m.id
	}
	for _, change := range []func(*crypto.BindAuthKeyInner){
		func(i *crypto.BindAuthKeyInner) { i.Nonce++ },
		func(i *crypto.BindAuthKeyInner) { i.TempAuthKeyID++ },
		func(i *crypto.BindAuthKeyInner) { i.PermAuthKeyID++ },
		func(i *crypto.BindAuthKeyInner) { i.TempSessionID++ },
		func(i *crypto.BindAuthKeyInner) { i.ExpiresAt++ },
	} {
		if _, text := temp.rpcError(bind(change)); text != "ENCRYPTED_MESSAGE_INVALID" {
			t.Fatal(text)
		}
	}
	if got := constructorOf(temp.result(bind(nil))); got != idBoolTrue {
		t.Fatalf("%#08x", got)
	}
	temp.mustEcho()
	if call := <-r.handler.called; call.KeyID != perm.keyID() || call.AuthKeyID != temp.keyID() {
		t.Fatalf("%+v", call)
	}
	r.Push(perm.keyID(), pushBody(3))
	if got := temp.pushed(); got != 3 {
		t.Fatalf("pushed %d", got)
	}
	r.clock.advance(1001 * time.Second)
	temp.call(tl(idEcho))
	temp.transportError(-404)
	perm.mustEcho()
}

func TestBadConfigIsRefused(t *testing.T) {
	_, err := Start(context.Background(), Config{DCs: []int{1, 1}}, newHandler())
	if err == nil {
		t.Fatal("two DCs of one id")
	}
	if _, err = Start(context.Background(), Config{Listen: "256.0.0.1:0"}, newHandler()); err == nil {
		t.Fatal("an address that does not exist")
	}
}
