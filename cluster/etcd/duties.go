package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// dutyLook is how often duties are looked at without a change: a lease ends without one, and a
// claim that failed is tried again.
const dutyLook = time.Second

// Duties sees to it that each resource is worked on by one node at a time. A node claims the
// resources that it is preferred for, by a key under its lease, and gives them up when another one
// becomes preferred; so a few change hands when a node comes or goes.
//
//	free ──claim──▶ held ──(not wanted, not preferred, leaving, lease over)──▶ ending ──released──▶ free
//
// A holder that was cut off stops at its deadline, which is before its lease ends: Work.Check.
type Duties struct {
	member  *Member
	work    *Resources
	dir     string
	holders *table[fleet.NodeID]
}

// Duties divides the resources among the nodes.
func (m *Member) Duties(work *Resources) *Duties {
	dir := m.keys.prefix + "duties/" + work.kind + "s/"
	return &Duties{
		member: m, work: work, dir: dir,
		holders: newTable(m.client, m.log, dir, decodeNodeID, ignore[fleet.NodeID]),
	}
}

// Work is one resource while this node holds it.
type Work struct {
	Resource
	// Check fails once this node may no longer act; ask it directly before each effect.
	Check func() error
}

// duty is what this node holds or is about to let go.
type duty struct {
	session *session
	version int64 // of the resource
	rev     int64 // of the claim
	cancel  context.CancelFunc
}

// Run claims resources and calls do for each, in a goroutine of its own, until ctx ends; it
// follows the resources too. do works until its ctx ends; it is called anew when the resource
// changes.
func (d *Duties) Run(ctx context.Context, do func(ctx context.Context, w Work)) error {
	group, ctx := errgroup.WithContext(ctx)
	follow := func(f func(context.Context)) {
		group.Go(func() error { f(ctx); return context.Cause(ctx) })
	}
	follow(d.work.Run)
	follow(d.holders.follow)
	follow(func(ctx context.Context) { d.keep(ctx, do) })
	return group.Wait()
}

// keep holds what this node should; it returns when nothing is held any more.
func (d *Duties) keep(ctx context.Context, do func(context.Context, Work)) {
	held, ended := make(map[string]*duty), make(chan string)
	look := time.NewTicker(dutyLook)
	defer look.Stop()
	for {
		work, known, changed := d.work.Watched()
		_, moved := d.holders.state()
		nodesRev, nodesChanged := d.member.members.state()
		_, joined := d.member.watchSession()
		if ctx.Err() != nil {
			known, work = true, nil
		}
		if known && nodesRev > 0 {
			d.step(ctx, work, held, ended, do)
		}
		if ctx.Err() != nil && len(held) == 0 {
			return
		}
		stop := ctx.Done()
		if ctx.Err() != nil {
			stop = nil
		}
		select {
		case name := <-ended:
			delete(held, name)
		case <-changed:
		case <-moved:
		case <-nodesChanged:
		case <-joined:
		case <-look.C:
		case <-stop:
		}
	}
}

// step ends what is no longer right and claims what is missing.
func (d *Duties) step(ctx context.Context, work map[string]Resource, held map[string]*duty, ended chan<- string, do func(context.Context, Work)) {
	m := d.member
	s, nodes := m.current(), m.Nodes()
	able := s.gate.Check() == nil && !m.isLeaving()
	for name, h := range held {
		is, wanted := work[name]
		if !able || !wanted || is.Version != h.version || h.session != s || d.lost(name, h) || cluster.Preferred(name, nodes) != m.node {
			h.cancel()
		}
	}
	for name, is := range work {
		if _, taken := d.holders.get(name); taken || held[name] != nil || !able || cluster.Preferred(name, nodes) != m.node {
			continue
		}
		rev, err := d.claim(ctx, s, name)
		if errors.Is(err, errTaken) {
			continue // the table will tell
		}
		if err != nil { // etcd is away: do not wait for it again and again
			m.log.Debug("duty is not claimed", "duty", d.dir+name, "error", err)
			return
		}
		run, cancel := context.WithCancel(ctx)
		held[name] = &duty{session: s, version: is.Version, rev: rev, cancel: cancel}
		go func() { // keep waits for it
			defer cancel()
			do(run, Work{Resource: is, Check: s.gate.Check})
			<-run.Done()
			d.release(name, rev)
			ended <- name
		}()
	}
}

// lost reports that the key of a claim is gone or somebody else's.
func (d *Duties) lost(name string, h *duty) bool {
	if known, _ := d.holders.state(); known < h.rev {
		return false // not seen yet
	}
	row, ok := d.holders.get(name)
	return !ok || row.create != h.rev
}

var errTaken = errors.New("another node was first")

func (d *Duties) claim(ctx context.Context, s *session, name string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	key := d.dir + name
	resp, err := d.member.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(d.member.node), clientv3.WithLease(s.lease))).Commit()
	if err != nil {
		return 0, err
	}
	if !resp.Succeeded {
		return 0, errTaken
	}
	return resp.Header.Revision, nil
}

// release frees a duty that is no longer done. That it fails is no harm: the lease ends.
func (d *Duties) release(name string, rev int64) {
	ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
	defer cancel()
	key := d.dir + name
	_, err := d.member.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", rev)).
		Then(clientv3.OpDelete(key)).Commit()
	if err != nil {
		d.member.log.Debug("duty is not released; its lease will end", "duty", key, "error", err)
	}
}

// Owner says which node works on a resource, as far as this one has seen; ErrNoOwner.
func (d *Duties) Owner(name string) (cluster.Owner, error) {
	row, ok := d.holders.get(name)
	if !ok {
		return cluster.Owner{}, fleet.Errorf(fleet.CodeUnavailable, cluster.ErrNoOwner.Reason, "no node works on %s %s at the moment", d.work.kind, name).
			WithRemedy("repeat in a moment")
	}
	o := cluster.Owner{Node: row.value, Fence: fleet.Fence{Key: d.dir + name, CreateRevision: row.create}}
	if node, ok := d.member.members.get(string(row.value)); ok {
		o.Address = node.value.Address
	}
	return o, nil
}

// WaitOwner is Owner, waiting for one until ctx ends.
func (d *Duties) WaitOwner(ctx context.Context, name string) (cluster.Owner, error) {
	for {
		_, changed := d.holders.state()
		o, err := d.Owner(name)
		if err == nil {
			return o, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return o, fmt.Errorf("%w (%w)", err, ctx.Err())
		}
	}
}

// Labels are those of an account, from the watched table or, when it is not there, as stored;
// ErrNotFound.
func (m *Member) Labels(ctx context.Context, id fleet.AccountID) (map[string]string, error) {
	if row, ok := m.specs.get(string(id)); ok {
		return row.value.Labels, nil
	}
	s, err := (&Accounts{client: m.client, keys: m.keys}).GetSpec(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.Labels, nil
}
