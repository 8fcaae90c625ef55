package exchange

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/telefleet/orchestrator/mtproto/ige"
)

type state uint8

// The exchange, and what is sent on each arrow:
//
//	new --Start / req_pq_multi--> waitPQ --resPQ / req_DH_params--> waitParams
//	    --server_DH_params_ok / set_client_DH_params--> waitAnswer --dh_gen_ok--> done
//	waitAnswer --dh_gen_retry / set_client_DH_params--> waitAnswer (at most maxRetries times)
//
// Any error leads to failed. Entering done or failed forgets all temporaries.
const (
	stateNew state = iota
	stateWaitPQ
	stateWaitParams
	stateWaitAnswer
	stateDone
	stateFailed
)

const (
	// maxRetries bounds dh_gen_retry, which an honest server uses when two keys have the same id: practically never.
	maxRetries = 5
	// maxPublicDraws bounds the draws of b; a g_b outside the safe range is rarer than one in 2^63.
	maxPublicDraws = 8
)

// Machine is the client's side of one key exchange. It must be used by one goroutine, and once.
type Machine struct {
	cfg       Config
	state     state
	lastMsgID uint64
	temporaries
}

// temporaries is all that an exchange learns and must forget.
type temporaries struct {
	nonce       [16]byte
	serverNonce [16]byte
	newNonce    [32]byte
	tmpKey      [32]byte
	tmpIV       [32]byte
	g           int
	prime       *big.Int
	ga          *big.Int
	offset      time.Duration
	key         [256]byte
	retryID     uint64
	retries     int
}

// Step takes one input at the time now. After an error, or with a Result, the machine takes no further input.
func (m *Machine) Step(now time.Time, in Input) (Effects, error) {
	eff, err := m.step(now, in)
	if err != nil {
		m.state, m.temporaries = stateFailed, temporaries{}
		return Effects{}, fmt.Errorf("key exchange: %w", err)
	}
	if eff.Result != nil {
		m.state, m.temporaries = stateDone, temporaries{}
	}
	return eff, nil
}

func (m *Machine) step(now time.Time, in Input) (Effects, error) {
	switch in := in.(type) {
	case Start:
		if m.state != stateNew {
			return Effects{}, ErrState
		}
		return m.start(now)
	case Frame:
		return m.frame(now, in.Data)
	default:
		return Effects{}, ErrState
	}
}

func (m *Machine) start(now time.Time) (Effects, error) {
	if len(m.cfg.Keys) == 0 {
		return Effects{}, ErrKeys
	}
	for _, k := range m.cfg.Keys {
		if k == nil || k.N.BitLen() != 8*rsaBytes {
			return Effects{}, fmt.Errorf("%w: one has not 2048 bits", ErrKeys)
		}
	}
	if err := m.draw(m.nonce[:]); err != nil {
		return Effects{}, err
	}
	m.state = stateWaitPQ
	body := append(appendU32(nil, idReqPQMulti), m.nonce[:]...)
	return m.send(now, body), nil
}

func (m *Machine) frame(now time.Time, data []byte) (Effects, error) {
	if m.state != stateWaitPQ && m.state != stateWaitParams && m.state != stateWaitAnswer {
		return Effects{}, ErrState
	}
	d, err := unwrap(data)
	if err != nil {
		return Effects{}, err
	}
	id := d.u32()
	nonce := d.int128()
	if m.state != stateWaitPQ { // resPQ brings the server's nonce
		serverNonce := d.int128()
		if d.err == nil && serverNonce != m.serverNonce {
			return Effects{}, violation(CheckNonce, "server_nonce differs")
		}
	}
	if d.err != nil {
		return Effects{}, violation(CheckEnvelope, "%v", d.err)
	}
	if nonce != m.nonce {
		return Effects{}, violation(CheckNonce, "nonce differs")
	}
	switch m.state {
	case stateWaitPQ:
		return m.onResPQ(now, id, &d)
	case stateWaitParams:
		return m.onParams(now, id, &d)
	default:
		return m.onAnswer(now, id, &d)
	}
}

