package mtserver

import (
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"

	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

// Constructor ids of the MTProto schema that have no type in gotd's mt, or whose bytes
// are written by hand here.
const (
	idContainer       = 0x73f1f8dc
	idGzip            = packing.ID
	idMsgCopy         = 0xe06046b2
	idRPCResult       = 0xf35c6d01
	idRPCError        = 0x2144ca19
	idMsgsAck         = 0x62d6b459
	idBadMsg          = 0xa7eff811
	idBadSalt         = 0xedab447b
	idResendAnswers   = 0x8610baeb
	idDestroyKey      = 0xd1435160
	idDestroyKeyOK    = 0xf660e1d4
	idPong            = 0x347773c5
	idNewSession      = 0x9ec20908
	idStateInfo       = 0x04deb57d
	idAllInfo         = 0x8cc0d131
	idDetailedInfo    = 0x276d3ec6
	idNewDetailedInfo = 0x809db6df
	idBoolTrue        = 0x997275b5
	idUpdatesTooLong  = 0xe317af7e
	idVector          = 0x1cb5c415
)

var (
	errPacket    = errors.New("malformed packet")
	errMsgKey    = errors.New("msg_key does not match")
	errContainer = errors.New("malformed container")
	errTooMany   = errors.New("more messages or ids than allowed")
)

// packet is a decrypted message with its header, section "Encrypted Message" of
// core.telegram.org/mtproto/description.
type packet struct {
	salt, session int64
	message
	token uint32 // of a quick acknowledgement
}

// message is one message of a packet or container.
type message struct {
	id   int64
	seq  int32
	body []byte
}

// openPacket decrypts what a client sent. The msg_key is compared before anything else is
// believed.
func openPacket(key *crypto.Key, frame []byte) (packet, error) {
	if len(frame) < 24 {
		return packet{}, errPacket
	}
	data := frame[24 : len(frame)-(len(frame)-24)%16] // cut transport padding
	if len(data) < 48 {
		return packet{}, errPacket
	}
	var msgKey bin.Int128
	copy(msgKey[:], frame[8:24])
	k, iv := crypto.Keys(*key, msgKey, crypto.Client)
	plain := make([]byte, len(data))
	ige.DecryptAES256Blocks(k[:], iv[:], plain, data)

	h := sha256.New()
	h.Write(key[88:120])
	h.Write(plain)
	large := h.Sum(nil)
	if subtle.ConstantTimeCompare(large[8:24], msgKey[:]) != 1 {
		return packet{}, errMsgKey
	}
	p := packet{
		salt:    int64(binary.LittleEndian.Uint64(plain)),
		session: int64(binary.LittleEndian.Uint64(plain[8:])),
		message: message{
			id:  int64(binary.LittleEndian.Uint64(plain[16:])),
			seq: int32(binary.LittleEndian.Uint32(plain[24:])),
		},
		token: binary.LittleEndian.Uint32(large) | 1<<31,
	}
	n := int(int32(binary.LittleEndian.Uint32(plain[28:])))
	padding := len(plain) - 32 - n
	if n < 4 || n%4 != 0 || padding < minPadding || padding > maxPadding {
		return packet{}, fmt.Errorf("%w: length %d, padding %d", errPacket, n, padding)
	}
	p.body = plain[32 : 32+n]
	return p, nil
}

// sealPacket encrypts a packet for the client. padding is 0 for a lawful one that is
// drawn here, else an unlawful one of about that length.
func sealPacket(key *authKey, p packet, padding int, rnd io.Reader) ([]byte, error) {
	n := 32 + len(p.body)
	if padding == 0 {
		padding = minPadding + (16-(n+minPadding)%16)%16
	} else {
		padding = unlawfulPadding(n, padding)
	}
	plain := make([]byte, 0, n+padding)
	plain = binary.LittleEndian.AppendUint64(plain, uint64(p.salt))
	plain = binary.LittleEndian.AppendUint64(plain, uint64(p.session))
	plain = binary.LittleEndian.AppendUint64(plain, uint64(p.id))
	plain = binary.LittleEndian.AppendUint32(plain, uint32(p.seq))
	plain = binary.LittleEndian.AppendUint32(plain, uint32(len(p.body)))
	plain = append(plain, p.body...)
	plain = plain[:n+padding]
	if _, err := io.ReadFull(rnd, plain[n:]); err != nil {
		return nil, fmt.Errorf("draw padding: %w", err)
	}
	msgKey := crypto.MessageKey(key.value, plain, crypto.Server)
	k, iv := crypto.Keys(key.value, msgKey, crypto.Server)
	out := make([]byte, 24+len(plain))
	binary.LittleEndian.PutUint64(out, uint64(key.id))
	copy(out[8:24], msgKey[:])
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, fmt.Errorf("encrypt packet: %w", err)
	}
	ige.EncryptBlocks(block, iv[:], out[24:], plain)
	return out, nil
}

