package etcd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/cluster/embedded"
)

func openWitness(t *testing.T, cfg WitnessConfig) *Witness {
	t.Helper()
	w, err := OpenWitness(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// wantRefusal: the error is ErrWrongCluster and says what is wrong.
func wantRefusal(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, cluster.ErrWrongCluster) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

// TestLostEtcdIsRefused (F9): the database is gone and a new one is there instead.
func TestLostEtcdIsRefused(t *testing.T) {
	dir := t.TempDir()
	cfg := WitnessConfig{Dir: dir, ClusterID: "home"}
	run := func(f func(*embedded.Server)) {
		s, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, UnsafeNoFsync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(s)
	}
	run(func(s *embedded.Server) {
		m, err := Join(t.Context(), s.Client(), Config{Profile: testProfile(), Witness: openWitness(t, cfg)})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	run(func(s *embedded.Server) { // the same one is accepted
		if err := openWitness(t, cfg).Check(t.Context(), s.Client()); err != nil {
			t.Error(err)
		}
	})
	if err := os.RemoveAll(filepath.Join(dir, "etcd")); err != nil {
		t.Fatal(err)
	}
	run(func(s *embedded.Server) {
		_, err := Join(t.Context(), s.Client(), Config{Profile: testProfile(), Witness: openWitness(t, cfg)})
		wantRefusal(t, err, "cluster id")
		accept := cfg
		accept.Accept = true
		if err := openWitness(t, accept).Check(t.Context(), s.Client()); err != nil {
			t.Errorf("accepted by the operator: %v", err)
		}
		if err := openWitness(t, cfg).Check(t.Context(), s.Client()); err != nil {
			t.Errorf("after it was accepted: %v", err)
		}
	})
}

// TestOldBackupIsRefused (F9).
func TestOldBackupIsRefused(t *testing.T) {
	w := newWorld(t)
	cfg := WitnessConfig{Dir: t.TempDir(), ClusterID: "home", Prefix: w.prefix}
	known := openWitness(t, cfg)
	if err := known.Check(t.Context(), w.client); err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	newer := pb.ResponseHeader{ClusterId: resp.Header.ClusterId, Revision: resp.Header.Revision + 1000}
	if err := known.store(&newer); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, openWitness(t, cfg).Check(t.Context(), w.client), "old backup")
}

func TestWrongClusterIDAndMachineAreRefused(t *testing.T) {
	w := newWorld(t)
	cfg := WitnessConfig{Dir: t.TempDir(), ClusterID: "home", Prefix: w.prefix, Machine: "m1"}
	if err := openWitness(t, cfg).Check(t.Context(), w.client); err != nil {
		t.Fatal(err)
	}
	other := cfg
	other.ClusterID = "away"
	_, err := OpenWitness(other)
	wantRefusal(t, err, `"away"`)
	other.Dir = t.TempDir()
	wantRefusal(t, openWitness(t, other).Check(t.Context(), w.client), `"home"`)
	moved := cfg
	moved.Machine = "m2"
	_, err = OpenWitness(moved)
	wantRefusal(t, err, "another machine")
	if err := os.WriteFile(filepath.Join(cfg.Dir, witnessFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = OpenWitness(cfg)
	wantRefusal(t, err, "damaged")
}
