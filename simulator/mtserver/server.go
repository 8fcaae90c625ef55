package mtserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gotd/td/bin"
)

// Server is a running simulator of all DCs.
type Server struct {
	cfg      Config
	faults   *Faults
	referee  *Referee
	handler  Handler
	observer SessionObserver // nil if the handler is none
	dcs      []*dc
	stats    counters
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu     sync.RWMutex
	keys   map[int64]*authKey
	conns  map[uint64]*conn
	nextID uint64
	closed bool
	down   bool // nobody is let in
}

// dc is one data centre at one of its addresses.
type dc struct {
	srv       *Server
	id        int
	media     bool // the address is for files only
	key       *rsa.PrivateKey
	listener  net.Listener
	exchanges exchanges
}

// rsaKeys are drawn once per process: a test with many servers should not wait for primes.
var rsaKeys struct {
	sync.Mutex
	m map[int]*rsa.PrivateKey
}

func rsaKey(id int) (*rsa.PrivateKey, error) {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	if key := rsaKeys.m[id]; key != nil {
		return key, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	if rsaKeys.m == nil {
		rsaKeys.m = map[int]*rsa.PrivateKey{}
	}
	rsaKeys.m[id] = key
	return key, nil
}

// Start listens and serves until Close is called or ctx ends.
func Start(ctx context.Context, cfg Config, handler Handler) (*Server, error) {
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	s := &Server{
		cfg: cfg, faults: cfg.Faults, referee: newReferee(cfg.Now), handler: handler,
		keys: map[int64]*authKey{}, conns: map[uint64]*conn{},
	}
	s.observer, _ = handler.(SessionObserver)
	s.ctx, s.cancel = context.WithCancel(ctx)
	for _, number := range slices.Concat(cfg.DCs, cfg.Media) {
		id := max(number, -number)
		d := &dc{srv: s, id: id, media: number < 0, key: cfg.Keys[id], exchanges: exchanges{m: map[bin.Int128]*keyExchange{}}}
		var err error
		if d.key == nil {
			d.key, err = rsaKey(id)
		}
		if err == nil {
			d.listener, err = cfg.ListenOn(ctx, number)
		}
		if err != nil {
			s.cancel()
			s.closeListeners()
			return nil, fmt.Errorf("start simulator: dc %d: %w", id, err)
		}
		s.dcs = append(s.dcs, d)
	}
	for _, d := range s.dcs {
		s.wg.Go(d.accept)
	}
	s.wg.Go(s.keepHouse)
	return s, nil
}

func (s *Server) closeListeners() {
	for _, d := range s.dcs {
		_ = d.listener.Close()
	}
}

// Close cuts all connections and waits until every goroutine of the server has ended.
func (s *Server) Close() error {
	s.shut()
	s.wg.Wait()
	return nil
}

func (s *Server) shut() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	s.closeListeners()
	for _, c := range conns {
		c.close(true)
	}
}

func (d *dc) accept() {
	for {
		nc, err := d.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || d.srv.ctx.Err() != nil {
				return
			}
			d.srv.cfg.Log.Warn("accept", "dc", d.id, "error", err)
			select { // out of file descriptors, most likely
			case <-time.After(50 * time.Millisecond):
			case <-d.srv.ctx.Done():
				return
			}
			continue
		}
		sock, err := newSocket(nc)
		if err != nil {
			_ = nc.Close()
			continue
		}
		d.srv.admit(d, sock)
	}
}

func (s *Server) admit(d *dc, sock socket) {
	s.mu.Lock()
	if s.closed || s.down {
		s.mu.Unlock()
		_ = sock.Close()
		return
	}
	s.nextID++
	c := newConn(s, d, s.nextID, sock)
	s.conns[c.id] = c
	s.mu.Unlock()
	s.stats.accepted.Add(1)
	s.referee.opened(c)
	s.wg.Go(c.serve)
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
}

// lookup finds a key of this DC.
func (s *Server) lookup(d *dc, id int64) *authKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if k := s.keys[id]; k != nil && k.dc.id == d.id {
		return k
	}
	return nil
}

func (s *Server) drop(ids ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.keys, id)
	}
}

// DCs returns the DCs in the order of Config.DCs, then the media_only addresses.
func (s *Server) DCs() []DCInfo {
	infos := make([]DCInfo, 0, len(s.dcs))
	for _, d := range s.dcs {
		infos = append(infos, DCInfo{ID: d.id, Addr: d.listener.Addr().String(), Key: &d.key.PublicKey, MediaOnly: d.media})
	}
	return infos
}

// Referee returns the judge of logged-in keys.
func (s *Server) Referee() *Referee { return s.referee }

// Faults returns the switches.
func (s *Server) Faults() *Faults { return s.faults }

// withKey calls f with the key that holds the sessions: the bound temporary key, if there is one.
func (s *Server) withKey(keyID int64, f func(*authKey)) {
	s.mu.RLock()
	k := s.keys[keyID]
	s.mu.RUnlock()
	if k == nil {
		return
	}
	k.mu.Lock()
	bound := k.bound
	k.mu.Unlock()
	if bound != nil {
		bound.mu.Lock()
		dead := bound.dead(s.cfg.Now())
		bound.mu.Unlock()
		if !dead {
			k = bound
		}
	}
	f(k)
}

