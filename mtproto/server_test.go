package mtproto

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
)

// serverCodec is the server's half of the encryption, by gotd's code: what our own code
// misunderstands would not pass here.
type serverCodec struct {
	key       crypto.AuthKey
	salt      int64
	sessionID int64
}

func newServerCodec(key [256]byte, sessionID int64) *serverCodec {
	return &serverCodec{key: crypto.Key(key).WithID(), sessionID: sessionID, salt: 1}
}

// flaw is what is wrong with a packet, for tests of the message checks.
type flaw struct {
	padding   int // bytes; 0: as usual
	sessionID int64
	length    int // instead of the body's
	setLength bool
}

func (c *serverCodec) encrypt(m proto.Message, f flaw) []byte {
	session := c.sessionID
	if f.sessionID != 0 {
		session = f.sessionID
	}
	length := len(m.Body)
	if f.setLength {
		length = f.length
	}
	b := &bin.Buffer{}
	b.PutLong(c.salt)
	b.PutLong(session)
	b.PutLong(m.ID)
	b.PutInt(m.SeqNo)
	b.PutInt(length)
	b.Put(m.Body)
	padding := f.padding
	if padding == 0 {
		padding = 16 + (16-b.Len()%16)%16
	}
	b.Put(bytes.Repeat([]byte{0xaa}, padding))
	return c.seal(b.Buf)
}

// seal encrypts any plaintext of whole blocks.
func (c *serverCodec) seal(plaintext []byte) []byte {
	if len(plaintext)%16 != 0 {
		panic(fmt.Sprintf("%d bytes are not full blocks", len(plaintext)))
	}
	msgKey := crypto.MessageKey(c.key.Value, plaintext, crypto.Server)
	key, iv := crypto.Keys(c.key.Value, msgKey, crypto.Server)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	frame := append(append([]byte(nil), c.key.ID[:]...), msgKey[:]...)
	frame = append(frame, plaintext...)
	ige.EncryptBlocks(block, iv[:], frame[24:], plaintext)
	return frame
}

// clientPacket is what the client sent.
type clientPacket struct {
	salt, sessionID int64
	container       *proto.Message // nil: a single message
	messages        []proto.Message
}

func (c *serverCodec) decrypt(frame []byte) (clientPacket, error) {
	data, err := crypto.NewServerCipher(nil).DecryptFromBuffer(c.key, &bin.Buffer{Buf: frame})
	if err != nil {
		return clientPacket{}, err
	}
	if padding := len(data.MessageDataWithPadding) - int(data.MessageDataLen); padding < 12 || padding > 1024 {
		return clientPacket{}, fmt.Errorf("padding of %d bytes", padding)
	}
	p := clientPacket{salt: data.Salt, sessionID: data.SessionID}
	outer := proto.Message{ID: data.MessageID, SeqNo: int(data.SeqNo), Bytes: int(data.MessageDataLen), Body: data.Data()}
	b := &bin.Buffer{Buf: outer.Body}
	if id, _ := b.PeekID(); id != proto.MessageContainerTypeID {
		p.messages = []proto.Message{outer}
		return p, nil
	}
	var container proto.MessageContainer
	if err := container.Decode(b); err != nil {
		return clientPacket{}, err
	}
	if b.Len() != 0 {
		return clientPacket{}, errors.New("bytes after the container")
	}
	p.container, p.messages = &outer, container.Messages
	return p, nil
}

func encodeTL(object bin.Encoder) []byte {
	b := &bin.Buffer{}
	if err := object.Encode(b); err != nil {
		panic(err)
	}
	return b.Buf
}

const idResendAnswers = 0x8610baeb // msg_resend_ans_req, which gotd does not have

// The API objects of the tests: a constructor and a text.
const (
	idQuery  = 0x11111111
	idAnswer = 0x22222222
	idUpdate = 0x33333333
)

func textObject(id uint32, text string) []byte {
	b := &bin.Buffer{}
	b.PutID(id)
	b.PutString(text)
	return b.Buf
}

func readText(object []byte) (id uint32, text string) {
	b := &bin.Buffer{Buf: object}
	id, _ = b.ID()
	text, err := b.String()
	if err != nil {
		return id, fmt.Sprintf("%x", object)
	}
	return id, text
}

func rpcResult(req int64, object []byte) []byte {
	b := &bin.Buffer{}
	b.PutID(mt.RPCResultTypeID)
	b.PutLong(req)
	b.Put(object)
	return b.Buf
}

func container(messages ...proto.Message) []byte {
	for i := range messages {
		messages[i].Bytes = len(messages[i].Body)
	}
	return encodeTL(&proto.MessageContainer{Messages: messages})
}

func packed(object []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(object)
	_ = w.Close()
	return encodeTL(&mt.GzipPacked{PackedData: out.Bytes()})
}

// testKey is no secret.
func testKey() (key [256]byte) {
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

// zeroRand makes the shortest padding and known ids.
type zeroRand struct{}

func (zeroRand) Read(p []byte) (int, error) { clear(p); return len(p), nil }

var testStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const testSession = 0x5e5510

func testConfig() Config {
	return Config{
		Key:       new(testKey()),
		SessionID: testSession,
		Rand:      zeroRand{},
		Salts: []Salt{{
			Value: 1, ValidSince: testStart.Add(-time.Hour).Unix(), ValidUntil: testStart.Add(24 * time.Hour).Unix(),
		}},
	}
}

func newTestEngine(tb testing.TB) *Engine {
	tb.Helper()
	e, err := New(testConfig())
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// serverID makes a message id of the server: of an answer, or of anything else.
func serverID(at time.Time, n int, answer bool) int64 {
	id := at.Unix()<<32 | int64(n)<<4
	if answer {
		return id | 1
	}
	return id | 3
}

func constructor(object []byte) uint32 {
	if len(object) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(object)
}
