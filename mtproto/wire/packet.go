package wire

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/telefleet/orchestrator/mtproto/ige"
)

// Layout of a packet: auth_key_id 8, msg_key 16, then encrypted: salt 8, session_id 8, one
// message (msg_id 8, seqno 4, length 4, body), padding.
const (
	outerSize     = 8 + 16
	sessionSize   = 8 + 8
	messageHeader = 8 + 4 + 4
	containerHead = 4 + 4
	plainHeader   = sessionSize + messageHeader
	minPlaintext  = plainHeader + MinPadding
)

// MessageOverhead is what a message adds to its body in a container.
const MessageOverhead = messageHeader

// headroom is left free before the first message: a container's header needs all of it, a
// single message the end of it.
const headroom = outerSize + sessionSize + messageHeader + containerHead

// ErrForged says that a packet was not made by a holder of the key. Which check it failed is
// deliberately not said.
var ErrForged = errors.New("packet refused: msg_key does not match")

// Rule is what a packet has broken: a word for counting.
type Rule string

// The rules.
const (
	RuleLength    Rule = "length"
	RulePadding   Rule = "padding"
	RuleSession   Rule = "session"
	RuleMessageID Rule = "message_id"
	RuleTime      Rule = "time"
	RuleContainer Rule = "container"
)

// PacketError is an authentic packet that breaks a rule.
type PacketError struct {
	Rule    Rule
	Problem string
}

// Error implements error.
func (e *PacketError) Error() string { return "packet refused: " + e.Problem }

// Message is one message of a packet. Body aliases the packet.
type Message struct {
	ID    int64
	SeqNo int32
	Body  []byte
}

// NeedsAck reports whether the message is content-related.
func (m Message) NeedsAck() bool { return m.SeqNo&1 == 1 }

// Opened is the content of a packet.
type Opened struct {
	Salt, SessionID int64
	Message
}

// Open decrypts a packet of the server in place and makes checks 1 to 3 of the message checks
// (envelope, msg_key in constant time before anything else is looked at, length and padding).
// Session and message id are for the caller to check. Trailing bytes of a padded transport
// are cut.
func Open(key *Key, frame []byte) (Opened, error) {
	if len(frame) < outerSize+ige.BlockSize {
		return Opened{}, ErrForged // nothing to decrypt, so nothing that timing could tell
	}
	var msgKey [16]byte
	copy(msgKey[:], frame[8:outerSize])
	plaintext := frame[outerSize:]
	plaintext = plaintext[:len(plaintext)&^(ige.BlockSize-1)]
	aesKey, iv := key.cipherKeys(&msgKey, fromServer)
	ige.Decrypt(plaintext, plaintext, &aesKey, &iv)
	want := key.msgKey(plaintext, fromServer)

	authentic := subtle.ConstantTimeCompare(want[:], msgKey[:])
	authentic &= subtle.ConstantTimeCompare(key.ID[:], frame[:8])
	if authentic != 1 {
		return Opened{}, ErrForged
	}
	if len(plaintext) < minPlaintext {
		return Opened{}, &PacketError{Rule: RuleLength, Problem: fmt.Sprintf("%d bytes are too short", len(plaintext))}
	}
	r := NewReader(plaintext)
	p := Opened{Salt: r.Int64(), SessionID: r.Int64()}
	p.ID, p.SeqNo = r.Int64(), r.Int32()
	length := int(r.Int32())
	switch padding := len(r.buf) - length; {
	case length < 0 || length%4 != 0:
		return Opened{}, &PacketError{Rule: RuleLength, Problem: fmt.Sprintf("message length %d", length)}
	case padding < MinPadding || padding > MaxPadding:
		return Opened{}, &PacketError{Rule: RulePadding, Problem: fmt.Sprintf("padding of %d bytes", padding)}
	}
	p.Body = r.Take(length)
	return p, nil
}

// Packet is a packet under construction.
type Packet struct {
	buf   []byte
	open  int // where the message under construction begins
	count int
}

// NewPacket makes an empty packet with room for messages of this many bytes in sum, headers
// included.
func NewPacket(size int) Packet {
	return Packet{buf: make([]byte, headroom, headroom+size+maxOurPadding)}
}

// Count is the number of messages.
func (p *Packet) Count() int { return p.count }

// Begin starts a message; its body is what is appended to Body until End.
func (p *Packet) Begin(id int64, seqNo int32) {
	p.open = len(p.buf)
	p.buf = AppendInt64(p.buf, id)
	p.buf = AppendUint32(p.buf, uint32(seqNo))
	p.buf = AppendUint32(p.buf, 0)
}

// Body is the buffer to append to; give the result to End.
func (p *Packet) Body() []byte { return p.buf }

// End finishes the message.
func (p *Packet) End(body []byte) {
	p.buf = body
	length := len(body) - p.open - messageHeader
	binary.LittleEndian.PutUint32(body[p.open+messageHeader-4:], uint32(length))
	p.count++
}

// Add adds a whole message.
func (p *Packet) Add(m Message) {
	p.Begin(m.ID, m.SeqNo)
	p.End(append(p.Body(), m.Body...))
}

// Wrap says that the messages become a container with this id; otherwise the packet must
// have exactly one message. It is the last step before Seal.
func (p *Packet) Wrap(id int64, seqNo int32) {
	head := p.buf[headroom-containerHead-messageHeader : headroom]
	binary.LittleEndian.PutUint64(head, uint64(id))
	binary.LittleEndian.PutUint32(head[8:], uint32(seqNo))
	binary.LittleEndian.PutUint32(head[12:], uint32(len(p.buf)-headroom+containerHead))
	binary.LittleEndian.PutUint32(head[16:], IDMsgContainer)
	binary.LittleEndian.PutUint32(head[20:], uint32(p.count))
	p.open = 0
}

// maxOurPadding: 12 to 27 bytes to the next block, and up to 15 blocks more at random, so
// that the length of a packet says little about its content.
const maxOurPadding = 27 + 15*ige.BlockSize

// Seal pads and encrypts the packet in place and returns the transport payload.
func (p *Packet) Seal(key *Key, salt, sessionID int64, rand io.Reader) ([]byte, error) {
	start := 0
	if p.open != 0 { // not wrapped: the message's own header is the packet's
		start = containerHead + messageHeader
	}
	frame := p.buf[start:]
	binary.LittleEndian.PutUint64(frame[outerSize:], uint64(salt))
	binary.LittleEndian.PutUint64(frame[outerSize+8:], uint64(sessionID))
	frame, err := pad(frame, rand)
	if err != nil {
		return nil, err
	}
	plaintext := frame[outerSize:]
	msgKey := key.msgKey(plaintext, fromClient)
	aesKey, iv := key.cipherKeys(&msgKey, fromClient)
	ige.Encrypt(plaintext, plaintext, &aesKey, &iv)
	copy(frame, key.ID[:])
	copy(frame[8:], msgKey[:])
	return frame, nil
}

func pad(frame []byte, rand io.Reader) ([]byte, error) {
	end := len(frame)
	frame = append(frame, 0)
	if _, err := io.ReadFull(rand, frame[end:]); err != nil {
		return nil, fmt.Errorf("read entropy: %w", err)
	}
	blocks := int(frame[end] & 15)
	n := ige.BlockSize - (end-outerSize)%ige.BlockSize
	if n < MinPadding {
		n += ige.BlockSize
	}
	n += blocks * ige.BlockSize
	frame = append(frame[:end], make([]byte, n)...)
	if _, err := io.ReadFull(rand, frame[end:]); err != nil {
		return nil, fmt.Errorf("read entropy: %w", err)
	}
	return frame, nil
}