// Push sends an updates object to the main session of a key: the one that last sent
// initConnection outside of invokeWithoutUpdates. If that session has no connection, the
// object waits, up to Config.PushQueue of them. Without such a session it is lost, as at
// Telegram: the client will ask for the difference.
func (s *Server) Push(keyID int64, body []byte) {
	if s.referee.Dead(keyID) {
		return
	}
	s.withKey(keyID, func(k *authKey) { k.push(body) })
}

// Unacked returns how many messages wait for an acknowledgement from this key.
func (s *Server) Unacked(keyID int64) int {
	n := 0
	s.withKey(keyID, func(k *authKey) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, session := range k.sessions {
			n += len(session.unacked)
		}
	})
	return n
}

// MarkHome says that the key is logged in and that this DC is its home: from now on the
// referee judges it.
func (s *Server) MarkHome(keyID int64) { s.referee.setHome(keyID, true) }

// ClearHome takes MarkHome back, at a logout or a migration.
func (s *Server) ClearHome(keyID int64) { s.referee.setHome(keyID, false) }

// DestroyKey forgets the key: its next frame is answered with -404.
func (s *Server) DestroyKey(keyID int64) {
	s.withKey(keyID, (*authKey).destroy) // the temporary key first
	s.withKey(keyID, (*authKey).destroy)
	s.referee.setHome(keyID, false)
}

// DropTempKey forgets the temporary key that serves a permanent one, as Telegram may at any time.
func (s *Server) DropTempKey(keyID int64) { s.withKey(keyID, (*authKey).dropTemp) }

// DropSessions forgets all sessions of a key and what waits in them, as Telegram may at
// any time: the next message is answered by new_session_created.
func (s *Server) DropSessions(keyID int64) {
	s.withKey(keyID, func(k *authKey) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, session := range k.sessions {
			k.forget(session)
		}
	})
}

// KillConnections resets the connections for which the filter is true (nil: all) and
// returns their number. What they had not delivered is lost with them, and sent again
// where it must be acknowledged.
func (s *Server) KillConnections(filter func(ConnInfo) bool) int {
	n := 0
	for _, c := range s.connections() {
		info := ConnInfo{ID: c.id, DC: c.dc.id, KeyID: c.keyID.Load(), Remote: c.remote}
		if filter == nil || filter(info) {
			c.close(true)
			n++
		}
	}
	s.faults.cut(n)
	return n
}

// SetDown resets all connections and closes every new one, until it is called with false.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	s.down = down
	s.mu.Unlock()
	if down {
		s.KillConnections(nil)
	}
}

// connections returns the open ones in order of their opening.
func (s *Server) connections() []*conn {
	s.mu.RLock()
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.RUnlock()
	slices.SortFunc(conns, func(a, b *conn) int { return int(a.id) - int(b.id) })
	return conns
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	stats := s.stats.snapshot()
	s.mu.RLock()
	stats.Connections, stats.Keys = len(s.conns), len(s.keys)
	s.mu.RUnlock()
	for _, k := range s.allKeys() {
		k.mu.Lock()
		stats.Sessions += len(k.sessions)
		k.mu.Unlock()
	}
	return stats
}

func (s *Server) allKeys() []*authKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	keys := make([]*authKey, 0, len(s.keys))
	for _, k := range s.keys {
		keys = append(keys, k)
	}
	return keys
}

// keepHouse does what is due by time: late acknowledgements, repetitions, held pushes, cuts.
func (s *Server) keepHouse() {
	ticker := time.NewTicker(s.cfg.Housekeeping)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			s.shut()
			return
		case <-ticker.C:
		}
		now := s.cfg.Now()
		for _, k := range s.allKeys() {
			k.tick(now)
		}
		s.mu.RLock()
		n := len(s.conns)
		s.mu.RUnlock()
		if i, due := s.faults.cutDue(time.Now(), n); due {
			if conns := s.connections(); i < len(conns) {
				conns[i].close(true)
			}
		}
	}
}

func (k *authKey) tick(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sessions {
		s.ackSlow(now)
		s.release(func(m *outgoing) bool { return !now.Before(m.due) })
		if len(s.unacked) > 0 {
			s.resend(now.Add(-k.srv.cfg.ResendAfter))
		}
	}
}

// ackSlow acknowledges queries that take long.
func (s *session) ackSlow(now time.Time) {
	var ids []int64
	s.slow = slices.DeleteFunc(s.slow, func(q *query) bool {
		if q.answered || q.dropped {
			return true
		}
		if now.Sub(q.started) < s.key.srv.cfg.AckDelay || s.conn == nil {
			return false
		}
		q.acked = true
		ids = append(ids, q.id)
		return true
	})
	if len(ids) > 0 {
		s.service(encodeIDs(idMsgsAck, ids...), false)
	}
}
