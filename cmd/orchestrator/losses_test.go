package main

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// ordeal is how much of everything TestNothingIsLost does.
type ordeal struct {
	updates, accounts, groups int
	kills, powerLosses        int // a power loss is a kill, too
	window                    int // updates that may be owed and not delivered yet
	cutEvery                  time.Duration
}

var (
	shortOrdeal = ordeal{updates: 4_000, accounts: 10, groups: 2, kills: 3, powerLosses: 1, window: 1_500, cutEvery: 400 * time.Millisecond}
	longOrdeal  = ordeal{updates: 1_000_000, accounts: 200, groups: 20, kills: 20, powerLosses: 5, window: 40_000, cutEvery: 2 * time.Second}
)

const (
	groupSize  = 10
	inGroups   = 0.2 // of what is said; it counts for every member
	lostTail   = 900 * time.Millisecond
	tailSample = 50 * time.Millisecond
	spaceBack  = 128 << 20 // what must be free beyond the limit before the accounts go on
)

// TestNothingIsLost: updates are dropped, repeated and reordered, connections are cut, the node's
// process is killed again and again, sometimes with the power, a consumer stands still and the
// disk fills. Each update that the simulator numbered arrives, under one id, and in its order.
func TestNothingIsLost(t *testing.T) {
	o := shortOrdeal
	if long {
		o = longOrdeal
	}
	began := time.Now()
	w := newOrdealWorld(t, t.TempDir(), o)
	step := func(what string) { t.Logf("%s: %s", time.Since(began).Round(100*time.Millisecond), what) }
	step("node")
	w.signIn()
	step("signed in")
	w.warmUp()
	step("warm")
	w.breakNetwork(true)
	idle := w.follow() // stands still in the middle of the run, and catches up
	idle.pause()
	power := o.powerLosses
	for i := range o.kills {
		w.talk(o.updates / (o.kills + 1))
		step("talked")
		w.node.kill()
		if left := o.kills - i; power > 0 && w.rng.IntN(left) < power {
			power--
			w.loseTail()
		}
		if i == o.kills/2 {
			w.fillDisk()
			continue
		}
		w.restart(1)
		step("restarted")
	}
	idle.resume()
	w.talk(o.updates - w.owed())
	w.sim.Faults().SetPush(mtserver.PushFaults{})
	w.sim.Faults().SetCutEvery(0)
	step("said all")
	w.level()
	step("level")
	for name, r := range map[string]*recorder{"the reader": w.reader, "the slow reader": idle} {
		r.await(w.owed())
		r.judge(name, w.sim.Ledger().Entries(w.since), w.accountOf)
	}
	if c := w.sim.Referee().Counts(); c.Duplicated > 0 {
		t.Errorf("%d auth keys were used on two connections", c.Duplicated)
	}
	f := w.sim.Faults().Counters()
	t.Logf("%d updates, %d repeated to the reader, %d kills, %d with the power; %d cuts, %d dropped, %d repeated, %d reordered; %s",
		w.owed(), w.reader.repeats, o.kills, o.powerLosses, f.Cuts, f.Dropped, f.Repeated, f.Reordered, time.Since(began).Round(time.Second))
	w.node.terminate()
}

// ordealWorld is a simulator full of people, a node, and who reads its events.
type ordealWorld struct {
	t         *testing.T
	o         ordeal
	rng       *rand.Rand
	sim       *simulator.Simulator
	files     nodeFiles
	node      server
	talker    int64            // somebody who is no account of ours
	accounts  []string         // in order
	userOf    map[string]int64 //
	accountOf map[int64]string
	groups    []int64
	since     uint64 // of the ledger
	reader    *recorder
	readers   []*recorder
	tails     *tails
}

