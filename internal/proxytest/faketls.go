package proxytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// Types of TLS records (RFC 8446, 5.1).
const (
	recordCipher    = 0x14
	recordHandshake = 0x16
	recordData      = 0x17
)

// AcceptFakeTLS is the server half of FakeTLS: it reads the hello of a client, checks that it knows
// the key of 16 bytes, names the domain and was made within a minute of now, and answers it. What it
// returns takes records off and puts them on, of an odd length when it writes.
func AcceptFakeTLS(nc net.Conn, key []byte, domain string, now time.Time) (io.ReadWriter, error) {
	hello := make([]byte, 5)
	if _, err := io.ReadFull(nc, hello); err != nil {
		return nil, err
	}
	hello = append(hello, make([]byte, binary.BigEndian.Uint16(hello[3:]))...)
	if _, err := io.ReadFull(nc, hello[5:]); err != nil {
		return nil, err
	}
	random, err := CheckHello(hello, key, domain, now)
	if err != nil {
		return nil, err
	}
	body := append([]byte{2, 0, 0, 118, 3, 3}, make([]byte, 32)...)
	body = append(append(append(body, 32), hello[44:76]...), make([]byte, 122-len(body)-33)...)
	answer := append([]byte{recordHandshake, 3, 3, 0, byte(len(body))}, body...)
	answer = append(answer, recordCipher, 3, 3, 0, 1, 1, recordData, 3, 3, 0x0b, 0x00)
	junk := make([]byte, 0x0b00)
	_, _ = rand.Read(junk)
	answer = append(answer, junk...)
	mac := hmac.New(sha256.New, key)
	mac.Write(random)
	mac.Write(answer)
	copy(answer[11:43], mac.Sum(nil))
	if _, err := nc.Write(answer); err != nil {
		return nil, err
	}
	return &fakeTLS{nc: nc}, nil
}

// CheckHello does what MTProxy servers do with a hello and returns its random bytes.
func CheckHello(hello, key []byte, domain string, now time.Time) ([]byte, error) {
	random := bytes.Clone(hello[11:43])
	clear(hello[11:43])
	mac := hmac.New(sha256.New, key)
	mac.Write(hello)
	sum := mac.Sum(nil)
	copy(hello[11:43], random)
	made := int64(binary.LittleEndian.Uint32(sum[28:]) ^ binary.LittleEndian.Uint32(random[28:]))
	switch {
	case !bytes.Equal(sum[:28], random[:28]):
		return nil, errors.New("the hello is not signed with the secret")
	case made < now.Unix()-60 || made > now.Unix()+60:
		return nil, fmt.Errorf("the hello was made at %d, it is %d", made, now.Unix())
	case hello[43] != 32 || hello[78]&0x0f != 0x0a || hello[80] != 0x13:
		return nil, errors.New("the hello is not built as servers expect it")
	case !bytes.Contains(hello, []byte(domain)):
		return nil, errors.New("the hello does not name the domain")
	}
	return random, nil
}

// fakeTLS reads and writes records, of an odd length when it writes.
type fakeTLS struct {
	nc    net.Conn
	left  int
	begun bool
}

func (s *fakeTLS) Read(b []byte) (int, error) {
	for s.left == 0 {
		header := make([]byte, 5)
		if _, err := io.ReadFull(s.nc, header); err != nil {
			return 0, err
		}
		s.left = int(binary.BigEndian.Uint16(header[3:]))
		switch {
		case header[0] == recordCipher && !s.begun:
			if _, err := io.ReadFull(s.nc, make([]byte, s.left)); err != nil {
				return 0, err
			}
			s.left = 0
		case header[0] != recordData || s.left > 1<<14:
			return 0, fmt.Errorf("record %x", header)
		}
		s.begun = true
	}
	n, err := s.nc.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

func (s *fakeTLS) Write(b []byte) (int, error) {
	var out []byte
	for part := range slices.Chunk(b, 1234) {
		out = append(binary.BigEndian.AppendUint16(append(out, recordData, 3, 3), uint16(len(part))), part...)
	}
	if _, err := s.nc.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
