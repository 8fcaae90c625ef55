package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
)

const (
	// renewals is how many renewals fall into one TTL.
	renewals = 5
	// drift is the part of the TTL that counts: clocks of machines differ by up to 1 %.
	drift = 0.99
	// maxLook bounds the pause between two looks at the deadline. Checks do not depend on
	// it; it says how soon the handler is told.
	maxLook = 250 * time.Millisecond
	// rejoinPause is the first pause between tries to join again; it doubles up to
	// maxRelistPause.
	rejoinPause = 100 * time.Millisecond
)

// session is one lease of this node.
type session struct {
	lease clientv3.LeaseID
	ttl   time.Duration
	gate  *cluster.Gate
	lost  chan struct{} // closed when etcd says that the lease is gone
	kick  chan struct{} // asks for a renewal now
	over  atomic.Bool   // fenced, and all sockets are closed

	mu    sync.Mutex
	sent  time.Time     // when the newest acknowledged renewal was sent
	acked chan struct{} // closed and replaced at each acknowledgement; at the end closed
}

// deadline is until when a lease that was confirmed for ttl may be used, when the
// confirmation was asked for at the reading sent.
func (m *Member) deadline(sent, ttl time.Duration) time.Duration {
	return sent + time.Duration(drift*float64(ttl)) - m.cfg.Profile.Margin
}

// open takes a lease and publishes the node under it.
func (m *Member) open(ctx context.Context) (*session, error) {
	if m.cfg.Witness != nil {
		if err := m.cfg.Witness.Check(ctx, m.client); err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
	}
	sent, sentAt := m.cfg.Clock(), time.Now()
	ttl := int64((m.cfg.Profile.TTL + time.Second - 1) / time.Second)
	grant, err := m.client.Grant(ctx, ttl)
	if err != nil {
		return nil, fmt.Errorf("join: take a lease: %w", err)
	}
	s := &session{
		lease: grant.ID, ttl: time.Duration(grant.TTL) * time.Second,
		lost: make(chan struct{}), kick: make(chan struct{}, 1),
		sent: sentAt, acked: make(chan struct{}),
	}
	s.gate = cluster.NewGate(m.cfg.Clock, m.deadline(sent, s.ttl))
	if err := m.storeLease(s.lease); err != nil {
		return nil, err
	}
	m.mu.Lock()
	self := m.self
	m.mu.Unlock()
	if _, err := m.client.Put(ctx, m.keys.node(m.node), encode(self), clientv3.WithLease(s.lease)); err != nil {
		return nil, fmt.Errorf("join: publish the node: %w", err)
	}
	m.log.Info("joined", "lease", int64(s.lease), "ttl", s.ttl)
	return s, nil
}

// keepSessions keeps one session after the other.
func (m *Member) keepSessions(ctx context.Context, h cluster.Handler) {
	for {
		s := m.current()
		m.keep(ctx, s)
		if ctx.Err() != nil {
			return
		}
		s.gate.Close()
		m.log.Error("fenced: the lease could not be renewed in time; all sockets are closed until etcd answers again")
		if h.Fenced != nil {
			h.Fenced()
		}
		s.over.Store(true)
		m.dirty.addAll(m.held())
		if !m.rejoin(ctx, s) {
			return
		}
	}
}

// rejoin opens the next session. The old lease is revoked when that is possible: nobody
// uses its ownership keys any more.
func (m *Member) rejoin(ctx context.Context, old *session) bool {
	wait := rejoinPause
	for !m.isLeaving() {
		try, cancel := context.WithTimeout(ctx, m.cfg.Profile.TTL)
		s, err := m.reopen(try, old)
		cancel()
		if err == nil {
			m.mu.Lock()
			m.session = s
			m.wakeJoinedLocked()
			m.mu.Unlock()
			m.lookAtAssigned()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if errors.Is(err, cluster.ErrWrongCluster) {
			m.log.Error("not joined again", "error", err)
		}
		m.log.Debug("not joined again yet", "error", err)
		pause(ctx, wait)
		wait = min(2*wait, maxRelistPause)
	}
	return false
}

func (m *Member) isLeaving() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaving
}

func (m *Member) reopen(ctx context.Context, old *session) (*session, error) {
	if err := m.revoke(ctx, old.lease); err != nil {
		return nil, err
	}
	return m.open(ctx)
}

