package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// patience bounds the wait for any one thing; nothing here takes so long.
const patience = 60 * time.Second

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// journal is an event log in memory, with the rules of the real one: a later claim fences the
// writer, a writer has one append in flight. Its appends can be held back or made to fail.
type journal struct {
	mu      sync.Mutex
	records []eventlog.Record
	claims  map[fleet.AccountID]int
	tokens  map[fleet.AccountID]fleet.FencingToken
	busy    map[fleet.AccountID]bool
	gate    chan struct{}                                  // appends wait until it is closed
	fail    func(fleet.AccountID, []eventlog.Record) error // asked before each append
	failed  int
	largest int           // records in one append
	pace    time.Duration // how long a replay takes
	synced  uint64        // with a limit, no later record is durable
	changed chan struct{}
}

func newJournal() *journal {
	return &journal{claims: map[fleet.AccountID]int{}, tokens: map[fleet.AccountID]fleet.FencingToken{}, busy: map[fleet.AccountID]bool{}, changed: make(chan struct{})}
}

// shout wakes those who wait for a change; the lock is held.
func (j *journal) shout() {
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) Claim(_ context.Context, id fleet.AccountID, token fleet.FencingToken) (EventWriter, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if token < j.tokens[id] {
		return nil, eventlog.ErrFenced
	}
	j.tokens[id] = token
	j.claims[id]++
	j.busy[id] = false
	j.records = append(j.records, eventlog.Record{
		Account: id, Token: token, Kind: eventlog.KindOwnerChanged, Seq: uint64(len(j.records) + 1), Epoch: 1,
	})
	j.shout()
	return &journalWriter{log: j, id: id, claim: j.claims[id], at: uint64(len(j.records))}, nil
}

func (j *journal) Durable() eventlog.Cursor {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := uint64(len(j.records))
	if j.synced > 0 {
		last = min(last, j.synced)
	}
	return eventlog.Cursor{Epoch: 1, Seq: last}
}

func (j *journal) PublishLive(context.Context, eventlog.Record) error { return nil }

// hold keeps appends from ending until the returned function is called.
func (j *journal) hold() (release func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	gate := make(chan struct{})
	j.gate = gate
	return sync.OnceFunc(func() {
		j.mu.Lock()
		j.gate = nil
		j.mu.Unlock()
		close(gate)
	})
}

func (j *journal) setFail(f func(fleet.AccountID, []eventlog.Record) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail = f
}

type journalWriter struct {
	log   *journal
	id    fleet.AccountID
	claim int
	at    uint64
}

func (j *journal) Forget(fleet.AccountID) {}

// Erase leaves holes where the account's records were.
func (w *journalWriter) Erase(context.Context) error {
	j := w.log
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.claims[w.id] != w.claim {
		return eventlog.ErrFenced
	}
	for i, r := range j.records {
		if r.Account == w.id {
			j.records[i] = eventlog.Record{Seq: r.Seq, Epoch: r.Epoch}
		}
	}
	j.add(w.id, []eventlog.Record{{Account: w.id, Kind: eventlog.KindErased}})
	w.at = uint64(len(j.records))
	j.shout()
	return nil
}

func (w *journalWriter) Claimed() eventlog.Cursor { return eventlog.Cursor{Epoch: 1, Seq: w.at} }

func (w *journalWriter) Replay(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	mine, pace := slices.Clone(w.log.records[:w.at]), w.log.pace
	return func(yield func(eventlog.Record, error) bool) {
		if pace > 0 {
			select {
			case <-time.After(pace):
			case <-ctx.Done():
				yield(eventlog.Record{}, ctx.Err())
				return
			}
		}
		for _, r := range mine {
			if r.Account == w.id && r.Seq > from.Seq && !yield(r, nil) {
				return
			}
		}
	}
}

var errTwoAppends = errors.New("two appends of one writer at a time")

func (w *journalWriter) Append(ctx context.Context, recs ...eventlog.Record) (uint64, error) {
	j := w.log
	j.mu.Lock()
	if j.busy[w.id] && j.claims[w.id] == w.claim {
		j.mu.Unlock()
		return 0, errTwoAppends
	}
	j.busy[w.id] = true
	gate := j.gate
	j.shout()
	j.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.shout()
	if j.claims[w.id] != w.claim {
		return 0, eventlog.ErrFenced
	}
	j.busy[w.id] = false
	j.largest = max(j.largest, len(recs))
	if j.fail != nil {
		if err := j.fail(w.id, recs); err != nil {
			j.failed++
			partial, ok := errors.AsType[*eventlog.AppendError](err)
			if !ok {
				return 0, err
			}
			j.add(w.id, recs[:partial.Done])
			partial.Last = uint64(len(j.records))
			return 0, partial
		}
	}
	j.add(w.id, recs)
	return uint64(len(j.records)), nil
}

