package mtserver

import (
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the protocol says so
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
)

// The server half of core.telegram.org/mtproto/auth_key. The state of an exchange belongs
// to its nonces, not to a connection, and each answer is remembered: the same request gets
// the same bytes.
//
//	req_pq_multi -> sentPQ -> req_DH_params -> sentDH -> set_client_DH_params -> done
//	                                             ^------- dh_gen_retry ----'

type exchangeStage uint8

const (
	sentPQ exchangeStage = iota + 1
	sentDH
	exchanged
)

type keyExchange struct {
	stage              exchangeStage
	started            time.Time
	nonce, serverNonce bin.Int128
	newNonce           bin.Int256
	p, q               uint32
	a                  *big.Int
	retryID            int64 // expected: aux hash of the try that failed
	temp               bool
	expiresIn          int
	answers            map[[32]byte][]byte
}

// exchanges are those of one DC.
type exchanges struct {
	mu sync.Mutex
	m  map[bin.Int128]*keyExchange // by the client's nonce
}

// dhPrime is the 2048-bit safe prime that Telegram uses; g = 3 is lawful for it.
const dhG = 3

var dhPrime, _ = new(big.Int).SetString("C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F"+
	"48198A0AA7C14058229493D22530F4DBFA336F6E0AC925139543AED44CCE7C37"+
	"20FD51F69458705AC68CD4FE6B6B13ABDC9746512969328454F18FAF8C595F64"+
	"2477FE96BB2A941D5BCD1D4AC8CC49880708FA9B378E3C4F3A9060BEE67CF9A4"+
	"A4A695811051907E162753B56B0F6B410DBA74D8A84B2A14B3144E0EF1284754"+
	"FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4"+
	"E418FC15E83EBEA0F87FA9FF5EED70050DED2849F47BF959D956850CE929851F"+
	"0D8115F635B105EE2E4E15D04B2454BF6F4FADF034B10403119CD8E3B92FCC5B", 16)

var (
	errExchange = errors.New("key exchange: request refused") // -404
	errWrongDC  = errors.New("key exchange: wrong dc")        // -444
)

// step answers the TL body of one unencrypted message.
func (d *dc) step(body []byte, now time.Time) ([]byte, error) {
	d.exchanges.mu.Lock()
	defer d.exchanges.mu.Unlock()
	b := &bin.Buffer{Buf: body}
	id, err := b.PeekID()
	if err != nil {
		return nil, errExchange
	}
	switch id {
	case mt.ReqPqRequestTypeID, mt.ReqPqMultiRequestTypeID:
		return d.reqPQ(b, now)
	case mt.ReqDHParamsRequestTypeID:
		return d.reqDH(b, now)
	case mt.SetClientDHParamsRequestTypeID:
		return d.setDH(b, now)
	case idMsgsAck: // some clients acknowledge here; nothing is expected back
		return nil, nil
	}
	return nil, errExchange
}

func (d *dc) reqPQ(b *bin.Buffer, now time.Time) ([]byte, error) {
	if b.Len() < 20 {
		return nil, errExchange
	}
	var nonce bin.Int128
	copy(nonce[:], b.Buf[4:20])
	hash := sha256.Sum256(b.Buf[:20])
	if x := d.exchanges.m[nonce]; x != nil && now.Sub(x.started) < exchangeMemory {
		if answer := x.answers[hash]; answer != nil {
			return answer, nil
		}
		return nil, errExchange
	}
	d.exchanges.forget(now)
	x := &keyExchange{stage: sentPQ, started: now, nonce: nonce, answers: map[[32]byte][]byte{}}
	var err error
	if x.serverNonce, err = crypto.RandInt128(d.srv.cfg.Rand); err != nil {
		return nil, fmt.Errorf("draw nonce: %w", err)
	}
	if x.p, x.q, err = drawPrimes(d.srv.cfg.Rand); err != nil {
		return nil, err
	}
	pq := new(big.Int).SetUint64(uint64(x.p) * uint64(x.q))
	d.exchanges.m[nonce] = x
	return x.remember(hash, &mt.ResPQ{
		Nonce: nonce, ServerNonce: x.serverNonce, Pq: pq.Bytes(),
		ServerPublicKeyFingerprints: []int64{crypto.RSAFingerprint(&d.key.PublicKey)},
	})
}