// unwrap takes the envelope of an unencrypted message off. Bytes after the TL object are padding, inside the declared
// length and outside.
func unwrap(data []byte) (decoder, error) {
	if len(data) == 4 {
		return decoder{}, &TransportError{Code: int(int32(binary.LittleEndian.Uint32(data)))}
	}
	d := decoder{b: data}
	keyID, _, length := d.u64(), d.u64(), d.u32()
	body := d.take(int(length))
	switch {
	case d.err != nil:
		return decoder{}, violation(CheckEnvelope, "the message is cut short (%d bytes)", len(data))
	case keyID != 0:
		return decoder{}, violation(CheckEnvelope, "the message is encrypted")
	}
	return decoder{b: body}, nil
}

// send wraps a query in the envelope of an unencrypted message.
func (m *Machine) send(now time.Time, body []byte) Effects {
	nanos := uint64(now.Nanosecond())
	id := uint64(now.Unix())<<32 | (nanos<<32/1e9)&^3
	m.lastMsgID = max(id, m.lastMsgID+4)
	b := appendU64(make([]byte, 0, 20+len(body)), 0)
	b = appendU64(b, m.lastMsgID)
	b = appendU32(b, uint32(len(body)))
	return Effects{Write: [][]byte{append(b, body...)}}
}

func (m *Machine) draw(b []byte) error {
	if _, err := io.ReadFull(m.cfg.Rand, b); err != nil {
		return fmt.Errorf("read entropy: %w", err)
	}
	return nil
}

// onResPQ: resPQ nonce server_nonce pq server_public_key_fingerprints.
func (m *Machine) onResPQ(now time.Time, id uint32, d *decoder) (Effects, error) {
	if id != idResPQ {
		return Effects{}, violation(CheckEnvelope, "constructor %08x instead of resPQ", id)
	}
	m.serverNonce = d.int128()
	pqBytes := d.bytes()
	key, fingerprint, err := m.chooseKey(d)
	if err != nil {
		return Effects{}, err
	}
	if len(pqBytes) == 0 || len(pqBytes) > 8 {
		return Effects{}, violation(CheckPQ, "pq has %d bytes", len(pqBytes))
	}
	var pq uint64
	for _, b := range pqBytes {
		pq = pq<<8 | uint64(b)
	}
	p, q, ok := factorPQ(pq)
	if !ok {
		return Effects{}, violation(CheckPQ, "pq is not the product of two different odd primes below 2^63")
	}
	if err := m.draw(m.newNonce[:]); err != nil {
		return Effects{}, err
	}
	encrypted, err := rsaPad(m.innerData(pqBytes, p, q), key, m.cfg.Rand)
	if err != nil {
		return Effects{}, err
	}
	body := m.query(idReqDHParams)
	body = appendBytes(body, minimalBytes(p))
	body = appendBytes(body, minimalBytes(q))
	body = appendU64(body, uint64(fingerprint))
	body = appendBytes(body, encrypted)
	m.state = stateWaitParams
	return m.send(now, body), nil
}

// chooseKey reads the server's fingerprints and returns the first of our keys among them.
func (m *Machine) chooseKey(d *decoder) (*rsa.PublicKey, int64, error) {
	vector, count := d.u32(), d.u32()
	offered := d.take(8 * int(min(count, 1<<20)))
	if d.err != nil || vector != idVector {
		return nil, 0, violation(CheckEnvelope, "resPQ is broken")
	}
	for _, k := range m.cfg.Keys {
		fingerprint := Fingerprint(k)
		for rest := offered; len(rest) > 0; rest = rest[8:] {
			if int64(binary.LittleEndian.Uint64(rest)) == fingerprint {
				return k, fingerprint, nil
			}
		}
	}
	return nil, 0, violation(CheckRSAKey, "none of the server's %d keys is ours", len(offered)/8)
}

func (m *Machine) innerData(pq []byte, p, q uint64) []byte {
	id := uint32(idPQInnerDataDC)
	if m.cfg.TempExpiresIn > 0 {
		id = idPQInnerDataTempDC
	}
	b := appendU32(nil, id)
	b = appendBytes(b, pq)
	b = appendBytes(b, minimalBytes(p))
	b = appendBytes(b, minimalBytes(q))
	b = append(b, m.nonce[:]...)
	b = append(b, m.serverNonce[:]...)
	b = append(b, m.newNonce[:]...)
	b = appendU32(b, uint32(int32(m.cfg.DC)))
	if m.cfg.TempExpiresIn > 0 {
		b = appendU32(b, uint32(m.cfg.TempExpiresIn))
	}
	return b
}

