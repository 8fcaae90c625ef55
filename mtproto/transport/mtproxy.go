package transport

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// The forms of an MTProxy secret.
const (
	secretKey    = 16   // a plain secret is nothing but the key
	secretPadded = 0xdd // the key follows; packets are padded
	secretTLS    = 0xee // the key and a domain follow; packets are padded, the stream looks like TLS to that domain
	// maxDomain is the longest domain of a secret, as TDLib has it (ProxySecret::MAX_DOMAIN_LENGTH).
	maxDomain = 182
)

func (p Proxy) fakeTLS() bool { return p.Kind == MTProxy && len(p.Secret) > 1+secretKey }

// key is the part of a good secret that is mixed into keys.
func (p Proxy) key() []byte {
	if len(p.Secret) == secretKey {
		return p.Secret
	}
	return p.Secret[1 : 1+secretKey]
}

// domain is what a FakeTLS connection seems to go to.
func (p Proxy) domain() string { return string(p.Secret[1+secretKey:]) }

// checkSecret finds out whether the secret can be used with the options, and sets the framing that it asks for.
func (p Proxy) checkSecret(o *Options) error {
	if o.DC == 0 {
		return errors.New("DC: must be set for an MTProxy, which connects to it (got 0)")
	}
	n := len(p.Secret)
	switch {
	case n == secretKey:
		if o.Framing == Full {
			return errors.New("framing: must not be full for an MTProxy, whose streams are obfuscated")
		}
		return nil
	case n == 1+secretKey && p.Secret[0] == secretPadded:
	case n > 1+secretKey && n <= 1+secretKey+maxDomain && p.Secret[0] == secretTLS:
	default:
		return fmt.Errorf("secret: must be 16 bytes, dd and 16 bytes, or ee, 16 bytes and a domain of at most %d (got %d bytes)", maxDomain, n)
	}
	o.Framing = PaddedIntermediate
	return nil
}

// silence names the likely reason when an MTProxy ends the connection.
func silence(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: %w", ErrProxySilent, err)
	}
	return err
}

// Where a hello's random bytes stand: after the headers of record and message and the version. They are the same
// place in both directions.
const (
	helloRandom    = recordHeader + 4 + 2
	helloRandomEnd = helloRandom + sha256.Size
)

// maxServerHello bounds all records of the other side's hello, in bytes; real ones have two to six thousand.
const maxServerHello = 1 << 16

// fakeTLS exchanges hellos. Ours proves that we know the secret and when it was made, the answer that the proxy does.
func (h *handshake) fakeTLS(p Proxy, o Options) error {
	hello, err := clientHello(o.Rand, p.domain())
	if err != nil {
		return err
	}
	proof := signHello(hello, p.key(), uint32(o.Now().Unix()))
	if err := h.send(hello); err != nil {
		return err
	}
	answer, err := h.serverHello()
	if err != nil {
		return silence(err)
	}
	if !provesSecret(answer, proof, p.key()) {
		return ErrProxySecret
	}
	return nil
}

// signHello puts the proof in the place of the random bytes, which must be zero: an HMAC of all the hello, its last
// four bytes mixed with the time. It returns the proof.
func signHello(hello, key []byte, now uint32) [sha256.Size]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(hello)
	proof := [sha256.Size]byte(mac.Sum(nil))
	stamp := proof[len(proof)-4:]
	binary.LittleEndian.PutUint32(stamp, binary.LittleEndian.Uint32(stamp)^now)
	copy(hello[helloRandom:], proof[:])
	return proof
}

// serverHello reads the records up to the first data, and no byte more.
func (h *handshake) serverHello() ([]byte, error) {
	var all []byte
	for phase := recordHandshake; phase != recordData; {
		start := len(all)
		all = append(all, make([]byte, recordHeader)...)
		if err := h.receive(all[start:]); err != nil {
			return nil, err
		}
		kind, size := int(all[start]), int(binary.BigEndian.Uint16(all[start+3:]))
		switch {
		case kind == recordAlert:
			return nil, fmt.Errorf("%w (TLS alert)", ErrProxySecret)
		case all[start+1] != 3:
			return nil, fmt.Errorf("%w: no TLS record", ErrProxyProtocol)
		case kind == recordHandshake && phase == recordHandshake:
		case kind == recordChangeCipher && phase == recordHandshake && start > 0, kind == recordData && phase == recordChangeCipher:
			phase = kind
		default:
			return nil, fmt.Errorf("%w: a TLS record of type %#x", ErrProxyProtocol, kind)
		}
		if len(all)+size > maxServerHello {
			return nil, fmt.Errorf("%w: a hello of more than %d bytes", ErrProxyProtocol, maxServerHello)
		}
		if start == 0 && recordHeader+size < helloRandomEnd {
			return nil, fmt.Errorf("%w: a hello of %d bytes", ErrProxyProtocol, size)
		}
		body := len(all)
		all = append(all, make([]byte, size)...)
		if err := h.receive(all[body:]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// provesSecret checks the proof in the other side's hello: an HMAC of our proof and all of the hello, with zeros in its
// place. It changes the hello.
func provesSecret(hello []byte, ours [sha256.Size]byte, key []byte) bool {
	place := hello[helloRandom:helloRandomEnd]
	theirs := [sha256.Size]byte(place)
	clear(place)
	mac := hmac.New(sha256.New, key)
	mac.Write(ours[:])
	mac.Write(hello)
	return hmac.Equal(mac.Sum(nil), theirs[:])
}
