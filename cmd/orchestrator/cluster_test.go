package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/faultproxy"
	"github.com/telefleet/orchestrator/simulator"
)

const (
	// outage bounds a call whose account's node is gone: far longer than the takeover of the
	// profile fast on a slow machine.
	outage = 90 * time.Second
	// rhythm is how often each account says something.
	rhythm = 150 * time.Millisecond
	// testSeed decides who is struck, how, and after how many messages.
	testSeed = 3
)

// testCluster is three nodes over one etcd and one NATS, and accounts that talk to each other.
// Clients know the nodes as ports 1 to 3 of 127.0.0.1, wherever their present process listens.
type testCluster struct {
	t     *testing.T
	sim   *simulator.Simulator
	files map[string]nodeFiles
	names []string // of the nodes
	draw  *mathrand.Rand
	// links are each node's ways to etcd.
	links map[string]*faultproxy.Proxy
	// sleepers are accounts that nobody hears of: nothing but the fence stops a former owner of
	// theirs, which has no event to append and no session to save.
	sleepers []string
	*conversation

	mu      sync.Mutex
	running map[string]server
}

// startCluster starts etcd, NATS and three nodes, and signs the accounts in by way of all nodes.
func startCluster(t *testing.T, accounts int) *testCluster {
	t.Helper()
	sim, dcFile := startSimulator(t)
	shared := startServices(t, dcFile)
	c := &testCluster{
		t: t, sim: sim, names: []string{"node-1", "node-2", "node-3"}, draw: mathrand.New(mathrand.NewPCG(testSeed, 0)),
		files: map[string]nodeFiles{}, running: map[string]server{}, links: map[string]*faultproxy.Proxy{}, conversation: newConversation(),
	}
	for _, name := range c.names {
		c.files[name] = shared.node(name, "http://"+c.link(name, shared.etcd), shared.nats)
	}
	for _, name := range c.names {
		c.start(name)
	}
	var starting sync.WaitGroup
	sign := func(name string, i int) simulator.User {
		user := addUser(t, sim, simulator.UserSpec{Phone: fmt.Sprintf("+1555%07d", i), Username: fmt.Sprintf("person%02d", i), HomeDC: 1 + i%3})
		sdk := c.client(c.names[i%3])
		starting.Go(func() { c.logIn(sdk, name, user.Phone) })
		return user
	}
	for i := range accounts {
		name := fmt.Sprintf("acc-%02d", i)
		user := sign(name, i)
		c.accountOf[user.ID] = name
		c.accounts, c.usernames = append(c.accounts, name), append(c.usernames, user.Username)
	}
	for i := range 2 {
		c.sleepers = append(c.sleepers, fmt.Sprintf("sleeper-%d", i))
		sign(c.sleepers[i], accounts+i)
	}
	starting.Wait()
	return c
}

// link makes a node's way to etcd, which can be cut, and returns its address.
func (c *testCluster) link(name, etcd string) string {
	c.t.Helper()
	p, err := faultproxy.Start(context.Background(), strings.TrimPrefix(etcd, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = p.Close() })
	c.links[name] = p
	return p.Addr()
}

func (c *testCluster) logIn(sdk *client.Client, account, phone string) {
	if _, err := sdk.CreateAccount(c.within(), &v1.Account{Id: account}); err != nil {
		c.t.Errorf("create %s: %v", account, err)
		return
	}
	_, err := sdk.Account(account).LogIn(c.within(), phone, client.Prompts{
		Code: func(context.Context, *client.CodeSent, error) (string, error) {
			code, _ := c.sim.LoginCode(phone)
			return code, nil
		},
	})
	if err != nil {
		c.t.Errorf("log in %s: %v", account, err)
	}
}

// start runs a node's process, the first or a further one.
func (c *testCluster) start(name string) {
	c.t.Helper()
	s := c.files[name].serve()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[name] = s
}

// dial takes a node's number for the address of its present process.
func (c *testCluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	s, ok := c.running["node-"+strings.TrimPrefix(address, "127.0.0.1:")]
	c.mu.Unlock()
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, s.url[len("http://"):])
}