// query starts a query that carries both nonces.
func (m *Machine) query(id uint32) []byte {
	b := appendU32(make([]byte, 0, 512), id)
	b = append(b, m.nonce[:]...)
	return append(b, m.serverNonce[:]...)
}

// onParams: server_DH_params_ok nonce server_nonce encrypted_answer, or server_DH_params_fail.
func (m *Machine) onParams(now time.Time, id uint32, d *decoder) (Effects, error) {
	switch id {
	case idServerDHParamsOK:
	case idServerDHParamsFail:
		sum := sha1.Sum(m.newNonce[:])
		hash := d.int128()
		if subtle.ConstantTimeCompare(hash[:], sum[4:]) != 1 {
			return Effects{}, violation(CheckNonceHash, "in server_DH_params_fail")
		}
		return Effects{}, &RefusedError{Answer: "server_DH_params_fail"}
	default:
		return Effects{}, violation(CheckEnvelope, "constructor %08x instead of server_DH_params", id)
	}
	encrypted := d.bytes()
	if d.err != nil {
		return Effects{}, violation(CheckEnvelope, "server_DH_params_ok is broken")
	}
	m.deriveTempKey()
	inner, err := m.openAnswer(encrypted)
	if err != nil {
		return Effects{}, err
	}
	if err := m.readInner(now, &inner); err != nil {
		return Effects{}, err
	}
	return m.sendPublic(now)
}

// deriveTempKey computes tmp_aes_key and tmp_aes_iv from the nonces.
func (m *Machine) deriveTempKey() {
	join := func(a, b []byte) [20]byte {
		return sha1.Sum(append(append(make([]byte, 0, 64), a...), b...))
	}
	ns := join(m.newNonce[:], m.serverNonce[:])
	sn := join(m.serverNonce[:], m.newNonce[:])
	nn := join(m.newNonce[:], m.newNonce[:])
	copy(m.tmpKey[:20], ns[:])
	copy(m.tmpKey[20:], sn[:12])
	copy(m.tmpIV[:8], sn[12:])
	copy(m.tmpIV[8:28], nn[:])
	copy(m.tmpIV[28:], m.newNonce[:4])
}

// innerBlock is server_DH_inner_data.
type innerBlock struct {
	nonce, serverNonce [16]byte
	g                  uint32
	prime, ga          []byte
	serverTime         uint32
}

// openAnswer decrypts SHA1(answer) + answer + (0..15 bytes) and checks the hash; nothing of the answer is used before.
func (m *Machine) openAnswer(encrypted []byte) (innerBlock, error) {
	if len(encrypted) < 2*ige.BlockSize || len(encrypted)%ige.BlockSize != 0 {
		return innerBlock{}, violation(CheckAnswer, "encrypted_answer has %d bytes", len(encrypted))
	}
	plain := make([]byte, len(encrypted))
	ige.Decrypt(plain, encrypted, &m.tmpKey, &m.tmpIV)
	answer := plain[sha1.Size:]
	d := decoder{b: answer}
	id := d.u32()
	inner := innerBlock{nonce: d.int128(), serverNonce: d.int128(), g: d.u32(), prime: d.bytes(), ga: d.bytes(), serverTime: d.u32()}
	if d.err != nil || len(d.b) > 15 {
		return innerBlock{}, violation(CheckAnswer, "the answer does not carry its own hash")
	}
	sum := sha1.Sum(answer[:len(answer)-len(d.b)])
	if subtle.ConstantTimeCompare(sum[:], plain[:sha1.Size]) != 1 {
		return innerBlock{}, violation(CheckAnswer, "the answer does not carry its own hash")
	}
	if id != idServerDHInnerData {
		return innerBlock{}, violation(CheckEnvelope, "constructor %08x instead of server_DH_inner_data", id)
	}
	return inner, nil
}

// readInner checks the server's half of Diffie-Hellman and keeps it.
func (m *Machine) readInner(now time.Time, inner *innerBlock) error {
	if inner.nonce != m.nonce || inner.serverNonce != m.serverNonce {
		return violation(CheckNonce, "a nonce inside the answer differs")
	}
	if len(inner.prime) > rsaBytes || len(inner.ga) > rsaBytes {
		return violation(CheckPrime, "a number has more than %d bits", dhBits)
	}
	m.g = int(int32(inner.g))
	m.prime = new(big.Int).SetBytes(inner.prime)
	m.ga = new(big.Int).SetBytes(inner.ga)
	if err := CheckDH(m.g, m.prime); err != nil {
		return err
	}
	if err := CheckRange(m.ga, m.prime); err != nil {
		return err
	}
	m.offset = time.Duration(int64(inner.serverTime)-now.Unix()) * time.Second
	return nil
}

