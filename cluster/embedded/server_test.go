package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/cluster/embedded"
)

// holdLock names the directory that a child process locks until it is told to end.
const holdLock = "EMBEDDED_TEST_HOLD_LOCK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(fillStore); dir != "" {
		if err := fill(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	if dir := os.Getenv(holdLock); dir != "" {
		lock, err := embedded.Lock(dir)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		defer lock.Close()
		fmt.Println("locked")
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	goleak.VerifyTestMain(m)
}

// complaints keeps what etcd logs as a warning or an error: an orderly life has none.
type complaints struct {
	mu    sync.Mutex
	lines []string
}

func (c *complaints) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(line))
	return len(line), nil
}

func start(t *testing.T, cfg embedded.Config) *embedded.Server {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	s, err := embedded.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServerKeepsDataAcrossRestart(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	s := start(t, embedded.Config{Dir: dir})
	t.Logf("first start: %v", time.Since(began))
	if s.Endpoint() != "" {
		t.Errorf("listens at %s", s.Endpoint())
	}
	if _, err := s.Client().Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("close: %v", time.Since(began))

	began = time.Now()
	s = start(t, embedded.Config{Dir: dir})
	t.Logf("second start: %v", time.Since(began))
	defer s.Close()
	got, err := s.Client().Get(t.Context(), "k")
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "v" {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestServerListensOnAFreePort(t *testing.T) {
	for _, listen := range []string{"http://127.0.0.1:0", "unix://" + filepath.Join(t.TempDir(), "s")} {
		var logged complaints
		log := hclog.New(&hclog.LoggerOptions{Output: &logged, Level: hclog.Warn})
		s := start(t, embedded.Config{Dir: t.TempDir(), Listen: listen, UnsafeNoFsync: true, Log: log})
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Endpoint()}, DialTimeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Put(t.Context(), "k", "v"); err != nil {
			t.Errorf("%s: %v", s.Endpoint(), err)
		}
		c.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		logged.mu.Lock()
		for _, line := range logged.lines {
			t.Errorf("logged: %s", line)
		}
		logged.mu.Unlock()
	}
}

func TestSecondProcessOnTheDataDirectoryIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), holdLock+"="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 16)
	if n, err := stdout.Read(line); err != nil || !strings.HasPrefix(string(line[:n]), "locked") {
		t.Fatalf("child said %q, %v", line[:n], err)
	}
	_, err = embedded.Lock(dir)
	want := fmt.Sprintf("data_dir: already used by process %d", child.Process.Pid)
	if !errors.Is(err, cluster.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if _, err := embedded.Start(t.Context(), embedded.Config{Dir: dir}); !errors.Is(err, cluster.ErrLocked) {
		t.Errorf("start: %v", err)
	}
	stdin.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	lock, err := embedded.Lock(dir)
	if err != nil {
		t.Fatalf("after the process has ended: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedDataIsAnError: F11.
func TestDamagedDataIsAnError(t *testing.T) {
	dir := t.TempDir()
	s := start(t, embedded.Config{Dir: dir, UnsafeNoFsync: true})
	if _, err := s.Client().Put(t.Context(), "k", strings.Repeat("v", 4096)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wals, err := filepath.Glob(filepath.Join(dir, "etcd", "member", "wal", "*.wal"))
	if err != nil || len(wals) == 0 {
		t.Fatalf("no log files: %v", err)
	}
	b, err := os.ReadFile(wals[0])
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(b), "vvvvvvvv")
	if i < 0 {
		t.Fatal("the value is not in the log")
	}
	b[i] ^= 1
	if err := os.WriteFile(wals[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err = embedded.Start(ctx, embedded.Config{Dir: dir})
	if err == nil {
		s.Close()
		t.Fatal("started on a damaged log")
	}
	t.Log(err)
	if !strings.Contains(err.Error(), dir) {
		t.Errorf("does not name the directory: %v", err)
	}
}