// client is the SDK over some of the nodes.
func (c *testCluster) client(names ...string) *client.Client {
	c.t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		DialContext: c.dial, Protocols: &protocols,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 2 * time.Second}, // finds a frozen node
	}
	var urls []string
	for _, name := range names {
		urls = append(urls, "http://127.0.0.1:"+strings.TrimPrefix(name, "node-"))
	}
	sdk, err := client.New(urls, client.WithTransport(transport), client.WithRetry(outage))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		sdk.Close()
		transport.CloseIdleConnections()
	})
	return sdk
}

// within bounds one wait.
func (c *testCluster) within() context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), outage)
	c.t.Cleanup(cancel)
	return ctx
}

// eventually polls until there is nothing left to complain of.
func (c *testCluster) eventually(complaint func() string) {
	c.t.Helper()
	limit := time.NewTimer(outage)
	defer limit.Stop()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		text := complaint()
		if text == "" {
			return
		}
		select {
		case <-poll.C:
		case <-limit.C:
			c.t.Fatal(text)
		}
	}
}

// everyNodeHasItsShare: three nodes with at least half of a fair share each (placement makes no
// needless moves), every account online at a node that lives.
func (c *testCluster) everyNodeHasItsShare(sdk *client.Client) {
	c.t.Helper()
	c.eventually(func() string {
		nodes, err := sdk.Nodes(c.within())
		if err != nil {
			return err.Error()
		}
		owned := map[string]int{}
		for _, n := range nodes {
			owned[n.GetId()] = 0
		}
		for a, err := range sdk.Accounts(c.within(), "") {
			s := a.GetStatus()
			if _, alive := owned[s.GetNode()]; err != nil || !alive || s.GetState() != v1.AccountState_ACCOUNT_STATE_ONLINE {
				return fmt.Sprintf("%s is %s at %q of %v: %v", a.GetId(), s.GetState(), s.GetNode(), slices.Collect(maps.Keys(owned)), err)
			}
			owned[s.GetNode()]++
		}
		counts := slices.Sorted(maps.Values(owned))
		if len(counts) != len(c.names) || counts[0] == 0 || 2*counts[0]*len(counts) < len(c.accounts) {
			return fmt.Sprintf("accounts of the nodes: %v", owned)
		}
		return ""
	})
}

// conversation is what accounts have said and what the cluster told of it.
type conversation struct {
	accounts, usernames []string
	accountOf           map[int64]string // by Telegram's id

	state sync.Mutex
	wake  chan struct{}        // closed and replaced by every change
	sent  int                  // messages that were confirmed
	begun map[string]time.Time // when the account's last confirmed message was begun
	seen  map[seenKey]map[string]bool
	last  map[string]int // each account's highest message id
	swaps int            // messages that came behind younger ones
}

func newConversation() *conversation {
	return &conversation{
		accountOf: map[int64]string{}, wake: make(chan struct{}), begun: map[string]time.Time{},
		seen: map[seenKey]map[string]bool{}, last: map[string]int{},
	}
}

// note changes the state and wakes who waits for it.
func (c *conversation) note(change func()) {
	c.state.Lock()
	defer c.state.Unlock()
	change()
	close(c.wake)
	c.wake = make(chan struct{})
}

// until waits for a state.
func (c *testCluster) until(what string, is func() bool) {
	c.t.Helper()
	limit := time.NewTimer(outage)
	defer limit.Stop()
	for {
		c.noKeyIsLost()
		c.state.Lock()
		done, wake := is(), c.wake
		c.state.Unlock()
		if done {
			return
		}
		select {
		case <-wake:
		case <-limit.C:
			c.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// noKeyIsLost asks the referee.
func (c *testCluster) noKeyIsLost() {
	c.t.Helper()
	if r := c.sim.Referee().Counts(); r.Duplicated != 0 || r.Overlaps != 0 {
		c.t.Fatalf("referee: %d keys killed by a second owner, %d overlaps", r.Duplicated, r.Overlaps)
	}
}

// talk lets an account write to all others in turn until the talk is over. A message that has
// begun is finished.
func (c *testCluster) talk(sdk *client.Client, i int, over <-chan struct{}) {
	tick := time.NewTicker(rhythm)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		to := (i + 1 + n%(len(c.accounts)-1)) % len(c.accounts)
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), outage)
		_, err := sdk.Account(c.accounts[i]).SendMessage(ctx, "@"+c.usernames[to], client.Text(fmt.Sprintf("%s %d", c.accounts[i], n)))
		cancel()
		if err != nil {
			c.t.Errorf("%s, message %d, after %s: %v", c.accounts[i], n, time.Since(began), err)
			return
		}
		c.note(func() { c.sent++; c.begun[c.accounts[i]] = began })
	}
}