// keep renews until the deadline has passed, etcd says that the lease is gone, or ctx ends.
func (m *Member) keep(ctx context.Context, s *session) {
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { m.renew(ctx, s) })
	defer s.end()
	defer renewing.Wait()
	defer cancel()
	defer s.gate.Close()
	for s.gate.Check() == nil {
		t := time.NewTimer(min(s.gate.Remaining()+time.Millisecond, maxLook))
		select {
		case <-t.C:
		case <-s.lost:
			t.Stop()
			return
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// renew sends a renewal every fifth of the TTL and whenever it is asked to.
func (m *Member) renew(ctx context.Context, s *session) {
	interval := s.ttl / renewals
	t := time.NewTimer(interval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.kick:
		case <-ctx.Done():
			return
		}
		next := interval
		if err := m.renewOnce(ctx, s, interval); err != nil {
			if errors.Is(err, rpctypes.ErrLeaseNotFound) {
				s.gate.Close()
				close(s.lost)
				return
			}
			m.log.Warn("lease not renewed", "error", err, "remaining", s.gate.Remaining())
			next = min(interval, renewalPause)
		}
		t.Reset(next)
	}
}

// renewOnce moves the deadline by a renewal; the clock is read before it is sent.
func (m *Member) renewOnce(ctx context.Context, s *session, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent, sentAt := m.cfg.Clock(), time.Now()
	resp, err := m.client.KeepAliveOnce(ctx, s.lease)
	if err != nil {
		return fmt.Errorf("renew lease: %w", err)
	}
	if m.cfg.Witness != nil {
		if err := m.cfg.Witness.observe(resp.ResponseHeader); err != nil {
			m.log.Warn("witness not written", "error", err)
		}
	}
	if s.gate.Extend(m.deadline(sent, time.Duration(resp.TTL)*time.Second)) {
		s.acknowledge(sentAt)
	}
	return nil
}

func (s *session) acknowledge(sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = sent
	close(s.acked)
	s.acked = make(chan struct{})
}

// askRenewal makes the next renewal come now.
func (s *session) askRenewal() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// end wakes those who wait for a renewal; there will be none.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.acked)
}

// RenewedAfter waits until a renewal that was sent after t has been acknowledged, asking for
// one at once. Every home-DC dial after the first needs one sent after the previous socket
// was closed: a machine that slept unnoticed must not dial. Callers share renewals.
// ErrFenced when the lease is lost meanwhile.
func (m *Member) RenewedAfter(ctx context.Context, t time.Time) error {
	s := m.current()
	for {
		s.mu.Lock()
		sent, acked := s.sent, s.acked
		s.mu.Unlock()
		if err := s.gate.Check(); err != nil {
			return fmt.Errorf("await renewal: %w", err)
		}
		if sent.After(t) {
			return nil
		}
		s.askRenewal()
		select {
		case <-acked:
		case <-ctx.Done():
			return fmt.Errorf("await renewal: %w", ctx.Err())
		}
	}
}

// revoke ends a lease; that it is gone already is fine.
func (m *Member) revoke(ctx context.Context, lease clientv3.LeaseID) error {
	resp, err := m.client.Revoke(ctx, lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("revoke lease %x: %w", int64(lease), err)
	}
	if m.cfg.Witness != nil {
		if err := m.cfg.Witness.last(resp.Header); err != nil {
			m.log.Warn("witness not written", "error", err)
		}
	}
	return nil
}

// revokeStored revokes the lease of this node's former process, which is dead: this one
// holds the data directory's lock.
func (m *Member) revokeStored(ctx context.Context) error {
	if m.cfg.LeaseFile == "" {
		return nil
	}
	b, err := os.ReadFile(m.cfg.LeaseFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("join: read former lease: %w", err)
	}
	lease, err := strconv.ParseInt(strings.TrimSpace(string(b)), 16, 64)
	if err != nil {
		m.log.Warn("the file of the former lease is damaged; that lease ends by itself", "file", m.cfg.LeaseFile)
		return nil
	}
	if err := m.revoke(ctx, clientv3.LeaseID(lease)); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}

func (m *Member) storeLease(lease clientv3.LeaseID) error {
	if m.cfg.LeaseFile == "" {
		return nil
	}
	if err := writeFile(m.cfg.LeaseFile, []byte(strconv.FormatInt(int64(lease), 16)+"\n")); err != nil {
		return fmt.Errorf("join: store the lease: %w", err)
	}
	return nil
}

// writeFile replaces a file so that a crash leaves the old or the new contents.
func writeFile(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