// forget drops old exchanges, and the oldest ones if there are too many.
func (e *exchanges) forget(now time.Time) {
	if len(e.m) < exchangesPerDC/2 {
		return
	}
	age := exchangeMemory
	for len(e.m) >= exchangesPerDC/2 && age > time.Second {
		for nonce, x := range e.m {
			if now.Sub(x.started) >= age {
				delete(e.m, nonce)
			}
		}
		age /= 2
	}
	for nonce := range e.m { // a storm: forget any
		if len(e.m) < exchangesPerDC {
			break
		}
		delete(e.m, nonce)
	}
}

func (x *keyExchange) remember(hash [32]byte, answer bin.Encoder) ([]byte, error) {
	b := &bin.Buffer{}
	if err := answer.Encode(b); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	x.answers[hash] = b.Buf
	return b.Buf, nil
}

// find looks an exchange up by the nonces of a request; answer is not nil if the same
// request was answered before.
func (e *exchanges) find(nonce, serverNonce bin.Int128, hash [32]byte, now time.Time) (x *keyExchange, answer []byte) {
	x = e.m[nonce]
	if x == nil || x.serverNonce != serverNonce || now.Sub(x.started) >= exchangeMemory {
		return nil, nil
	}
	return x, x.answers[hash]
}

func (d *dc) reqDH(b *bin.Buffer, now time.Time) ([]byte, error) {
	whole := b.Buf
	var req mt.ReqDHParamsRequest
	if err := req.Decode(b); err != nil {
		return nil, errExchange
	}
	hash := sha256.Sum256(whole[:len(whole)-b.Len()])
	x, answer := d.exchanges.find(req.Nonce, req.ServerNonce, hash, now)
	switch {
	case x == nil:
		return nil, errExchange
	case answer != nil:
		return answer, nil
	case x.stage != sentPQ, asUint(req.P) != uint64(x.p), asUint(req.Q) != uint64(x.q),
		req.PublicKeyFingerprint != crypto.RSAFingerprint(&d.key.PublicKey):
		return nil, errExchange
	}
	if err := x.readInner(req.EncryptedData, d.key, d.id, d.media); err != nil {
		return nil, err
	}
	// A short exponent is as safe as 2048 bits and far cheaper.
	var secret [64]byte
	if _, err := io.ReadFull(d.srv.cfg.Rand, secret[:]); err != nil {
		return nil, fmt.Errorf("draw exponent: %w", err)
	}
	x.a = new(big.Int).SetBytes(secret[:])
	inner := &mt.ServerDHInnerData{
		Nonce: x.nonce, ServerNonce: x.serverNonce, G: dhG, DhPrime: dhPrime.Bytes(),
		GA: new(big.Int).Exp(big.NewInt(dhG), x.a, dhPrime).Bytes(), ServerTime: int(now.Unix()),
	}
	data := &bin.Buffer{}
	if err := inner.Encode(data); err != nil {
		return nil, fmt.Errorf("encode server_DH_inner_data: %w", err)
	}
	key, iv := x.tempKey()
	encrypted, err := crypto.EncryptExchangeAnswer(d.srv.cfg.Rand, data.Buf, key, iv)
	if err != nil {
		return nil, fmt.Errorf("encrypt server_DH_inner_data: %w", err)
	}
	x.stage = sentDH
	return x.remember(hash, &mt.ServerDHParamsOk{Nonce: x.nonce, ServerNonce: x.serverNonce, EncryptedAnswer: encrypted})
}

func (x *keyExchange) tempKey() (key, iv []byte) {
	return crypto.TempAESKeys(x.newNonce.BigInt(), x.serverNonce.BigInt())
}

// readInner decrypts and checks p_q_inner_data.
func (x *keyExchange) readInner(encrypted []byte, key *rsa.PrivateKey, dcID int, media bool) error {
	if len(encrypted) != 256 {
		return errExchange
	}
	data, err := crypto.DecodeRSAPad(encrypted, key)
	if err != nil {
		return errExchange
	}
	inner, err := mt.DecodePQInnerData(&bin.Buffer{Buf: data})
	if err != nil {
		return errExchange
	}
	dcField := dcID
	switch v := inner.(type) {
	case *mt.PQInnerData:
	case *mt.PQInnerDataDC:
		dcField = v.DC
	case *mt.PQInnerDataTempDC:
		dcField = v.DC
		x.temp, x.expiresIn = true, v.ExpiresIn
		if v.ExpiresIn <= 0 {
			return errExchange
		}
	default:
		return errExchange
	}
	if inner.GetNonce() != x.nonce || inner.GetServerNonce() != x.serverNonce ||
		asUint(inner.GetPq()) != uint64(x.p)*uint64(x.q) ||
		asUint(inner.GetP()) != uint64(x.p) || asUint(inner.GetQ()) != uint64(x.q) {
		return errExchange
	}
	if media { // core.telegram.org/mtproto/auth_key: negative there
		dcField = -dcField
	}
	if dcField != dcID && dcField != dcID+10000 {
		return errWrongDC
	}
	x.newNonce = inner.GetNewNonce()
	return nil
}