// add stores records; the lock is held.
func (j *journal) add(id fleet.AccountID, recs []eventlog.Record) {
	for _, r := range recs {
		r.Account, r.Seq, r.Epoch = id, uint64(len(j.records)+1), 1
		j.records = append(j.records, r)
	}
}

// await waits until the journal satisfies the condition, which is asked with the lock held.
func (j *journal) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx := bounded(t)
	for {
		j.mu.Lock()
		done, changed := ok(), j.changed
		j.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s: not seen within %v", what, patience)
		}
	}
}

// ids are the ids of an account's events of these kinds, in order; the lock is held.
func (j *journal) ids(id fleet.AccountID, kinds ...string) []string {
	var out []string
	for _, r := range j.records {
		if r.Account == id && slices.Contains(kinds, r.Kind) {
			out = append(out, r.ID)
		}
	}
	return out
}

// locked runs f with the journal's lock held.
func (j *journal) locked(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

// countedStore is the real store in memory, sealing and all; it counts replaced keys.
type countedStore struct {
	*sessionstore.Memory
	replaced atomic.Int64
}

func (c *countedStore) ReplaceKey(ctx context.Context, fence fleet.Fence, r *sessionstore.Record) error {
	c.replaced.Add(1)
	return c.Memory.ReplaceKey(ctx, fence, r)
}

// record is what is stored of an account.
func (r *rig) record(t *testing.T, id fleet.AccountID) *sessionstore.Record {
	t.Helper()
	rec, err := r.store.Load(bounded(t), id)
	if err != nil {
		t.Fatalf("%s: load session: %v", id, err)
	}
	return rec
}

// stored waits for what an account stores in the background.
func (r *rig) stored(t *testing.T, id fleet.AccountID, ok func(*sessionstore.Record) bool) *sessionstore.Record {
	t.Helper()
	ctx := bounded(t)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		rec := r.record(t, id)
		if ok(rec) {
			return rec
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("%s: stored %v", id, rec)
		}
	}
}

// rig is accounts over the simulator whose events go into a journal.
type rig struct {
	*simulated
	log    *journal
	store  *countedStore
	users  map[fleet.AccountID]int64
	grants atomic.Int64
	// killed is how many keys the test lets the referee kill.
	killed int
}

// newRig starts a simulator and a node. Its waits between dials are short; the rest is as in
// production.
func newRig(t *testing.T, cfg simulator.Config, change ...func(*Deps)) *rig {
	t.Helper()
	sim, err := simulator.Start(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("close simulator: %v", err)
		}
	})
	r := &rig{simulated: &simulated{harness: newHarness(t), sim: sim}, log: newJournal(), users: map[fleet.AccountID]int64{}}
	memory, err := sessionstore.NewTestStore()
	if err != nil {
		t.Fatal(err)
	}
	r.store = &countedStore{Memory: memory}
	d := &r.deps
	d.Events, d.Sessions, d.DCs = r.log, r.store, dcs.List{}
	for _, dc := range sim.DCs() {
		d.DCs.Options = append(d.DCs.Options, dcs.Option{ID: dc.ID, Addr: dc.Addr, MediaOnly: dc.MediaOnly})
		d.DCs.Keys = append(d.DCs.Keys, dc.Key)
	}
	d.Transport.Obfuscated = true
	d.Redial = backoff.Policy{Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}
	debugLog(d)
	for _, c := range change {
		c(d)
	}
	r.start(t)
	t.Cleanup(func() { r.close(t) })
	return r
}

// close ends the node. The referee must have seen nothing, but the keys that the test killed.
func (r *rig) close(t *testing.T) {
	if r.killed == 0 {
		r.shutdown(t)
		return
	}
	r.end(t, r.fleet)
	if c := r.sim.Referee().Counts(); c.Duplicated != r.killed {
		t.Errorf("referee: %d keys killed, want %d", c.Duplicated, r.killed)
	}
}

func (r *rig) end(t *testing.T, f *Fleet) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// person is a user who is signed in as an account of the same name.
func (r *rig) person(t *testing.T, id fleet.AccountID, home int, change ...func(*Grant)) *Env {
	t.Helper()
	n := len(r.users) + 1
	phone := "+1555000" + strconv.Itoa(n)
	r.user(t, id, simulator.UserSpec{Phone: phone, FirstName: string(id), Username: "user_" + string(id), HomeDC: home}, change...)
	me, err := telegram.GetMe(bounded(t), r.env(t, id))
	if err != nil {
		t.Fatalf("%s: get me: %v", id, err)
	}
	r.users[id] = me.ID
	r.sync(t, id)
	return r.env(t, id)
}

