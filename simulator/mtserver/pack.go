package mtserver

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/gotd/td/bin"
)

// sealing is a packet that is ready to be encrypted, lawful or not.
type sealing struct {
	packet  packet
	padding int  // 0: lawful
	flip    bool // spoil the msg_key
	times   int
}

// pack turns messages of one session into packets: those that wait together share
// containers, and now and then a single one gets a container, too.
func (k *authKey) pack(c *conn, s *session, queue []queued) []sealing {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.srv.cfg.Now()
	live := make([]message, 0, len(queue))
	for _, q := range queue {
		if q.m.gone || q.m.queuedOn != c || !q.m.sentAt.IsZero() {
			continue
		}
		q.m.sentAt = now
		live = append(live, message{id: q.m.id, seq: q.m.seq, body: q.m.body})
	}
	var out []sealing
	for len(live) > 0 {
		n, size := 1, len(live[0].body)
		for n < len(live) && n < containerMessages && size+len(live[n].body) <= containerBytes {
			size += len(live[n].body)
			n++
		}
		if fault, ok := k.srv.faults.take(k.identity(), faultWrongSession, faultFutureID); ok {
			out = append(out, k.spoil(s, live[:n], fault, now)...)
		} else {
			out = append(out, k.wrap(s, live[:n], n > 1 || k.srv.faults.chance(k.srv.cfg.Pack), now))
		}
		live = live[n:]
	}
	return out
}

func (k *authKey) wrap(s *session, ms []message, container bool, now time.Time) sealing {
	p := packet{salt: k.currentSalt(now), session: s.id, message: ms[0]}
	if container {
		p.message = message{id: s.nextID(false), seq: s.content * 2, body: encodeContainer(ms)}
	}
	return sealing{packet: p, times: 1}
}

// spoil breaks a rule with or before these messages.
func (k *authKey) spoil(s *session, ms []message, fault Fault, now time.Time) []sealing {
	lawful := k.wrap(s, ms, len(ms) > 1, now)
	switch fault.kind {
	case faultWrongSession:
		lawful.packet.session ^= 1
	case faultBadMsgKey:
		lawful.flip = true
	case faultTwice:
		lawful.times = 2
	case faultPadding:
		return []sealing{k.spoilPadding(s, ms, fault.code, now)}
	case faultNested:
		inner := message{id: s.nextID(false), seq: s.content * 2, body: encodeContainer(ms)}
		return []sealing{k.wrap(s, []message{inner}, true, now)}
	case faultHuge:
		for len(ms) <= maxContainer {
			ms = append(ms, message{id: s.nextID(true), seq: s.content * 2, body: encodePong(0, 0)})
		}
		return []sealing{k.wrap(s, ms, true, now)}
	case faultBomb:
		return []sealing{k.extra(s, s.nextID(false), bomb(), now), k.wrap(s, ms, len(ms) > 1, now)}
	case faultStaleID:
		id := msgIDAt(now.Add(-400*time.Second))&^3 | 3
		return []sealing{k.extra(s, id, encodeTooLong(), now), lawful}
	case faultFutureID:
		id := msgIDAt(now.Add(100*time.Second))&^3 | 3
		return []sealing{k.extra(s, id, encodeTooLong(), now), lawful}
	}
	return []sealing{lawful}
}

// extra is a content-related message that nobody will send again.
func (k *authKey) extra(s *session, id int64, body []byte, now time.Time) sealing {
	m := message{id: id, seq: s.content*2 + 1, body: body}
	s.content++
	return k.wrap(s, []message{m}, false, now)
}

// spoilPadding pads by exactly n bytes. The length of a packet is a multiple of 16, so a
// container and an empty acknowledgement make the content fit.
func (k *authKey) spoilPadding(s *session, ms []message, n int, now time.Time) sealing {
	fits := func(p sealing) bool { return (32+len(p.packet.body)+n)%16 == 0 }
	plain := k.wrap(s, ms, len(ms) > 1, now)
	if !fits(plain) {
		plain = k.wrap(s, ms, true, now)
	}
	for ids := []int64(nil); !fits(plain) && len(ids) < 4; ids = append(ids, 0) {
		filler := message{id: s.nextID(false), seq: s.content * 2, body: encodeIDs(idMsgsAck, ids...)}
		plain = k.wrap(s, append(ms[:len(ms):len(ms)], filler), true, now)
	}
	plain.padding = n
	return plain
}

func encodePong(msgID, pingID int64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, idPong)
	b = binary.LittleEndian.AppendUint64(b, uint64(msgID))
	return binary.LittleEndian.AppendUint64(b, uint64(pingID))
}

func encodeTooLong() []byte { return binary.LittleEndian.AppendUint32(nil, idUpdatesTooLong) }

// bomb is gzip_packed with 64 MiB of zeros.
var bomb = sync.OnceValue(func() []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.CopyN(w, zeros{}, 64<<20) // a bytes.Buffer takes everything
	_ = w.Close()
	b := &bin.Buffer{}
	b.PutID(idGzip)
	b.PutBytes(packed.Bytes())
	return b.Buf
})

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
