package exchange

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/crypto"

	"github.com/telefleet/orchestrator/mtproto/ige"
)

var serverKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// server is the other half of the exchange. Each field can be bent by a test before the server uses it.
type server struct {
	tb  testing.TB
	key *rsa.PrivateKey

	pq           []byte
	fingerprints []int64
	g            uint32
	prime        *big.Int
	ga           *big.Int // nil: g^a
	time         uint32
	retries      int // dh_gen_retry answers before the last one

	// answer: 1 ok, 2 retry, 3 fail; hash: the number inside new_nonce_hash, 0 for the right one.
	answer, hash byte
	paramsFail   bool

	bendObject map[int]func([]byte) // the TL object of the n-th answer, from 0
	bendPlain  func([]byte) []byte  // the decrypted answer with its hash in front

	// what the server saw
	inner    []byte
	retryIDs []uint64
	authKey  [256]byte

	count              int
	a                  *big.Int
	nonce, serverNonce [16]byte
	newNonce           [32]byte
	tmp                Machine // derives the temporary key
}

func newServer(tb testing.TB) *server {
	s := &server{tb: tb, key: serverKey(), pq: minimalBytes(1513098571 * 1780931429), g: 3, prime: knownPrime, answer: 1,
		time: uint32(testNow.Unix()) + 7, a: new(big.Int).SetBytes(bytes.Repeat([]byte{0x6b}, 255))}
	s.fingerprints = []int64{42, Fingerprint(&s.key.PublicKey)}
	_, _ = rand.Read(s.serverNonce[:])
	return s
}

var testNow = time.Unix(1700000000, 250_000_000)

func (s *server) handle(frame []byte) Frame {
	s.tb.Helper()
	d := decoder{b: frame[20:]}
	var object []byte
	switch id := d.u32(); id {
	case idReqPQMulti:
		object = s.onReqPQ(&d)
	case idReqDHParams:
		object = s.onReqDHParams(&d)
	case idSetClientDHParams:
		object = s.onSetClient(&d)
	default:
		s.tb.Fatalf("query %08x", id)
	}
	if d.err != nil || len(d.b) != 0 {
		s.tb.Fatalf("query is broken: %v, %d bytes left", d.err, len(d.b))
	}
	if bend := s.bendObject[s.count]; bend != nil {
		bend(object)
	}
	s.count++
	return serverFrame(object)
}

func (s *server) nonces(id uint32) []byte {
	return append(append(appendU32(nil, id), s.nonce[:]...), s.serverNonce[:]...)
}

func (s *server) onReqPQ(d *decoder) []byte {
	s.nonce = d.int128()
	b := appendBytes(s.nonces(idResPQ), s.pq)
	b = appendU32(appendU32(b, idVector), uint32(len(s.fingerprints)))
	for _, f := range s.fingerprints {
		b = appendU64(b, uint64(f))
	}
	return b
}

func (s *server) onReqDHParams(d *decoder) []byte {
	s.tb.Helper()
	if d.int128() != s.nonce || d.int128() != s.serverNonce {
		s.tb.Fatal("nonces in req_DH_params")
	}
	p, q := d.bytes(), d.bytes()
	if fp := int64(d.u64()); fp != Fingerprint(&s.key.PublicKey) {
		s.tb.Fatalf("fingerprint %x", fp)
	}
	inner, err := crypto.DecodeRSAPad(d.bytes(), s.key)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.inner = inner
	in := decoder{b: inner}
	in.u32()
	pq := in.bytes()
	if !bytes.Equal(pq, s.pq) || !bytes.Equal(in.bytes(), p) || !bytes.Equal(in.bytes(), q) ||
		in.int128() != s.nonce || in.int128() != s.serverNonce {
		s.tb.Fatalf("inner data %x", inner)
	}
	copy(s.newNonce[:], in.take(32))
	if s.paramsFail {
		sum := sha1.Sum(s.newNonce[:])
		return append(s.nonces(idServerDHParamsFail), sum[4:]...)
	}
	s.tmp.newNonce, s.tmp.serverNonce = s.newNonce, s.serverNonce
	s.tmp.deriveTempKey()

	if s.ga == nil {
		s.ga = new(big.Int).Exp(big.NewInt(int64(s.g)), s.a, s.prime)
	}
	data := appendU32(s.nonces(idServerDHInnerData), s.g)
	data = appendBytes(appendBytes(data, s.prime.Bytes()), s.ga.Bytes())
	data = appendU32(data, s.time)
	sum := sha1.Sum(data)
	plain := append(sum[:], data...)
	for len(plain)%16 != 0 {
		plain = append(plain, 0x3c)
	}
	if s.bendPlain != nil {
		plain = s.bendPlain(plain)
	}
	ige.Encrypt(plain, plain, &s.tmp.tmpKey, &s.tmp.tmpIV)
	return appendBytes(s.nonces(idServerDHParamsOK), plain)
}

func (s *server) onSetClient(d *decoder) []byte {
	s.tb.Helper()
	if d.int128() != s.nonce || d.int128() != s.serverNonce {
		s.tb.Fatal("nonces in set_client_DH_params")
	}
	plain := bytes.Clone(d.bytes())
	ige.Decrypt(plain, plain, &s.tmp.tmpKey, &s.tmp.tmpIV)
	in := decoder{b: plain[20:]}
	id, nonce, serverNonce := in.u32(), in.int128(), in.int128()
	s.retryIDs = append(s.retryIDs, in.u64())
	gb := new(big.Int).SetBytes(in.bytes())
	sum := sha1.Sum(plain[20 : len(plain)-len(in.b)])
	if id != idClientDHInnerData || nonce != s.nonce || serverNonce != s.serverNonce || !bytes.Equal(sum[:], plain[:20]) {
		s.tb.Fatalf("client_DH_inner_data %x", plain)
	}
	if err := CheckRange(gb, s.prime); err != nil {
		s.tb.Fatal(err)
	}
	new(big.Int).Exp(gb, s.a, s.prime).FillBytes(s.authKey[:])

	number := s.answer
	if s.retries > 0 {
		s.retries--
		number = 2
	}
	constructor := map[byte]uint32{1: idDHGenOK, 2: idDHGenRetry, 3: idDHGenFail}[number]
	if s.hash != 0 {
		number = s.hash
	}
	keySum := sha1.Sum(s.authKey[:])
	hash := nonceHash(s.newNonce, number, keySum[:8])
	return append(s.nonces(constructor), hash[:]...)
}

// run plays a whole exchange with a client of the given configuration.
func (s *server) run(cfg Config) (*Result, error) {
	s.tb.Helper()
	if cfg.Keys == nil {
		cfg.Keys = []*rsa.PublicKey{&s.key.PublicKey}
	}
	m := New(cfg)
	e, err := m.Step(testNow, Start{})
	var last uint64
	for err == nil && e.Result == nil {
		if len(e.Write) != 1 {
			s.tb.Fatalf("%d frames written", len(e.Write))
		}
		id := binary.LittleEndian.Uint64(e.Write[0][8:])
		if id <= last || id%4 != 0 {
			s.tb.Fatalf("message id %x after %x", id, last)
		}
		last = id
		e, err = m.Step(testNow, s.handle(e.Write[0]))
	}
	if m.temporaries != (temporaries{}) {
		s.tb.Error("the temporaries were not forgotten")
	}
	return e.Result, err
}

func sha1Sum(b []byte) [20]byte { return sha1.Sum(b) }