// newOrdealWorld starts them; the node's data is in root.
func newOrdealWorld(t *testing.T, root string, o ordeal) *ordealWorld {
	t.Helper()
	sim, err := simulator.Start(context.Background(), simulator.Config{Seed: 6, Model: model.Config{
		DifferenceTooLong: 1 << 20, ChannelTooLong: 1 << 20, LedgerSize: 4 * o.updates,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	file := filepath.Join(t.TempDir(), "dcs.json")
	if err := sim.WriteDCFile(file); err != nil {
		t.Fatal(err)
	}
	w := &ordealWorld{t: t, o: o, rng: rand.New(rand.NewPCG(6, 6)), sim: sim, files: newNodeIn(t, root, file), userOf: map[string]int64{}, accountOf: map[int64]string{}}
	w.talker = addUser(t, sim, simulator.UserSpec{Phone: "+15559999999", Username: "talker", HomeDC: 1}).ID
	w.node = w.files.serve()
	w.tails = watchTails(t, w.files.dir)
	return w
}

// signIn makes the accounts, every second one a bot, and the groups that they are in.
func (w *ordealWorld) signIn() {
	w.t.Helper()
	var group errgroup.Group
	group.SetLimit(8)
	for i := range w.o.accounts {
		name := fmt.Sprintf("account-%03d", i)
		w.accounts = append(w.accounts, name)
		if i%2 == 0 {
			bot, err := w.sim.AddBot(simulator.BotSpec{Name: name, Username: fmt.Sprintf("ordeal%03d_bot", i), HomeDC: 1 + i%3})
			if err != nil {
				w.t.Fatal(err)
			}
			w.userOf[name], w.accountOf[bot.ID] = bot.ID, name
			group.Go(func() error { return w.signInBot(name, bot.Token) })
			continue
		}
		phone := fmt.Sprintf("+1555%07d", i)
		user := addUser(w.t, w.sim, simulator.UserSpec{Phone: phone, Username: fmt.Sprintf("ordeal%03d", i), HomeDC: 1 + i%3})
		w.userOf[name], w.accountOf[user.ID] = user.ID, name
		group.Go(func() error { return w.signInUser(name, phone) })
	}
	if err := group.Wait(); err != nil {
		w.t.Fatal(err)
	}
	for i := range w.o.groups {
		members := []int64{w.talker}
		for j := range groupSize {
			members = append(members, w.userOf[w.accounts[(i*groupSize+j)%len(w.accounts)]])
		}
		id, err := w.sim.World().Gather(fmt.Sprintf("group %d", i), members...)
		if err != nil {
			w.t.Fatal(err)
		}
		w.groups = append(w.groups, id)
	}
}

func (w *ordealWorld) signInBot(name, token string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*patience)
	defer cancel()
	if _, err := w.node.fleet().CreateAccount(ctx, &v1.CreateAccountRequest{Id: name}); err != nil {
		return err
	}
	_, err := w.node.auth().BotSignIn(ctx, &v1.BotSignInRequest{Account: name, BotToken: token})
	return err
}

func (w *ordealWorld) signInUser(name, phone string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*patience)
	defer cancel()
	if _, err := w.node.fleet().CreateAccount(ctx, &v1.CreateAccountRequest{Id: name}); err != nil {
		return err
	}
	asked, err := w.node.auth().RequestCode(ctx, &v1.RequestCodeRequest{Account: name, PhoneNumber: phone})
	if err != nil {
		return err
	}
	code, ok := w.sim.LoginCode(phone)
	if !ok {
		return fmt.Errorf("no code was sent to %s", name)
	}
	_, err = w.node.auth().SignIn(ctx, &v1.SignInRequest{Account: name, Token: asked.GetCode().GetToken(), Code: code})
	return err
}

// warmUp waits until every account has heard something in every group: a channel begins with the
// first update that an account hears of.
func (w *ordealWorld) warmUp() {
	w.t.Helper()
	w.since = w.sim.Ledger().Last()
	w.reader = w.follow()
	for _, id := range w.groups {
		w.post(id)
	}
	w.reader.await(w.owed())
}

func (w *ordealWorld) follow() *recorder {
	r := &recorder{t: w.t, told: map[seenKey]uint64{}, last: map[string]int{}, url: w.node.url, changed: make(chan struct{})}
	w.readers = append(w.readers, r)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		r.run(ctx)
	}()
	return r
}

