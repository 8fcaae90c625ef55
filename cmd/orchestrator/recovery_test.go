package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	clientv3 "go.etcd.io/etcd/client/v3"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/simulator"
)

// openEtcd opens the embedded etcd of a node that is not running.
func (n nodeFiles) openEtcd(use func(ctx context.Context, client *clientv3.Client)) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	lock, err := embedded.Lock(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	defer lock.Close()
	e, err := embedded.Start(ctx, embedded.Config{Dir: n.dir, Lock: lock, Log: hclog.NewNullLogger()})
	if err != nil {
		n.t.Fatal(err)
	}
	defer e.Close()
	use(ctx, e.Client())
}

// outliveNode gives the ownership keys of a node that was killed a lease that lasts an hour,
// in place of its own: whoever waits for it to end waits for longer than any test.
func (n nodeFiles) outliveNode() {
	n.t.Helper()
	file := filepath.Join(n.dir, "lease")
	text, err := os.ReadFile(file)
	if err != nil {
		n.t.Fatal(err)
	}
	old, err := strconv.ParseInt(strings.TrimSpace(string(text)), 16, 64)
	if err != nil {
		n.t.Fatal(err)
	}
	n.openEtcd(func(ctx context.Context, client *clientv3.Client) {
		held, err := client.TimeToLive(ctx, clientv3.LeaseID(old), clientv3.WithAttachedKeys())
		if err != nil {
			n.t.Fatal(err)
		}
		if len(held.Keys) == 0 {
			n.t.Fatal("the dead node's lease holds no key")
		}
		hour, err := client.Grant(ctx, 3600)
		if err != nil {
			n.t.Fatal(err)
		}
		for _, key := range held.Keys {
			if _, err := client.Put(ctx, string(key), "", clientv3.WithIgnoreValue(), clientv3.WithLease(hour.ID)); err != nil {
				n.t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, []byte(strconv.FormatInt(int64(hour.ID), 16)+"\n"), 0o600); err != nil {
			n.t.Fatal(err)
		}
	})
}

// TestKilledNodeComesBackOnlineAndLosesNothing: kill -9 while messages flow, messages while it
// is down, restart. Nobody signs in again, nothing is lost, nothing comes under two ids, and
// the dead process's lease is not waited for.
func TestKilledNodeComesBackOnlineAndLosesNothing(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	anna, boris, carol := addUser(t, sim, userAnna), addUser(t, sim, userBoris), addUser(t, sim, userCarol)
	bot, err := sim.AddBot(simulator.BotSpec{Name: "helper", Username: "helper_bot", HomeDC: 3})
	if err != nil {
		t.Fatal(err)
	}
	files := newNode(t, dcFile)
	node := files.serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	node.signIn(sim, "boris", userBoris.Phone, userBoris.Password)
	node.cli("account", "add", "helper").ok()
	runCLI(t, []string{envServer + "=" + node.url, envBotToken + "=" + bot.Token}, "login", "helper", "--bot").ok()
	accounts := map[string]int64{"anna": anna.ID, "boris": boris.ID, "helper": bot.ID}
	var former string
	for name := range accounts {
		former = node.awaitState(name, v1.AccountState_ACCOUNT_STATE_ONLINE).GetStatus().GetNode()
	}

	// A reader keeps the cursor of what it has seen; carol, who is nobody's account, talks on.
	var said []string
	say := func(text string) {
		t.Helper()
		said = append(said, text)
		for _, id := range accounts {
			if _, err := sim.World().Say(carol.ID, id, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	reader := start(t, []string{envServer + "=" + node.url}, "events", "-f", "--from", "begin", "--type", "message_*", "-o", "json")
	say("first")
	for range accounts {
		reader.line(`.*"text":"first".*\n`)
	}
	for i := range 30 {
		say(fmt.Sprintf("flowing %d", i))
	}
	node.kill() // some of these are recorded, some pushed and not recorded, some not even pushed
	for i := range 10 {
		say(fmt.Sprintf("while it was down %d", i))
	}
	reader.logged("the stream broke") // it would go on at the next node
	reader.kill()
	read := reader.stdout.String()
	if i := strings.LastIndexByte(read, '\n'); i >= 0 {
		read = read[:i+1] // a line that the crash cut off was not read
	}
	before := eventsOf(t, read)
	cursor := before[len(before)-1].Cursor

	files.outliveNode()
	codes := sentCodes(sim)
	node = files.serve()
	for name := range accounts {
		if a := node.awaitOnlineAgain(name, former); a.GetStatus().GetUserId() != accounts[name] {
			t.Errorf("%s is user %d, was %d", name, a.GetStatus().GetUserId(), accounts[name])
		}
	}
	say("after it was back")
	again := start(t, []string{envServer + "=" + node.url}, "events", "-f", "--from", cursor, "--type", "message_*", "-o", "json")
	for range accounts {
		again.line(`.*"text":"after it was back".*\n`)
	}
	again.signal(os.Interrupt)
	if code := again.exit(); code != exitOK {
		t.Errorf("events: exit %d", code)
	}
	all := append(before, eventsOf(t, again.stdout.String())...)
	for name := range accounts {
		got := texts(t, all, name)
		got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "Login code") })
		if !slices.Equal(got, said) {
			t.Errorf("%s was told\n%q, want\n%q", name, got, said)
		}
	}
	if now := sentCodes(sim); now != codes {
		t.Errorf("login codes after the restart: %s, before: %s", now, codes)
	}
	match(t, node.cli("send", "anna", "@boris", "as before").ok(), `as before`)
	node.terminate()
}

// sentCodes shows whether anybody asked for a login code.
func sentCodes(sim *simulator.Simulator) string {
	var codes []string
	for _, u := range []simulator.UserSpec{userAnna, userBoris} {
		code, ok := sim.LoginCode(u.Phone)
		codes = append(codes, fmt.Sprint(code, ok))
	}
	return strings.Join(codes, " ")
}

// TestCorruptSessionIsQuarantinedAndKept: one damaged record stops one account, with a remedy;
// the others run, and the record stays as it is for whoever can repair it.
func TestCorruptSessionIsQuarantinedAndKept(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	addUser(t, sim, userBoris)
	files := newNode(t, dcFile)
	node := files.serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	node.signIn(sim, "boris", userBoris.Phone, userBoris.Password)
	former := node.awaitState("boris", v1.AccountState_ACCOUNT_STATE_ONLINE).GetStatus().GetNode()
	node.terminate()

	var damaged []byte
	files.openEtcd(func(ctx context.Context, client *clientv3.Client) {
		damaged = sessionOf(ctx, t, client, "anna")
		damaged[len(damaged)-1] ^= 1
		if _, err := client.Put(ctx, "session/anna", string(damaged)); err != nil {
			t.Fatal(err)
		}
	})

	node = files.serve()
	status := node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_QUARANTINED).GetStatus()
	if status.GetReason() != "SESSION_CORRUPT" || status.GetMessage() == "" {
		t.Errorf("got %v", status)
	}
	shown := node.cli("account", "get", "anna").ok()
	match(t, shown, `(?m)^anna +quarantined +SESSION_CORRUPT `, `(?i)restore|backup|sign`)
	node.awaitOnlineAgain("boris", former)
	match(t, node.cli("send", "boris", "@anna", "are you there").ok(), "are you there")
	node.cli("send", "anna", "@boris", "no").fails(exitFailed, "anna")
	// A login must not quietly replace what may be repaired.
	node.cli("login", "anna", "--phone", userAnna.Phone, "--request").fails(exitFailed, "SESSION_CORRUPT")
	node.terminate()

	files.openEtcd(func(ctx context.Context, client *clientv3.Client) {
		if got := sessionOf(ctx, t, client, "anna"); string(got) != string(damaged) {
			t.Error("the damaged record was overwritten")
		}
	})
}

