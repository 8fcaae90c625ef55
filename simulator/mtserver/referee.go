package mtserver

import (
	"slices"
	"sync"
	"time"
)

// ConnLog is what the referee wrote down about one connection of a key.
type ConnLog struct {
	ConnID    uint64
	DC        int
	Remote    string
	Opened    time.Time
	FirstSent time.Time // first encrypted frame of this key
	LastSent  time.Time // last one
	Closed    time.Time // zero while it is open
	Frames    int
}

// inFlight is how long the last bytes of a connection that its client has already ended may
// travel behind the first frame of a newer one. A packet can overtake another one even
// within one machine.
const inFlight = 100 * time.Millisecond

// RefereeCounts are the sums over all keys.
type RefereeCounts struct {
	// Duplicated counts keys killed: an older connection sent after the first frame of
	// a newer one.
	Duplicated int
	// Overlaps counts connections whose first frame came while an older connection of
	// the same key was still open. An overlap alone kills nothing.
	Overlaps int
	// Excused counts frames that came late but were already under way, on a connection that
	// the client had ended by then.
	Excused int
}

// Referee logs which connections used which auth key, and judges logged-in keys: two
// home-DC connections of one key that send in parallel cost the key its life, as at
// Telegram (406 AUTH_KEY_DUPLICATED). Excused are bytes that had reached the machine before
// the newer connection's first frame, and for 100 ms the last bytes of a connection that
// the client has already ended. Safe for concurrent use.
type Referee struct {
	mu     sync.Mutex
	now    func() time.Time
	keys   map[int64]*refereeKey
	fresh  map[*conn]map[int64]int64 // open, without a frame yet: bytes arrived when a newer one of a key began
	counts RefereeCounts
}

type refereeKey struct {
	home  bool
	dead  bool
	conns []*refereeConn // by time of opening
}

type refereeConn struct {
	log  ConnLog
	conn *conn
	// excused is the count of bytes of this connection that had arrived when a newer
	// connection sent its first frame; -1 while there is none.
	excused int64
	newerAt time.Time
}

const refereeLogs = 512 // connections remembered per key

func newReferee(now func() time.Time) *Referee {
	return &Referee{now: now, keys: map[int64]*refereeKey{}, fresh: map[*conn]map[int64]int64{}}
}

// Counts returns the sums over all keys.
func (r *Referee) Counts() RefereeCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Log returns what is known of the connections of this key, oldest first. The last 512
// are remembered.
func (r *Referee) Log(keyID int64) []ConnLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.keys[keyID]
	if k == nil {
		return nil
	}
	logs := make([]ConnLog, 0, len(k.conns))
	for _, c := range k.conns {
		logs = append(logs, c.log)
	}
	return logs
}

// Keys returns the ids of all keys that ever sent a frame, in order.
func (r *Referee) Keys() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]int64, 0, len(r.keys))
	for id := range r.keys {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Dead says whether the key was killed.
func (r *Referee) Dead(keyID int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.keys[keyID]
	return k != nil && k.dead
}

func (r *Referee) key(id int64) *refereeKey {
	k := r.keys[id]
	if k == nil {
		k = &refereeKey{}
		r.keys[id] = k
	}
	return k
}

func (r *Referee) setHome(keyID int64, home bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key(keyID).home = home
}

// suspects says that this frame would kill the key, unless its connection has ended.
func (r *Referee) suspects(keyID int64, c *conn, end int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.keys[keyID]
	if k == nil || !k.home || k.dead {
		return false
	}
	if rc := k.find(c); rc != nil {
		return rc.late(end)
	}
	return len(k.conns) > 0 && k.conns[len(k.conns)-1].log.ConnID > c.id
}

func (rc *refereeConn) late(end int64) bool { return rc.excused >= 0 && end > rc.excused }

// frame records one encrypted frame that ended after `end` bytes of its connection. It
// returns whether the key is dead and whether this frame killed it.
func (r *Referee) frame(keyID int64, c *conn, end int64) (dead, killed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	k := r.key(keyID)
	rc := k.find(c)
	if rc == nil {
		rc = k.open(c, now)
		r.judgeOpening(keyID, k, rc)
	}
	rc.log.LastSent = now
	rc.log.Frames++
	if k.home && !k.dead && rc.late(end) {
		if now.Sub(rc.newerAt) <= inFlight && c.sock.ended() {
			r.counts.Excused++
			return false, false
		}
		k.dead, killed = true, true
		r.counts.Duplicated++
	}
	return k.dead, killed
}

// opened records a connection that has not used a key yet.
func (r *Referee) opened(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh[c] = nil
}

// judgeOpening marks, at the first frame of a connection, what its older sisters had
// already sent by now.
func (r *Referee) judgeOpening(keyID int64, k *refereeKey, first *refereeConn) {
	early := r.fresh[first.conn][keyID]
	delete(r.fresh, first.conn)
	overlap := false
	for _, other := range k.conns {
		switch {
		case other == first:
		case other.log.ConnID > first.log.ConnID:
			first.excused, first.newerAt = early, other.log.FirstSent // a newer one has sent before
		case other.log.Closed.IsZero():
			overlap = overlap || !other.conn.sock.ended() // ended by its client: we only have not read it yet
			if other.excused < 0 {
				other.excused, other.newerAt = other.conn.sock.arrived(), first.log.FirstSent
			}
		}
	}
	if overlap {
		r.counts.Overlaps++
	}
	if !k.home {
		return
	}
	for c, arrived := range r.fresh {
		if _, known := arrived[keyID]; c.id < first.log.ConnID && !known {
			if arrived == nil {
				arrived = map[int64]int64{}
				r.fresh[c] = arrived
			}
			arrived[keyID] = c.sock.arrived()
		}
	}
}

func (k *refereeKey) find(c *conn) *refereeConn {
	for i := len(k.conns) - 1; i >= 0; i-- {
		if k.conns[i].conn == c {
			return k.conns[i]
		}
	}
	return nil
}

func (k *refereeKey) open(c *conn, now time.Time) *refereeConn {
	if len(k.conns) >= refereeLogs {
		k.conns = slices.Delete(k.conns, 0, 1)
	}
	rc := &refereeConn{conn: c, excused: -1, log: ConnLog{
		ConnID: c.id, DC: c.dc.id, Remote: c.remote, Opened: c.opened, FirstSent: now,
	}}
	k.conns = append(k.conns, rc)
	return rc
}

// closed records the end of a connection.
func (r *Referee) closed(keyIDs []int64, c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.fresh, c)
	for _, id := range keyIDs {
		if k := r.keys[id]; k != nil {
			if rc := k.find(c); rc != nil {
				rc.log.Closed = r.now()
				rc.conn = nil
			}
		}
	}
}