// read collects the events of all accounts from the beginning, by cursor over all nodes.
func (c *testCluster) read(ctx context.Context, sdk *client.Client) {
	for e, err := range sdk.Events(ctx, client.EventOptions{From: client.Begin, Kinds: []string{"message_new", "gap"}}) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.t.Errorf("events: %v", err)
			return
		}
		if e.GetGap() != nil { // none has to happen
			c.t.Errorf("%s has a gap: %v", e.GetAccount(), e.GetGap())
			continue
		}
		key := seenKey{account: e.GetAccount(), messageID: int(e.GetMessageNew().GetId())}
		c.note(func() {
			if c.seen[key] == nil {
				c.seen[key] = map[string]bool{}
				if key.messageID < c.last[key.account] {
					c.swaps++
				}
				c.last[key.account] = max(c.last[key.account], key.messageID)
			}
			c.seen[key][e.GetId()] = true
		})
	}
}

// missing counts what the ledger says is owed and was not told; the state is held.
func (c *testCluster) missing() (owed, lost, out int) {
	for _, e := range c.sim.Ledger().Entries(0) {
		account, ours := c.accountOf[e.UserID]
		if !ours || e.Kind != "message_new" || c.accountOf[e.FromID] == "" {
			continue
		}
		owed++
		if e.Out {
			out++
		}
		if len(c.seen[seenKey{account: account, messageID: e.MessageID}]) == 0 {
			lost++
		}
	}
	return owed, lost, out
}

// fault is something that happens to a node.
type fault struct {
	name   string
	strike func(c *testCluster, name string)
	// over lets the node come back.
	over func(c *testCluster, name string)
	// alive says that the process lives on: a node that has a sleeper is struck.
	alive bool
}

var (
	faultKill = fault{"kill -9", func(c *testCluster, name string) { c.running[name].kill() }, (*testCluster).start, false}
	faultTerm = fault{"SIGTERM", func(c *testCluster, name string) {
		c.running[name].signal(syscall.SIGTERM)
		if code := c.running[name].exit(); code != exitOK {
			c.t.Errorf("%s: exit %d after SIGTERM", name, code)
		}
	}, (*testCluster).start, false}
	// faultFreeze stops a process past its lease and lets it go on: the server's own
	// ping_delay_disconnect may close its sockets before fencing has to.
	faultFreeze = fault{"SIGSTOP", func(c *testCluster, name string) { c.running[name].signal(syscall.SIGSTOP) },
		func(c *testCluster, name string) { c.running[name].signal(syscall.SIGCONT) }, true}
	// faultCut takes etcd from a node that still reaches Telegram. It is told of nothing: only its
	// own deadline makes it let go of its sockets before the next owner dials.
	faultCut = fault{"a cut from etcd", func(c *testCluster, name string) { c.links[name].BlackHole(faultproxy.Both) },
		func(c *testCluster, name string) { c.links[name].BlackHole(faultproxy.None) }, true}
)

// home is the name of the node that an account lives on.
func (c *testCluster) home(sdk *client.Client, account string) string {
	c.t.Helper()
	a, err := sdk.Account(account).Get(c.within())
	if err != nil {
		c.t.Fatal(err)
	}
	nodes, err := sdk.Nodes(c.within())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range nodes {
		if n.GetId() == a.GetStatus().GetNode() {
			return n.GetName()
		}
	}
	c.t.Fatalf("%s lives on %q, which is none of %v", account, a.GetStatus().GetNode(), nodes)
	return ""
}