// sendPublic draws b, computes the key and sends g_b in set_client_DH_params.
func (m *Machine) sendPublic(now time.Time) (Effects, error) {
	b, gb, err := m.drawPublic()
	if err != nil {
		return Effects{}, err
	}
	b.Exp(m.ga, b, m.prime).FillBytes(m.key[:])

	data := m.query(idClientDHInnerData)
	data = appendU64(data, m.retryID)
	data = appendBytes(data, gb.FillBytes(make([]byte, rsaBytes)))
	sum := sha1.Sum(data)
	plain := append(sum[:], data...)
	padding := make([]byte, (ige.BlockSize-len(plain)%ige.BlockSize)%ige.BlockSize)
	if err := m.draw(padding); err != nil {
		return Effects{}, err
	}
	plain = append(plain, padding...)
	ige.Encrypt(plain, plain, &m.tmpKey, &m.tmpIV)

	m.state = stateWaitAnswer
	return m.send(now, appendBytes(m.query(idSetClientDHParams), plain)), nil
}

// drawPublic draws b until g_b is in the safe range.
func (m *Machine) drawPublic() (b, gb *big.Int, err error) {
	var secret [rsaBytes]byte
	defer clear(secret[:])
	for range maxPublicDraws {
		if err := m.draw(secret[:]); err != nil {
			return nil, nil, err
		}
		b = new(big.Int).SetBytes(secret[:])
		gb = new(big.Int).Exp(big.NewInt(int64(m.g)), b, m.prime)
		if CheckRange(gb, m.prime) == nil {
			return b, gb, nil
		}
	}
	return nil, nil, fmt.Errorf("no usable g_b in %d draws: the source of randomness is broken", maxPublicDraws)
}

// onAnswer: dh_gen_ok, dh_gen_retry or dh_gen_fail, each nonce server_nonce new_nonce_hash.
func (m *Machine) onAnswer(now time.Time, id uint32, d *decoder) (Effects, error) {
	var number byte
	switch id {
	case idDHGenOK:
		number = 1
	case idDHGenRetry:
		number = 2
	case idDHGenFail:
		number = 3
	default:
		return Effects{}, violation(CheckEnvelope, "constructor %08x instead of Set_client_DH_params_answer", id)
	}
	hash := d.int128()
	if d.err != nil {
		return Effects{}, violation(CheckEnvelope, "Set_client_DH_params_answer is broken")
	}
	keySum := sha1.Sum(m.key[:])
	want := nonceHash(m.newNonce, number, keySum[:8])
	if subtle.ConstantTimeCompare(hash[:], want[:]) != 1 {
		return Effects{}, violation(CheckNonceHash, "new_nonce_hash%d differs", number)
	}
	switch number {
	case 1:
		return Effects{Result: m.result(keySum)}, nil
	case 2:
		if m.retries++; m.retries > maxRetries {
			return Effects{}, violation(CheckRetries, "more than %d dh_gen_retry", maxRetries)
		}
		m.retryID = binary.LittleEndian.Uint64(keySum[:])
		return m.sendPublic(now)
	default:
		return Effects{}, &RefusedError{Answer: "dh_gen_fail"}
	}
}

// nonceHash is new_nonce_hash1, 2 or 3: the low 128 bits of SHA1(new_nonce + number + auth_key_aux_hash).
func nonceHash(newNonce [32]byte, number byte, auxHash []byte) (hash [16]byte) {
	var b [41]byte
	copy(b[:], newNonce[:])
	b[32] = number
	copy(b[33:], auxHash)
	sum := sha1.Sum(b[:])
	copy(hash[:], sum[4:])
	return hash
}

func (m *Machine) result(keySum [20]byte) *Result {
	var salt [8]byte
	subtle.XORBytes(salt[:], m.newNonce[:8], m.serverNonce[:8])
	return &Result{
		Key:        m.key,
		KeyID:      int64(binary.LittleEndian.Uint64(keySum[12:])),
		Salt:       int64(binary.LittleEndian.Uint64(salt[:])),
		TimeOffset: m.offset,
	}
}
