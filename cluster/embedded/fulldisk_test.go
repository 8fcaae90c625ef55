package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/internal/smalldisk"
)

// fillStore names the directory of an etcd that a child process writes to until the disk is full.
const fillStore = "EMBEDDED_TEST_FILL_STORE"

// fullDiskValue is as large as values get: a session with all its peers is a tenth of it.
const fullDiskValue = 256 << 10

func fullDiskKey(n int) string { return fmt.Sprintf("session/%06d", n) }

// fill tells each write that was acknowledged.
func fill(dir string) error {
	s, err := embedded.Start(context.Background(), embedded.Config{Dir: dir, Log: hclog.New(&hclog.LoggerOptions{Output: os.Stderr})})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if _, err := s.Client().Put(context.Background(), fullDiskKey(n), string(bytes.Repeat([]byte{byte(n)}, fullDiskValue))); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestFullDiskEndsTheProcessAndLosesNothing: etcd does not go on after a write error. It ends its process,
// which says why, and the next one finds all that was acknowledged (F10).
func TestFullDiskEndsTheProcessAndLosesNothing(t *testing.T) {
	smalldisk.Run(t, 320<<20, func(t *testing.T, disk smalldisk.Disk) {
		dir := filepath.Join(disk.Dir, "data")
		child := exec.CommandContext(t.Context(), "/proc/self/exe")
		child.Env = append(os.Environ(), fillStore+"="+dir)
		var said bytes.Buffer
		child.Stderr = &said
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		stored := 0
		for lines := bufio.NewScanner(stdout); lines.Scan(); stored++ {
			if stored == 20 {
				disk.Fill(t)
			}
		}
		err = child.Wait()
		if text := said.String(); err == nil || !bytes.Contains(said.Bytes(), []byte("no space left on device")) {
			t.Errorf("the process ended with %v and said\n%.3000s", err, text)
		}
		t.Logf("%d writes were acknowledged before the process ended: %v", stored, err)
		disk.Free(t)
		s := start(t, embedded.Config{Dir: dir})
		defer s.Close()
		for n := range stored {
			got, err := s.Client().Get(t.Context(), fullDiskKey(n))
			if err != nil || len(got.Kvs) != 1 || !bytes.Equal(got.Kvs[0].Value, bytes.Repeat([]byte{byte(n)}, fullDiskValue)) {
				t.Fatalf("write %d of %d: %d values, %v", n, stored, len(got.Kvs), err)
			}
		}
		if _, err := s.Client().Put(t.Context(), "later", "all is well"); err != nil {
			t.Error(err)
		}
	})
}
