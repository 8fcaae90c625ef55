package mtserver

import (
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/gotd/td/crypto"

	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

// authKey is one auth key of one DC with all of its sessions. Its mutex guards everything
// below it: sessions, their messages and their place on connections.
type authKey struct {
	srv     *Server
	dc      *dc
	id      int64
	value   crypto.Key
	created time.Time
	temp    bool

	mu        sync.Mutex
	expires   time.Time // zero: never
	perm      *authKey  // of a bound temporary key
	bound     *authKey  // of a permanent key: its temporary key
	destroyed bool
	salts     []salt
	sessions  map[int64]*session
	lastID    int64    // of our messages: a session that begins anew repeats none of the ids before
	main      *session // gets the pushes
	inited    bool
	layer     int
	init      Init
}

type salt struct {
	since, until time.Time
	value        int64
}

func (d *dc) addKey(value crypto.Key, first int64, temp bool, expiresIn int, now time.Time) {
	k := &authKey{
		srv: d.srv, dc: d, value: value, created: now, temp: temp,
		sessions: map[int64]*session{},
	}
	id := value.ID()
	k.id = int64(binary.LittleEndian.Uint64(id[:]))
	if temp {
		k.expires = now.Add(time.Duration(expiresIn) * time.Second)
	}
	period := d.srv.cfg.SaltPeriod
	k.salts = []salt{{since: now, until: now.Add(saltOverlapFactor * period), value: first}}
	d.srv.mu.Lock()
	d.srv.keys[k.id] = k
	d.srv.mu.Unlock()
	d.srv.stats.exchanges.Add(1)
}

// identity is the id by which the model and the referee know the key.
func (k *authKey) identity() int64 {
	if k.perm != nil {
		return k.perm.id
	}
	return k.id
}

// dead says that frames of this key are answered with -404.
func (k *authKey) dead(now time.Time) bool {
	return k.destroyed || !k.expires.IsZero() && !now.Before(k.expires)
}

func (k *authKey) destroy() {
	k.mu.Lock()
	k.destroyed = true
	k.mu.Unlock()
	k.srv.drop(k.id)
}

// dropTemp is destroy for temporary keys.
func (k *authKey) dropTemp() {
	if k.temp {
		k.destroy()
	}
}

// extendSalts draws salts until n of them are valid later than now, and forgets old ones.
func (k *authKey) extendSalts(now time.Time, n int) {
	period := k.srv.cfg.SaltPeriod
	for len(k.salts) > 0 && !now.Before(k.salts[0].until) {
		k.salts = k.salts[1:]
	}
	if len(k.salts) == 0 {
		k.salts = append(k.salts, k.drawSalt(now))
	}
	for {
		last := k.salts[len(k.salts)-1]
		if !last.since.Before(now.Add(time.Duration(n) * period)) {
			return
		}
		k.salts = append(k.salts, k.drawSalt(last.since.Add(period)))
	}
}

func (k *authKey) drawSalt(since time.Time) salt {
	var b [8]byte
	if _, err := io.ReadFull(k.srv.cfg.Rand, b[:]); err != nil {
		k.srv.cfg.Log.Error("draw salt", "error", err)
	}
	return salt{
		since: since, until: since.Add(saltOverlapFactor * k.srv.cfg.SaltPeriod),
		value: int64(binary.LittleEndian.Uint64(b[:])),
	}
}

// currentSalt is the newest one that is valid now.
func (k *authKey) currentSalt(now time.Time) int64 {
	k.extendSalts(now, 1)
	value := k.salts[0].value
	for _, s := range k.salts {
		if !now.Before(s.since) {
			value = s.value
		}
	}
	return value
}

// accepts says whether a client may use the salt now.
func (k *authKey) accepts(value int64, now time.Time) bool {
	k.extendSalts(now, 1)
	for _, s := range k.salts {
		if s.value == value && !now.Before(s.since) && now.Before(s.until) {
			return true
		}
	}
	return false
}

// sessionOf returns the session, new or not. At the limit the session that was silent for
// longest is forgotten, one without a connection first.
func (k *authKey) sessionOf(id int64, now time.Time) *session {
	if s := k.sessions[id]; s != nil {
		s.used = now
		return s
	}
	if len(k.sessions) >= sessionsPerKey {
		var oldest *session
		for _, s := range k.sessions {
			if oldest == nil || (s.conn == nil) != (oldest.conn == nil) && s.conn == nil ||
				(s.conn == nil) == (oldest.conn == nil) && s.used.Before(oldest.used) {
				oldest = s
			}
		}
		k.forget(oldest)
	}
	s := &session{key: k, id: id, number: k.srv.faults.openSession(), used: now, unacked: map[int64]*outgoing{}}
	k.sessions[id] = s
	return s
}

// forget drops a session and all that waits in it.
func (k *authKey) forget(s *session) {
	delete(k.sessions, s.id)
	if k.main == s {
		k.main = nil
	}
	if s.conn != nil {
		s.conn.detach(s)
		s.conn = nil
	}
	s.forgotten = true
}

// answer sends the answer of a call and tells duplicates of the query about it.
func (k *authKey) answer(c *Call, result []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, q := c.session, c.query
	if q.dropped {
		return
	}
	q.answered = true
	if s.forgotten {
		return
	}
	if len(result) >= 256 && constructorOf(result) != idGzip && k.srv.faults.chance(k.srv.cfg.Pack) {
		result = packing.Pack(result)
	}
	m := s.post(encodeRPCResult(c.MsgID, result), postResponse|postContent)
	m.query = q
	q.answer = m
	s.boundAnswers()
}

// push sends an object to the main session.
func (k *authKey) push(body []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.main; s != nil && !k.destroyed {
		k.srv.stats.pushes.Add(1)
		s.push(body)
	}
}
