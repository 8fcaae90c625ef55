package transport

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	// maxPadding is the most random bytes that follow a payload in the padded intermediate framing.
	maxPadding = 15
	// encryptedHead is the part of an encrypted message before its blocks: auth_key_id and msg_key. It is also longer
	// than any notice of the server (below) with its padding and shorter than any message.
	encryptedHead = 24
	// plainHead is the part of an unencrypted message before its body: auth_key_id 0, msg_id and the body's length.
	plainHead = 20
	// blockSize is what encrypted messages are a multiple of, after their head.
	blockSize = 16

	// noticeNothing and noticeQuickAck are the notices that no machine above needs.
	noticeNothing  = 0
	noticeQuickAck = 1<<32 - 1
)

// appendPadded appends one packet: length, payload and 0 to maxPadding random bytes. One draw gives both the padding
// and, by its last byte, the length of it.
func (out *writer) appendPadded(buf, payload []byte) ([]byte, error) {
	start := len(buf)
	end := start + 4 + len(payload)
	buf = append(append(buf, 0, 0, 0, 0), payload...)
	buf = buf[:end+maxPadding+1]
	if _, err := io.ReadFull(out.rand, buf[end:]); err != nil {
		return nil, fmt.Errorf("read entropy: %w", err)
	}
	padding := int(buf[end+maxPadding]) % (maxPadding + 1)
	buf = buf[:end+padding]
	binary.LittleEndian.PutUint32(buf[start:], uint32(len(payload)+padding))
	return buf, nil
}

// unpad takes the padding off a packet. Nothing on the wire says how long it is: what MTProto puts into packets does.
// It returns nil for a notice that needs no attention.
func unpad(frame []byte) ([]byte, error) {
	if len(frame) < 4 {
		return nil, fmt.Errorf("%w: %d bytes hold no message", ErrFrame, len(frame))
	}
	if len(frame) < encryptedHead { // a notice: a transport error, a quick acknowledgement or nothing
		switch binary.LittleEndian.Uint32(frame) {
		case noticeNothing, noticeQuickAck:
			return nil, nil
		}
		return frame[:4], nil
	}
	if binary.LittleEndian.Uint64(frame) != 0 {
		return frame[:len(frame)-(len(frame)-encryptedHead)%blockSize], nil
	}
	body := binary.LittleEndian.Uint32(frame[plainHead-4:])
	if excess := int64(len(frame)-plainHead) - int64(body); excess < 0 || excess > maxPadding {
		return nil, fmt.Errorf("%w: an unencrypted body of %d bytes in a packet of %d", ErrFrame, body, len(frame))
	}
	return frame[:plainHead+int(body)], nil
}