func (w *ordealWorld) post(group int64) {
	if _, err := w.sim.World().Post(w.talker, group, fmt.Sprintf("message %d", w.rng.Int())); err != nil {
		w.t.Fatal(err)
	}
}

// owed counts the new messages that our accounts are owed since the warm-up.
func (w *ordealWorld) owed() int { return int(w.sim.Ledger().Last() - w.since) }

// talk makes n updates happen, never more than the window ahead of the reader.
func (w *ordealWorld) talk(n int) {
	w.t.Helper()
	for end := w.owed() + n; w.owed() < end; {
		w.reader.await(w.owed() - w.o.window)
		if w.rng.Float64() < inGroups/groupSize {
			w.post(w.groups[w.rng.IntN(len(w.groups))])
			continue
		}
		to := w.userOf[w.accounts[w.rng.IntN(len(w.accounts))]]
		if _, err := w.sim.World().Say(w.talker, to, fmt.Sprintf("message %d", w.rng.Int())); err != nil {
			w.t.Fatal(err)
		}
	}
}

// restart starts the killed node again, with so many bytes of the disk to be kept free.
func (w *ordealWorld) restart(minFree uint64) {
	w.t.Helper()
	text, err := os.ReadFile(w.files.config)
	if err != nil {
		w.t.Fatal(err)
	}
	text = regexp.MustCompile(`min_free_bytes: \d+`).ReplaceAll(text, fmt.Appendf(nil, "min_free_bytes: %d", minFree))
	if err := os.WriteFile(w.files.config, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.node = w.files.serve()
	for _, r := range w.readers {
		r.moved(w.node.url)
	}
}

func (w *ordealWorld) breakNetwork(on bool) {
	if !on {
		w.sim.Faults().SetPush(mtserver.PushFaults{})
		w.sim.Faults().SetCutEvery(0)
		return
	}
	w.sim.Faults().SetPush(mtserver.PushFaults{Drop: 0.03, Repeat: 0.03, Reorder: 0.03, Delay: 0.03})
	w.sim.Faults().SetCutEvery(w.o.cutEvery)
}

// fillDisk restarts the node on a disk that is nearly full, fills it until the accounts are paused
// while people talk on, and frees it again. Others write to the disk, too.
func (w *ordealWorld) fillDisk() {
	w.t.Helper()
	// The last push of all must not be dropped: nobody would miss it for minutes. And an account that
	// is cut off again and again waits up to a minute for its next dial.
	w.breakNetwork(false)
	defer w.breakNetwork(true)
	const room = 1 << 30
	minFree := w.free() - room
	w.restart(minFree)
	full := func() bool { return strings.Contains(w.node.stderr.String(), "low disk space") }
	w.until("the accounts are back", func() bool { return w.reader.has(w.owed()) || full() })
	ballast, err := os.Create(filepath.Join(w.files.dir, "ballast"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer ballast.Close()
	for range w.o.window / 4 {
		if _, err := w.sim.World().Say(w.talker, w.userOf[w.accounts[w.rng.IntN(len(w.accounts))]], "message on a full disk"); err != nil {
			w.t.Fatal(err)
		}
	}
	size := int64(0)
	w.until("the accounts are paused", func() bool {
		if free := w.free(); free >= minFree {
			size += int64(free-minFree) + 16<<20
			if err := unix.Fallocate(int(ballast.Fd()), 0, 0, size); err != nil {
				w.t.Fatal(err)
			}
		}
		if _, err := w.sim.World().Say(w.talker, w.userOf[w.accounts[0]], "message on a full disk"); err != nil {
			w.t.Fatal(err)
		}
		return full()
	})
	if err := os.Remove(ballast.Name()); err != nil {
		w.t.Fatal(err)
	}
	ballast.Close()
	w.until("what was said on the full disk is told", func() bool {
		if w.reader.has(w.owed()) {
			return true
		}
		if w.free() < minFree+spaceBack { // somebody else has filled it meanwhile
			w.node.kill()
			minFree = 1
			w.restart(minFree)
		}
		return false
	})
}

// until asks now and then whether something has come about, as long as the reader hears news.
func (w *ordealWorld) until(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(3 * patience)
	defer limit.Stop()
	for heard := 0; !ok(); {
		if w.reader.has(heard + 1) {
			heard = w.reader.heard()
			limit.Reset(3 * patience)
		}
		select {
		case <-tick.C:
		case <-limit.C:
			w.t.Fatalf("not within %s: %s", 3*patience, what)
		}
	}
}

func (w *ordealWorld) free() uint64 {
	w.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(w.files.dir, &st); err != nil {
		w.t.Fatal(err)
	}
	return st.Bavail * uint64(st.Bsize)
}

// loseTail takes from the dead node's event log what had not reached the disk for sure.
func (w *ordealWorld) loseTail() {
	w.t.Helper()
	if n := w.tails.cut(time.Now().Add(-lostTail)); n > 0 {
		w.t.Logf("power loss: %d bytes of the event log are gone", n)
	}
}

// level lets every account catch up.
func (w *ordealWorld) level() {
	w.t.Helper()
	sessions := orchestratorv1connect.NewSessionServiceClient(http.DefaultClient, w.node.url)
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*patience)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(16)
	for _, name := range w.accounts {
		group.Go(func() error {
			for {
				_, err := sessions.SyncUpdates(ctx, &v1.SyncUpdatesRequest{Account: name})
				if err == nil || ctx.Err() != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		w.t.Fatalf("catch up: %v", err)
	}
}

// recorder reads all events, from its last cursor again whenever a node goes away, and notes what
// it was told.
type recorder struct {
	t *testing.T

	mu      sync.Mutex
	url     string
	paused  chan struct{} // closed by resume; nil when it runs
	cursor  string
	told    map[seenKey]uint64 // hash of the event's id
	last    map[string]int     // greatest message id, by account and box
	repeats int
	faults  []string
	gaps    []string
	changed chan struct{}
}

// shout wakes those who wait; the lock is held.
func (r *recorder) shout() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) moved(url string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.url = url
	r.shout()
}

// pause lets it take no event, on an open stream, until resume.
func (r *recorder) pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = make(chan struct{})
}

func (r *recorder) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.paused)
	r.paused = nil
}

func (r *recorder) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		url, from, changed := r.url, cmp.Or(r.cursor, "begin"), r.changed
		r.mu.Unlock()
		events := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url)
		stream, err := events.Subscribe(ctx, &v1.SubscribeRequest{Position: from, Kinds: []string{"message_new", "gap"}})
		if err == nil {
			for stream.Receive() {
				r.take(ctx, stream.Msg().GetEvent())
			}
			_ = stream.Close()
		}
		again := time.NewTimer(100 * time.Millisecond)
		select { // the next node, or the same one a little later
		case <-changed:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
	}
}