// pair is two people who know each other, both on DC 2, whose streams are even.
func (r *rig) pair(t *testing.T) (ann, bob *Env) {
	t.Helper()
	ann, bob = r.person(t, "ann", 2), r.person(t, "bob", 2)
	r.send(t, "ann", "@user_bob", "hello")
	r.send(t, "bob", "@user_ann", "hello")
	r.sync(t, "ann")
	r.sync(t, "bob")
	return ann, bob
}

// own lets the node own an account again, under a new token as after every claim.
func (r *rig) own(id fleet.AccountID, change ...func(*Grant)) {
	g := testGrant(id)
	g.Fence.CreateRevision += r.grants.Add(1)
	for _, c := range change {
		c(&g)
	}
	r.fleet.Owned(g)
}

// key is the one auth key with which an account is signed in.
func (r *rig) key(t *testing.T, id fleet.AccountID) int64 {
	t.Helper()
	keys := r.sim.World().Keys(r.users[id])
	if len(keys) != 1 {
		t.Fatalf("%s: %d logins, want one", id, len(keys))
	}
	return keys[0]
}

// sync repeats Env.Sync while the account restarts under it.
func (r *rig) sync(t *testing.T, id fleet.AccountID) {
	t.Helper()
	ctx := bounded(t)
	for {
		err := r.env(t, id).Sync(ctx)
		var e *fleet.Error
		switch {
		case err == nil:
			return
		case errors.As(err, &e) && strings.HasPrefix(e.Reason, "ACCOUNT_") && ctx.Err() == nil: // no stream just now
			r.settle(ctx, t, id)
		default:
			t.Fatalf("%s: sync: %v", id, err)
		}
	}
}

// settle waits until an account answers a call; its state then allows another Sync.
func (r *rig) settle(ctx context.Context, t *testing.T, id fleet.AccountID) {
	t.Helper()
	for {
		_, err := telegram.GetMe(ctx, r.env(t, id))
		var e *fleet.Error
		if err == nil || ctx.Err() != nil {
			return
		}
		if !errors.As(err, &e) || !strings.HasPrefix(e.Reason, "ACCOUNT_") || fleet.State(strings.ToLower(strings.TrimPrefix(e.Reason, "ACCOUNT_"))).Terminal() {
			t.Fatalf("%s: %v", id, err)
		}
	}
}