func (d *dc) setDH(b *bin.Buffer, now time.Time) ([]byte, error) {
	whole := b.Buf
	var req mt.SetClientDHParamsRequest
	if err := req.Decode(b); err != nil {
		return nil, errExchange
	}
	hash := sha256.Sum256(whole[:len(whole)-b.Len()])
	x, answer := d.exchanges.find(req.Nonce, req.ServerNonce, hash, now)
	switch {
	case x == nil:
		return nil, errExchange
	case answer != nil:
		return answer, nil
	case x.stage != sentDH:
		return nil, errExchange
	}
	gB, err := x.readClientDH(req.EncryptedData)
	if err != nil {
		return nil, err
	}
	var value crypto.Key
	new(big.Int).Exp(gB, x.a, dhPrime).FillBytes(value[:])

	if fault, ok := d.srv.faults.take(0, faultDHRetry, faultDHFail); ok {
		aux := sha1.Sum(value[:])
		x.retryID = int64(binary.LittleEndian.Uint64(aux[:]))
		if fault.kind == faultDHFail {
			x.stage = exchanged
			return x.remember(hash, &mt.DhGenFail{Nonce: x.nonce, ServerNonce: x.serverNonce, NewNonceHash3: x.nonceHash(3, value)})
		}
		return x.remember(hash, &mt.DhGenRetry{Nonce: x.nonce, ServerNonce: x.serverNonce, NewNonceHash2: x.nonceHash(2, value)})
	}
	x.stage = exchanged
	x.a = nil
	d.addKey(value, crypto.ServerSalt(x.newNonce, x.serverNonce), x.temp, x.expiresIn, now)
	return x.remember(hash, &mt.DhGenOk{Nonce: x.nonce, ServerNonce: x.serverNonce, NewNonceHash1: x.nonceHash(1, value)})
}

// readClientDH decrypts client_DH_inner_data and checks g_b.
func (x *keyExchange) readClientDH(encrypted []byte) (*big.Int, error) {
	if len(encrypted) == 0 || len(encrypted)%16 != 0 || len(encrypted) > 1024 {
		return nil, errExchange
	}
	key, iv := x.tempKey()
	data, err := crypto.DecryptExchangeAnswer(encrypted, key, iv)
	if err != nil || data == nil {
		return nil, errExchange
	}
	var inner mt.ClientDHInnerData
	if err := inner.Decode(&bin.Buffer{Buf: data}); err != nil {
		return nil, errExchange
	}
	gB := new(big.Int).SetBytes(inner.GB)
	low := new(big.Int).Lsh(big.NewInt(1), 2048-64)
	high := new(big.Int).Sub(dhPrime, low)
	if inner.Nonce != x.nonce || inner.ServerNonce != x.serverNonce || inner.RetryID != x.retryID ||
		gB.Cmp(low) < 0 || gB.Cmp(high) > 0 {
		return nil, errExchange
	}
	return gB, nil
}

// nonceHash is new_nonce_hash1, 2 or 3.
func (x *keyExchange) nonceHash(n byte, key crypto.Key) (r bin.Int128) {
	aux := sha1.Sum(key[:])
	buf := append(append(append([]byte{}, x.newNonce[:]...), n), aux[:8]...)
	sum := sha1.Sum(buf)
	copy(r[:], sum[4:20])
	return r
}

func asUint(b []byte) uint64 {
	if len(b) > 8 {
		return 0
	}
	return new(big.Int).SetBytes(b).Uint64()
}

// drawPrimes draws two different primes of 31 bits, p < q, so that pq < 2^63.
func drawPrimes(r io.Reader) (p, q uint32, err error) {
	for p == q {
		if p, err = drawPrime(r); err != nil {
			return 0, 0, err
		}
		if q, err = drawPrime(r); err != nil {
			return 0, 0, err
		}
	}
	return min(p, q), max(p, q), nil
}

func drawPrime(r io.Reader) (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, fmt.Errorf("draw prime: %w", err)
	}
	n := binary.LittleEndian.Uint32(b[:])&0x3fffffff | 0x40000001
	for ; ; n += 2 {
		if n >= 1<<31 {
			n = 1<<30 + 1
		}
		if new(big.Int).SetUint64(uint64(n)).ProbablyPrime(0) { // exact below 2^64
			return n, nil
		}
	}
}