func (r *recorder) take(ctx context.Context, e *v1.Event) {
	if e == nil {
		return
	}
	r.mu.Lock()
	paused := r.paused
	r.mu.Unlock()
	if paused != nil {
		select {
		case <-paused:
		case <-ctx.Done():
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.shout()
	r.cursor = e.GetCursor()
	if g := e.GetGap(); g != nil {
		r.gaps = append(r.gaps, fmt.Sprintf("%s: %v", e.GetAccount(), g))
		return
	}
	m := e.GetMessageNew()
	if !strings.Contains(m.GetText(), "message ") {
		return // login codes, service messages
	}
	key := seenKey{account: e.GetAccount(), messageID: int(m.GetId())}
	box := e.GetAccount()
	if p := m.GetPeer(); p.GetKind() == v1.PeerKind_PEER_KIND_CHANNEL {
		key.channel = p.GetId()
		box += fmt.Sprint(p.GetId())
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.GetId())) // never fails
	id, told := r.told[key]
	switch {
	case told && id == h.Sum64():
		r.repeats++
		return
	case told:
		r.faults = append(r.faults, fmt.Sprintf("%v came under two ids, now %s", key, e.GetId()))
	case key.messageID <= r.last[box]:
		r.faults = append(r.faults, fmt.Sprintf("%v came after message %d", key, r.last[box]))
	}
	r.told[key] = h.Sum64()
	r.last[box] = max(r.last[box], key.messageID)
}

func (r *recorder) heard() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

func (r *recorder) has(n int) bool { return r.heard() >= n }

// await waits until it was told of n messages.
func (r *recorder) await(n int) {
	r.t.Helper()
	limit := time.NewTimer(3 * patience)
	defer limit.Stop()
	most := 0
	for {
		r.mu.Lock()
		have, changed := len(r.told), r.changed
		r.mu.Unlock()
		if have >= n {
			return
		}
		if have > most { // it is slow, but it moves
			most = have
			limit.Reset(3 * patience)
		}
		select {
		case <-changed:
		case <-limit.C:
			r.t.Fatalf("%d of %d messages came, and no more in %s", have, n, 3*patience)
		}
	}
}

// judge holds what came against what was owed.
func (r *recorder) judge(name string, owed []simulator.Entry, accountOf map[int64]string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := 0
	for _, e := range owed {
		key := seenKey{account: accountOf[e.UserID], messageID: e.MessageID}
		if e.ChatType == "channel" {
			key.channel = -1_000_000_000_000 - e.PeerID
		}
		if key.account == "" || e.Kind != model.KindMessageNew {
			r.t.Fatalf("the ledger owes %+v", e)
		}
		if _, ok := r.told[key]; !ok {
			if lost++; lost <= 10 {
				r.t.Errorf("%s: lost %+v", name, e)
			}
		}
	}
	if lost > 0 || len(r.faults) > 0 || len(r.gaps) > 0 || len(r.told) != len(owed) {
		r.t.Errorf("%s: of %d updates %d are lost, %d came; %d faults %.2000v; gaps %.2000v", name, len(owed), lost, len(r.told), len(r.faults), r.faults, r.gaps)
	}
}

// tails remembers how long the files of the event log were, for a while back.
type tails struct {
	t       *testing.T
	dir     string
	mu      sync.Mutex
	samples []tailSizes
}

type tailSizes struct {
	at    time.Time
	sizes map[string]int64
}

// watchTails looks at the files now and then until the test ends. What was written lostTail
// before a power loss may be lost by the rules of the log, which syncs once a second.
func watchTails(t *testing.T, dir string) *tails {
	w := &tails{t: t, dir: dir}
	stop, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(tailSample)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.sample()
			case <-stop:
				return
			}
		}
	}()
	return w
}

