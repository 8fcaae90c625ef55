package wire

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/telefleet/orchestrator/mtproto/ige"
)

// Layout of a binding message: random 16, msg_id 8, seqno 4, length 4, bind_auth_key_inner 40,
// padding to a block.
const (
	bindingRandom = 16
	bindingInner  = 4 + 4*8 + 4
	bindingSize   = bindingRandom + messageHeader + bindingInner
	bindingBlocks = (bindingSize + ige.BlockSize - 1) &^ (ige.BlockSize - 1)
)

// Binding says that a temporary key serves a permanent one until a time
// (bind_auth_key_inner, core.telegram.org/method/auth.bindTempAuthKey).
type Binding struct {
	Nonce     int64
	TempID    int64 // of the temporary key
	SessionID int64 // the session in which it is sent
	ExpiresAt int32 // Unix time of the server
}

// AppendBind appends the query auth.bindTempAuthKey for the message that will carry it. What it holds
// is encrypted under the permanent key in the way of MTProto 1 and names that message.
func AppendBind(b []byte, permanent *Key, msgID int64, in Binding, rand io.Reader) ([]byte, error) {
	message, err := permanent.sealBinding(msgID, in, rand)
	if err != nil {
		return nil, err
	}
	b = AppendUint32(b, IDBindTempAuthKey)
	b = AppendInt64(b, permanent.IntID())
	b = AppendInt64(b, in.Nonce)
	b = AppendUint32(b, uint32(in.ExpiresAt))
	return AppendBytes(b, message), nil
}

// sealBinding is the encrypted_message: key id, msg_key, ciphertext.
func (k *Key) sealBinding(msgID int64, in Binding, rand io.Reader) ([]byte, error) {
	frame := make([]byte, outerSize+bindingBlocks)
	plain := frame[outerSize:]
	for _, random := range [][]byte{plain[:bindingRandom], plain[bindingSize:]} {
		if _, err := io.ReadFull(rand, random); err != nil {
			return nil, fmt.Errorf("read entropy: %w", err)
		}
	}
	b := AppendInt64(plain[:bindingRandom], msgID)
	b = AppendUint32(b, 0) // seqno
	b = AppendUint32(b, bindingInner)
	b = AppendUint32(b, IDBindAuthKeyInner)
	b = AppendInt64(b, in.Nonce)
	b = AppendInt64(b, in.TempID)
	b = AppendInt64(b, k.IntID())
	b = AppendInt64(b, in.SessionID)
	AppendUint32(b, uint32(in.ExpiresAt))

	msgKey := msgKeyV1(plain[:bindingSize])
	aesKey, iv := k.cipherKeysV1(&msgKey)
	ige.Encrypt(plain, plain, &aesKey, &iv)
	copy(frame, k.ID[:])
	copy(frame[len(k.ID):], msgKey[:])
	return frame, nil
}

// IntID is the id of the key as a long.
func (k *Key) IntID() int64 { return int64(binary.LittleEndian.Uint64(k.ID[:])) }

// msgKeyV1 is the lower part of the plaintext's hash, without padding
// (core.telegram.org/mtproto/description_v1).
func msgKeyV1(plaintext []byte) [16]byte {
	sum := sha1.Sum(plaintext)
	return [16]byte(sum[4:])
}

// cipherKeysV1 derives the AES key and IV of a client's message in MTProto 1
// (core.telegram.org/mtproto/description_v1, "Defining AES Key and Initialization Vector").
func (k *Key) cipherKeysV1(msgKey *[16]byte) (key, iv [32]byte) {
	hash := func(parts ...[]byte) [sha1.Size]byte {
		var in [48]byte
		b := in[:0]
		for _, p := range parts {
			b = append(b, p...)
		}
		return sha1.Sum(b)
	}
	m, v := msgKey[:], k.Value[:]
	a := hash(m, v[0:32])
	b := hash(v[32:48], m, v[48:64])
	c := hash(v[64:96], m)
	d := hash(m, v[96:128])
	copy(key[:8], a[:8])
	copy(key[8:20], b[8:20])
	copy(key[20:], c[4:16])
	copy(iv[:12], a[8:20])
	copy(iv[12:20], b[:8])
	copy(iv[20:24], c[16:20])
	copy(iv[24:], d[:8])
	return key, iv
}