// chatter sends n messages from each account to the other, some at a time. Every call must
// succeed.
func (r *rig) chatter(t *testing.T, n int) {
	t.Helper()
	const workers = 8
	ctx := bounded(t)
	var wg sync.WaitGroup
	for _, pair := range [][2]fleet.AccountID{{"ann", "bob"}, {"bob", "ann"}} {
		env := r.env(t, pair[0])
		peer, err := telegram.ResolvePeer(ctx, env, "@user_"+string(pair[1]))
		if err != nil {
			t.Fatalf("%s: resolve: %v", pair[0], err)
		}
		for w := range workers {
			wg.Go(func() {
				for i := w; i < n; i += workers {
					if _, err := telegram.SendMessage(ctx, env, peer, telegram.Outgoing{Text: fmt.Sprintf("message %d", i)}); err != nil {
						t.Errorf("%s: message %d: %v", pair[0], i, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// verify syncs every account and compares its events with the simulator's own list: each
// message that it was owed must be there exactly once, and no loss reported.
func (r *rig) verify(t *testing.T) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(r.users)) {
		r.sync(t, id)
		r.compare(t, id)
	}
}

func (r *rig) compare(t *testing.T, id fleet.AccountID) {
	t.Helper()
	want := map[string]bool{}
	for _, e := range r.sim.Ledger().Entries(0) {
		if e.UserID == r.users[id] && e.Kind == "message_new" {
			want[fmt.Sprintf("%s:%s:%d", e.Box, tlupdates.KindMessageNew, e.MessageID)] = true
		}
	}
	r.log.locked(func() {
		got := map[string]int{}
		for _, event := range r.log.ids(id, tlupdates.KindMessageNew) {
			got[event]++
		}
		missing, twice, extra := 0, 0, 0
		for event := range want {
			if got[event] == 0 {
				missing++
			}
		}
		for event, n := range got {
			if n > 1 {
				twice++
			}
			if !want[event] {
				extra++
			}
		}
		if missing+twice+extra > 0 {
			t.Errorf("%s: of %d messages %d are missing, %d came twice, %d were never sent", id, len(want), missing, twice, extra)
		}
		if gaps := r.log.ids(id, "gap"); len(gaps) > 0 {
			t.Errorf("%s: gap events %v", id, gaps)
		}
	})
}

// inject does a fault once, at the next opportunity of the account's key.
func (r *rig) inject(t *testing.T, id fleet.AccountID, f mtserver.Fault) {
	t.Helper()
	r.sim.Faults().Inject(r.key(t, id), f)
}

// dials counts the connections that the simulator has accepted.
func (r *rig) dials() int64 { return r.sim.Server().Stats().Accepted }

// tap hears of every query before the simulator answers it, and may refuse it. The hook runs
// in the simulator: it must not wait for the account.
type tap struct {
	mu    sync.Mutex
	seen  []string // names of methods
	heard chan struct{}
}

func (r *rig) tap(hook func(account int64, method string) (code int, message string)) *tap {
	p := &tap{heard: make(chan struct{})}
	names := tg.TypesMap()
	r.sim.Faults().SetRPCHook(func(c *mtserver.Call) (int, string) {
		name, _, _ := strings.Cut(names[c.Constructor()], "#")
		p.mu.Lock()
		p.seen = append(p.seen, name)
		close(p.heard)
		p.heard = make(chan struct{})
		p.mu.Unlock()
		if hook == nil {
			return 0, ""
		}
		return hook(c.KeyID, name)
	})
	return p
}

// count is how often a method was called.
func (p *tap) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, name := range p.seen {
		if name == method {
			n++
		}
	}
	return n
}

// await waits until a method was called n times.
func (p *tap) await(t *testing.T, method string, n int) {
	t.Helper()
	ctx := bounded(t)
	for {
		p.mu.Lock()
		heard := p.heard
		p.mu.Unlock()
		if p.count(method) >= n {
			return
		}
		select {
		case <-heard:
		case <-ctx.Done():
			t.Fatalf("%s was called %d times, want %d", method, p.count(method), n)
		}
	}
}

// once refuses the first n calls of a method.
func once(n int, method string, code int, message string) func(int64, string) (int, string) {
	var mu sync.Mutex
	return func(_ int64, name string) (int, string) {
		mu.Lock()
		defer mu.Unlock()
		if name != method || n == 0 {
			return 0, ""
		}
		n--
		return code, message
	}
}

// stateEvents are the changes of state that an account told of, as "state REASON".
func (r *rig) stateEvents(t *testing.T, id fleet.AccountID) []string {
	t.Helper()
	var out []string
	for _, rec := range r.log.records {
		if rec.Account != id || rec.Kind != standing.KindAccountState {
			continue
		}
		var e standing.Change
		if err := json.Unmarshal(rec.Payload, &e); err != nil {
			t.Fatalf("%s: state event: %v", id, err)
		}
		out = append(out, strings.TrimSpace(string(e.To)+" "+e.Reason))
	}
	return out
}

// awaitState waits for an event that tells of a state.
func (r *rig) awaitState(t *testing.T, id fleet.AccountID, want string) {
	t.Helper()
	r.log.await(t, fmt.Sprintf("%s: state event %q", id, want), func() bool {
		return slices.Contains(r.stateEvents(t, id), want)
	})
}

// status waits until an account has reported a state.
func (r *rig) status(t *testing.T, id fleet.AccountID, want fleet.State) standing.Status {
	t.Helper()
	ctx := bounded(t)
	for {
		select {
		case st := <-r.states.seen:
			if st.Account == id && st.State == want {
				return st
			}
		case <-ctx.Done():
			t.Fatalf("%s: no state %s; the last was %+v", id, want, r.states.of(id))
		}
	}
}

// reason is the reason of a *fleet.Error, "" for nil, else the error's text.
func reason(err error) string {
	var e *fleet.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Reason
	}
	return err.Error()
}

// nearest asks the server something harmless.
func nearest(ctx context.Context, env *Env) (*tg.NearestDC, error) {
	var dc tg.NearestDC
	err := env.Invoke(ctx, &tg.HelpGetNearestDCRequest{}, &dc)
	return &dc, err
}

// debugLog shows the log of a rig's node, when RIGLOG is set.
func debugLog(d *Deps) {
	if os.Getenv("RIGLOG") != "" {
		d.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, TimeFormat: "05.000", Output: os.Stderr})
	}
}