func (w *tails) sample() {
	s := tailSizes{at: time.Now(), sizes: w.sizes()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, s)
	keep := slices.IndexFunc(w.samples, func(s tailSizes) bool { return time.Since(s.at) < 10*time.Second })
	w.samples = w.samples[max(0, keep):]
}

// sizes are the message blocks of the stream of events.
func (w *tails) sizes() map[string]int64 {
	sizes := map[string]int64{}
	_ = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error { // files come and go
		if err != nil || d.IsDir() || filepath.Ext(path) != ".blk" || strings.Contains(path, "KV_") {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sizes[path] = info.Size()
		}
		return nil
	})
	return sizes
}

// cut brings the files back to what they were at a time, and returns how many bytes that took.
func (w *tails) cut(at time.Time) (lost int64) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.samples, at, func(s tailSizes, at time.Time) int { return s.at.Compare(at) })
	if i == len(w.samples) {
		w.t.Fatal("no sample of the log's files is young enough")
	}
	was, is := w.samples[i].sizes, w.sizes()
	for _, path := range slices.Sorted(maps.Keys(is)) {
		before, known := was[path]
		var err error
		switch {
		case !known:
			err = os.Remove(path)
		case before < is[path]:
			err = os.Truncate(path, before)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		lost += is[path] - min(before, is[path])
	}
	return lost
}
