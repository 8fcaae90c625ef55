package mtserver

import (
	"crypto/aes"
	"encoding/binary"
	"time"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
)

// bind answers auth.bindTempAuthKey, see core.telegram.org/api/pfs. The lock of the
// temporary key is held.
func (k *authKey) bind(call *Call, now time.Time) []byte {
	if code, text := k.srv.faults.refuse(call); code != 0 {
		return encodeRPCError(code, text)
	}
	b := &bin.Buffer{Buf: call.Body[4:]}
	permID, err1 := b.Long()
	nonce, err2 := b.Long()
	expiresAt, err3 := b.Int()
	encrypted, err4 := b.Bytes()
	switch {
	case err1 != nil || err2 != nil || err3 != nil || err4 != nil:
		return encodeRPCError(400, "INPUT_REQUEST_INVALID")
	case !k.temp:
		return encodeRPCError(400, "TEMP_AUTH_KEY_EMPTY")
	case int64(expiresAt) <= now.Unix():
		return encodeRPCError(400, "EXPIRES_AT_INVALID")
	}
	perm := k.srv.lookup(k.dc, permID)
	if perm == nil || perm.temp {
		return encodeRPCError(400, "ENCRYPTED_MESSAGE_INVALID")
	}
	inner, ok := openBinding(perm, encrypted, call.MsgID)
	if !ok || inner.Nonce != nonce || inner.TempAuthKeyID != k.id || inner.PermAuthKeyID != permID ||
		inner.TempSessionID != call.SessionID || inner.ExpiresAt != expiresAt {
		return encodeRPCError(400, "ENCRYPTED_MESSAGE_INVALID")
	}
	perm.mu.Lock()
	defer perm.mu.Unlock()
	if perm.dead(now) {
		return encodeRPCError(400, "ENCRYPTED_MESSAGE_INVALID")
	}
	perm.bound = k // a former temporary key is overwritten
	k.perm = perm
	k.expires = time.Unix(int64(expiresAt), 0)
	return binary.LittleEndian.AppendUint32(nil, idBoolTrue)
}

// openBinding decrypts bind_auth_key_inner, which is encrypted in the way of MTProto 1.
func openBinding(perm *authKey, encrypted []byte, msgID int64) (inner crypto.BindAuthKeyInner, ok bool) {
	if len(encrypted) < 24+80 || (len(encrypted)-24)%16 != 0 ||
		int64(binary.LittleEndian.Uint64(encrypted)) != perm.id {
		return inner, false
	}
	var msgKey bin.Int128
	copy(msgKey[:], encrypted[8:24])
	key, iv := crypto.KeysV1(perm.value, msgKey)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return inner, false
	}
	plain := make([]byte, len(encrypted)-24)
	ige.DecryptBlocks(block, iv[:], plain, encrypted[24:])
	if crypto.MessageKeyV1(plain[:72]) != msgKey ||
		int64(binary.LittleEndian.Uint64(plain[16:])) != msgID ||
		binary.LittleEndian.Uint32(plain[24:]) != 0 || binary.LittleEndian.Uint32(plain[28:]) != 40 {
		return inner, false
	}
	return inner, inner.Decode(&bin.Buffer{Buf: plain[32:72]}) == nil
}
