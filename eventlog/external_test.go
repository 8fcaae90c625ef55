package eventlog

import (
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

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