// sleeperLeaves waits until the others have taken a sleeper over from a node that lives on.
func (c *testCluster) sleeperLeaves(name string) {
	c.t.Helper()
	var others []string
	for _, n := range c.names {
		if n != name {
			others = append(others, n)
		}
	}
	sdk := c.client(others...)
	former, err := sdk.Account(c.sleepers[0]).Get(c.within())
	if err != nil {
		c.t.Fatal(err)
	}
	c.eventually(func() string {
		c.noKeyIsLost()
		now, err := sdk.Account(c.sleepers[0]).Get(c.within())
		if err != nil || now.GetStatus().GetNode() == former.GetStatus().GetNode() || now.GetStatus().GetState() != v1.AccountState_ACCOUNT_STATE_ONLINE {
			return fmt.Sprintf("%s stays at %s: %v, %v", c.sleepers[0], name, now, err)
		}
		return ""
	})
}

// suffer strikes a drawn node after a drawn number of messages, waits until every account has
// said something that it began afterwards, and brings the node back.
func (c *testCluster) suffer(f fault, sdk *client.Client) {
	c.t.Helper()
	c.state.Lock()
	more := c.sent + len(c.accounts) + c.draw.IntN(5*len(c.accounts))
	c.state.Unlock()
	c.until("messages flow", func() bool { return c.sent >= more || c.t.Failed() })
	name := c.names[c.draw.IntN(len(c.names))]
	if f.alive {
		name = c.home(sdk, c.sleepers[0])
	}
	began := time.Now()
	f.strike(c, name)
	if f.alive {
		c.sleeperLeaves(name)
	}
	struck := time.Now()
	gone := struck.Sub(began)
	c.until("every account has spoken after "+f.name, func() bool {
		for _, a := range c.accounts {
			if c.begun[a].Before(struck) {
				return c.t.Failed()
			}
		}
		return true
	})
	c.t.Logf("%s of %s: gone after %s, every account spoke again after %s", f.name, name, gone.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	f.over(c, name)
	back := time.Now()
	c.everyNodeHasItsShare(sdk)
	c.t.Logf("%s had its share after %s", name, time.Since(back).Round(time.Millisecond))
}

// TestClusterLosesNoNodeAndNoMessage: accounts talk all the time over three processes of which
// some are killed, some shut down, one is frozen and one cut off. No key is used twice, nothing is lost or said twice, and
// everybody is online at the end.
func TestClusterLosesNoNodeAndNoMessage(t *testing.T) {
	t.Parallel()
	accounts, faults := 6, []fault{faultTerm, faultKill, faultCut}
	if long {
		accounts = 30
		faults = []fault{faultKill, faultTerm, faultKill, faultCut, faultKill, faultTerm, faultFreeze, faultKill, faultKill}
	}
	c := startCluster(t, accounts)
	if t.Failed() {
		return
	}
	sdk := c.client(c.names...)
	c.everyNodeHasItsShare(sdk)
	c.everyNodeTellsTheSame()
	c.everyNodeTakesCommands()

	var talking, reading sync.WaitGroup
	readCtx, endReading := context.WithCancel(t.Context())
	reading.Go(func() { c.read(readCtx, sdk) })
	over := make(chan struct{})
	for i := range c.accounts {
		talker := c.client(c.names[i%3], c.names[(i+1)%3], c.names[(i+2)%3])
		talking.Go(func() { c.talk(talker, i, over) })
	}
	end := sync.OnceFunc(func() { close(over); talking.Wait() })
	defer reading.Wait()
	defer endReading()
	defer end()
	for _, f := range faults {
		c.suffer(f, sdk)
	}
	end()
	for _, a := range c.accounts {
		if _, err := sdk.Account(a).Sync(c.within(), false); err != nil {
			t.Errorf("%s catches up: %v", a, err)
		}
	}
	c.until("all events were told", func() bool { _, lost, _ := c.missing(); return lost == 0 })
	c.everyNodeTellsTheSame()
	endReading()
	reading.Wait()
	c.judge()
}

// TestClusterTestFailsWithoutFencing: the same test, in its short form, over a binary without the
// fence (build tag unfenced) must find keys that two nodes used.
func TestClusterTestFailsWithoutFencing(t *testing.T) {
	t.Parallel()
	if !long {
		t.Skip("builds a binary of its own and waits for real leases: make test-long runs it")
	}
	unfenced := filepath.Join(t.TempDir(), "unfenced")
	if out, err := exec.Command("go", "build", "-tags", "unfenced", "-o", unfenced, ".").CombinedOutput(); err != nil {
		t.Fatalf("build without the fence: %v\n%s", err, out)
	}
	again := exec.Command(os.Args[0], "-test.run", "^TestClusterLosesNoNodeAndNoMessage$", "-test.v")
	again.Env = append(os.Environ(), envBinary+"="+unfenced) // without envLong, of which TestMain has cleared the environment
	out, err := again.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "keys killed by a second owner") {
		t.Errorf("the test passed without the fence, or failed of something else: %v\n%s", err, tail(string(out)))
	}
}