func sessionOf(ctx context.Context, t *testing.T, client *clientv3.Client, account string) []byte {
	t.Helper()
	r, err := client.Get(ctx, "session/"+account)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Kvs) != 1 {
		t.Fatalf("%s has %d session records", account, len(r.Kvs))
	}
	return r.Kvs[0].Value
}

// TestServeEndsGracefullyBySignal: the state is saved and the next start finds it.
func TestServeEndsGracefullyBySignal(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	files := newNode(t, dcFile)
	node := files.serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	former := node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE).GetStatus().GetNode()
	follower := start(t, []string{envServer + "=" + node.url}, "events", "-f", "--from", "begin", "-o", "json")
	addUser(t, sim, userCarol)
	node.signal(syscall.SIGTERM)
	if code := node.exit(); code != exitOK {
		t.Errorf("serve: exit %d", code)
	}
	node.logged(`shutting down`)
	// Whoever follows is told that the node went away, and how.
	if code := follower.exit(); code != exitNoServer && code != exitFailed {
		t.Errorf("events -f: exit %d\n%s", code, follower.stderr)
	}
	match(t, follower.stderr.String(), `(?m)^orchestrator: error: .+`)
	node = files.serve()
	node.awaitOnlineAgain("anna", former)
	node.terminate()
}