// unlawfulPadding is the padding nearest to want that fills the last block and is too short or
// too long.
func unlawfulPadding(n, want int) int {
	rest := (16 - n%16) % 16
	switch {
	case want < minPadding && rest < minPadding:
		return rest
	case rest == 0:
		return maxPadding + 16
	}
	return maxPadding + rest
}

func constructorOf(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// parseContainer splits a msg_container.
func parseContainer(body []byte) ([]message, error) {
	b := &bin.Buffer{Buf: body}
	if err := b.ConsumeID(idContainer); err != nil {
		return nil, errContainer
	}
	count, err := b.Int32()
	if err != nil || count < 0 {
		return nil, errContainer
	}
	if count > maxContainer {
		return make([]message, 0), errTooMany
	}
	ms := make([]message, 0, count)
	for range count {
		if b.Len() < 16 {
			return nil, errContainer
		}
		id, _ := b.Long()
		seq, _ := b.Int32()
		n, _ := b.Int32()
		if n < 4 || n%4 != 0 || int(n) > b.Len() {
			return nil, errContainer
		}
		ms = append(ms, message{id: id, seq: seq, body: b.Buf[:n:n]})
		b.Skip(int(n))
	}
	if b.Len() != 0 {
		return nil, errContainer
	}
	return ms, nil
}

func encodeContainer(ms []message) []byte {
	n := 8
	for _, m := range ms {
		n += 16 + len(m.body)
	}
	b := make([]byte, 0, n)
	b = binary.LittleEndian.AppendUint32(b, idContainer)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ms)))
	for _, m := range ms {
		b = binary.LittleEndian.AppendUint64(b, uint64(m.id))
		b = binary.LittleEndian.AppendUint32(b, uint32(m.seq))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(m.body)))
		b = append(b, m.body...)
	}
	return b
}

func encodeRPCError(code int, message string) []byte {
	b := &bin.Buffer{}
	b.PutID(idRPCError)
	b.PutInt(code)
	b.PutString(message)
	return b.Buf
}

func encodeRPCResult(reqID int64, result []byte) []byte {
	b := make([]byte, 0, 12+len(result))
	b = binary.LittleEndian.AppendUint32(b, idRPCResult)
	b = binary.LittleEndian.AppendUint64(b, uint64(reqID))
	return append(b, result...)
}

// encodeIDs writes a constructor and a Vector<long>.
func encodeIDs(constructor uint32, ids ...int64) []byte {
	b := &bin.Buffer{}
	b.PutID(constructor)
	b.PutID(idVector)
	b.PutInt(len(ids))
	for _, id := range ids {
		b.PutLong(id)
	}
	return b.Buf
}

// decodeIDs reads the Vector<long> behind a constructor.
func decodeIDs(body []byte) ([]int64, error) {
	b := &bin.Buffer{Buf: body[4:]}
	if err := b.ConsumeID(idVector); err != nil {
		return nil, errPacket
	}
	n, err := b.Int32()
	if err != nil || n < 0 || int(n)*8 > b.Len() {
		return nil, errPacket
	}
	if n > maxIDs {
		return nil, errTooMany
	}
	ids := make([]int64, n)
	for i := range ids {
		ids[i], _ = b.Long()
	}
	return ids, nil
}