func (c *testCluster) judge() {
	c.t.Helper()
	owed, lost, out := c.missing()
	twice := 0
	for _, ids := range c.seen {
		twice += len(ids) - 1
	}
	c.t.Logf("%d messages sent, %d events owed, %d lost, %d under two ids, %d out of order; referee %+v",
		c.sent, owed, lost, twice, c.swaps, c.sim.Referee().Counts())
	c.noKeyIsLost()
	if lost != 0 || twice != 0 || c.swaps != 0 {
		c.t.Errorf("of %d events %d were lost, %d came under two ids, %d out of order", owed, lost, twice, c.swaps)
	}
	if out != c.sent {
		c.t.Errorf("%d messages were confirmed and Telegram has %d", c.sent, out)
	}
}

// everyNodeTakesCommands: an account works by way of each node, the owner and the others.
func (c *testCluster) everyNodeTakesCommands() {
	c.t.Helper()
	for _, name := range c.names {
		one := c.client(name)
		for i, a := range c.accounts[:3] {
			me, err := one.Account(a).Me(c.within())
			if err != nil || me.GetUsername() != c.usernames[i] {
				c.t.Errorf("%s by way of %s: %v, %v", a, name, me, err)
			}
			if _, err := one.Account(a).SendMessage(c.within(), client.Self, client.Text("by way of "+name)); err != nil {
				c.t.Errorf("%s sends by way of %s: %v", a, name, err)
			}
			c.note(func() { c.sent++ })
		}
	}
}

// everyNodeTellsTheSame: lists and watches of accounts agree over the nodes.
func (c *testCluster) everyNodeTellsTheSame() {
	c.t.Helper()
	c.eventually(func() string { // what changes between two lists is told by the next ones
		var first []*v1.Account
		for _, name := range c.names {
			one := c.client(name)
			listed, watched := c.listed(one), c.watched(one)
			if first == nil {
				first = listed
			}
			for _, l := range [][]*v1.Account{listed, watched} {
				if len(l) != len(c.accounts)+len(c.sleepers) || !slices.EqualFunc(first, l, func(a, b *v1.Account) bool { return proto.Equal(a, b) }) {
					return fmt.Sprintf("%s tells %v, the first node %v", name, l, first)
				}
			}
			one.Close()
		}
		return ""
	})
}

func (c *testCluster) listed(sdk *client.Client) []*v1.Account {
	c.t.Helper()
	var list []*v1.Account
	for a, err := range sdk.Accounts(c.within(), "") {
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

// watched is the snapshot with which a watch begins.
func (c *testCluster) watched(sdk *client.Client) []*v1.Account {
	c.t.Helper()
	var list []*v1.Account
	for change, err := range sdk.WatchAccounts(c.within(), client.WatchOptions{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		if change.Kind == client.Synced {
			break
		}
		list = append(list, change.Resource)
	}
	slices.SortFunc(list, func(a, b *v1.Account) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return list
}
