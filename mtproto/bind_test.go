package mtproto

import (
	"bytes"
	"crypto/aes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/proto"
)

// permanentKey is what Bind binds to in scenarios.
var permanentKey = [256]byte{0: 1, 255: 2}

// describeBind opens the query of a Bind as a server does, by gotd's code, and says what is wrong.
func (s *scenario) describeBind(m proto.Message) string {
	b := &bin.Buffer{Buf: m.Body[4:]}
	permID, err1 := b.Long()
	nonce, err2 := b.Long()
	expires, err3 := b.Int()
	sealed, err4 := b.Bytes()
	s.must(errors.Join(err1, err2, err3, err4))
	if len(m.Body) != bindSize || b.Len() != 0 {
		return fmt.Sprintf("bind_temp_auth_key of %d bytes", len(m.Body))
	}
	perm := crypto.Key(permanentKey).WithID()
	if permID != perm.IntID() || !bytes.Equal(sealed[:8], perm.ID[:]) {
		return "bind_temp_auth_key to another key"
	}
	key, iv := crypto.KeysV1(perm.Value, bin.Int128(sealed[8:24]))
	block, err := aes.NewCipher(key[:])
	s.must(err)
	plain := make([]byte, len(sealed)-24)
	ige.DecryptBlocks(block, iv[:], plain, sealed[24:])
	head := &bin.Buffer{Buf: plain[16:32]}
	id, _ := head.Long()
	seq, _ := head.Int()
	size, _ := head.Int()
	var inner crypto.BindAuthKeyInner
	s.must(inner.Decode(&bin.Buffer{Buf: plain[32:72]}))
	want := crypto.BindAuthKeyInner{
		Nonce: nonce, TempAuthKeyID: s.server.key.IntID(), PermAuthKeyID: permID, TempSessionID: s.server.sessionID, ExpiresAt: expires,
	}
	if id != m.ID || seq != 0 || size != 40 || inner != want || crypto.MessageKeyV1(plain[:72]) != bin.Int128(sealed[8:24]) {
		return fmt.Sprintf("bind_temp_auth_key of message %d, seqno %d, length %d: %+v", id, seq, size, inner)
	}
	return fmt.Sprintf("bind_temp_auth_key until %v", time.Unix(int64(expires), 0).Sub(s.now))
}

// TestPFSBindWithoutEntropyEndsTheCall: a binding that cannot be made ends its call, and nothing else.
func TestPFSBindWithoutEntropyEndsTheCall(t *testing.T) {
	cfg := testConfig()
	cfg.Rand = &failing{left: 16} // for the session id and the ping id
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Step(testStart, SocketUp{})
	e.Step(testStart, Bind{ID: 1, Permanent: &permanentKey, ExpiresAt: testStart.Add(time.Hour)})
	var done *CallDone
	for _, effect := range e.Step(testStart, Flush{}) {
		if d, ok := effect.(CallDone); ok {
			done = &d
		}
	}
	if done == nil || done.ID != 1 || !errors.Is(done.Err, errNoEntropy) {
		t.Errorf("call done: %+v", done)
	}
}

func TestBindHidesItsKey(t *testing.T) {
	in := Bind{ID: 1, Permanent: &permanentKey}
	for _, text := range []string{fmt.Sprintf("%v", in), fmt.Sprintf("%+v", in), fmt.Sprintf("%#v", in)} {
		if text != "mtproto.Bind(redacted)" {
			t.Errorf("printed %s", text)
		}
	}
}

var errNoEntropy = errors.New("no entropy")

// failing is a source that ends.
type failing struct{ left int }

func (f *failing) Read(b []byte) (int, error) {
	if len(b) > f.left {
		return 0, errNoEntropy
	}
	f.left -= len(b)
	return len(b), nil
}
