package eventlog

import (
	"errors"
	"math"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/telefleet/orchestrator/eventlog/embedded"
	"github.com/telefleet/orchestrator/eventlog/stream"
)

func startNATS(t testing.TB, dir, listen string) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNodesShareAnExternalLog(t *testing.T) {
	s := startNATS(t, t.TempDir(), "127.0.0.1:0")
	t.Cleanup(s.Shutdown)
	cfg := Config{URL: "nats://" + s.Addr(), SyncInterval: time.Second, Keys: testKeys, MinFree: -1}
	one, two := openLog(t, cfg), openLog(t, cfg)
	old := claim(t, one, "a", 1)
	p := pull(t, two.Subscribe(testCtx(t), SubscribeOptions{Follow: true, Live: true}))
	mustAppend(t, old, "1")
	p.want("a/1")
	if err := one.PublishLive(t.Context(), Record{Account: "a", Kind: "typing", ID: "t"}); err != nil {
		t.Fatal(err)
	}
	p.want("a/t")
	w := claim(t, two, "a", 2)
	diff(t, []string{"a/owner:1", "a/1"}, collect(t, -1, w.Replay(testCtx(t), Cursor{})))
	_, err := old.Append(t.Context(), event("late"))
	wantErr(t, err, ErrFenced)
	mustAppend(t, w, "2")
	p.want("a/2")
	if one.Epoch() != 1 || two.Epoch() != 1 {
		t.Errorf("epochs %d and %d", one.Epoch(), two.Epoch())
	}
}

// Of an external store only the limit of its account tells what is free.
func TestSpaceOfAnExternalLog(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	l := openLog(t, Config{URL: s.ClientURL(), SyncInterval: time.Second, Keys: testKeys, MaxBytes: 4 << 20})
	if _, err := l.Free(t.Context()); !errors.Is(err, ErrUnlimited) {
		t.Errorf("without a limit: %v", err)
	}
	limit := func(bytes int64) {
		t.Helper()
		limits := map[string]server.JetStreamAccountLimits{"": {MaxMemory: -1, MaxStore: bytes, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1}}
		if err := s.GlobalAccount().UpdateJetStreamLimits(limits); err != nil {
			t.Fatal(err)
		}
	}
	limit(1 << 20) // less than the log may take
	if free, err := l.Free(t.Context()); err != nil || free == 0 || free > 1<<20 {
		t.Errorf("%d bytes are free of 1 MiB, %v", free, err)
	}
	w := claim(t, l, "a", 1)
	big := event("big")
	big.Payload = make([]byte, 300<<10)
	for err == nil {
		_, err = w.Append(testCtx(t), big)
	}
	wantErr(t, err, ErrLowSpace)
	limit(1 << 30)
	if free, err := l.Free(t.Context()); err != nil || free != math.MaxUint64 {
		t.Errorf("%d bytes are free of more than the log may take, %v", free, err)
	}
	mustAppend(t, w, "1")
}

// The servers lose power: their unsynced tail is gone, the nodes live on and reconnect.
func TestCutTailOfAnExternalLogOpensOneEpochForAllNodes(t *testing.T) {
	dir := t.TempDir()
	s := startNATS(t, dir, "127.0.0.1:0")
	addr := s.Addr()
	cfg := Config{URL: "nats://" + addr, SyncInterval: time.Second, Keys: testKeys, MinFree: -1, Dir: t.TempDir()}
	one := openLog(t, cfg)
	cfg.Dir = ""
	two := openLog(t, cfg)
	w := claim(t, one, "a", 1)
	kept := mustAppend(t, w, "1")
	p := pull(t, two.Subscribe(testCtx(t), SubscribeOptions{Follow: true}))
	p.want("a/1")
	s.Shutdown()
	backup := filepath.Join(t.TempDir(), "nats")
	copyDir(t, dir, backup)
	s = startNATS(t, dir, addr)
	mustAppend(t, w, "2", "3")
	p.want("a/2", "a/3")
	s.Shutdown()
	restoreDir(t, backup, dir)
	s = startNATS(t, dir, addr)
	t.Cleanup(func() { s.Shutdown() })

	// Both nodes reconnect by themselves; the writers find their records gone.
	_, err := w.Append(testCtx(t), event("4"))
	wantErr(t, err, ErrTailLost)
	for _, l := range []*Log{one, two} {
		for l.Epoch() == 1 { // by the reconnect handler, or by this call
			if err := l.review(testCtx(t), Cursor{1, kept + 3}); err != nil {
				t.Fatal(err)
			}
		}
		if l.Epoch() != 2 {
			t.Errorf("epoch %d, want 2", l.Epoch())
		}
	}
	w = claim(t, one, "a", 1)
	mustAppend(t, w, "5")
	p.want("a/5")
}

func TestExternalLogNeedsAServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_, err = Open(t.Context(), Config{URL: "nats://" + ln.Addr().String(), SyncInterval: time.Second, Keys: testKeys})
	if err == nil {
		t.Fatal("opened")
	}
}

// A node that is not connected yet when it is asked waits instead of failing.
func TestReviewWaitsForTheConnection(t *testing.T) {
	dir := t.TempDir()
	s := startNATS(t, dir, "127.0.0.1:0")
	addr := s.Addr()
	l := openLog(t, Config{URL: "nats://" + addr, SyncInterval: time.Second, Keys: testKeys, MinFree: -1})
	down := make(chan struct{})
	var once sync.Once // Close disconnects again
	l.nc.SetDisconnectErrHandler(func(*nats.Conn, error) { once.Do(func() { close(down) }) })
	s.Shutdown()
	<-down
	_, _, err := l.meta.Load(testCtx(t))
	if !stream.Unsent(err) {
		t.Fatalf("without a connection: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- l.review(testCtx(t), Cursor{}) }()
	s = startNATS(t, dir, addr)
	t.Cleanup(s.Shutdown)
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
