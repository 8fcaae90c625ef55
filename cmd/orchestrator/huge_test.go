package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator"
)

const (
	hugeFile = 2 << 30 // 4096 parts, which takes Premium
	// hugeGrowth is how much more memory the node may have taken at its peak while a file passes it in
	// both directions: parts and chunks that are on their way, and what the collector has not had yet.
	hugeGrowth     = 96 << 20
	hugeGrowthRace = 768 << 20 // the race detector shadows memory several times
)

// sparse makes a file of zeros with random bytes at its beginning, at its end, and across the middle.
func sparse(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "huge.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 3<<20+5)
	for _, at := range []int64{0, size/2 - 1<<20 - 1, size - int64(len(random))} {
		_, _ = rand.NewChaCha8([32]byte{byte(at)}).Read(random) // never fails
		if _, err := f.WriteAt(random, at); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// peak is the most memory that the process has held at once, in bytes.
func (p *process) peak() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kb << 10
		}
	}
	p.t.Fatal("the kernel tells no peak")
	return 0
}

// TestHugeFilePassesInBoundedMemory: 2 GiB from the SDK through the API and a node to Telegram, and back.
func TestHugeFilePassesInBoundedMemory(t *testing.T) {
	if !long {
		t.Skip("moves 4 GiB: set " + envLong)
	}
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: userAnna.Phone, FirstName: "Anna", Premium: true, HomeDC: 2})
	node := newNode(t, dcFile).serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	path := sparse(t, hugeFile)
	want := sumOf(t, path)
	sdk, err := client.New([]string{node.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sdk.Close)
	anna, ctx := sdk.Account("anna"), context.Background()
	before, begun := node.peak(), time.Now()

	file, err := anna.UploadFile(ctx, path, client.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	up, uploaded := node.peak(), time.Since(begun)
	if file.GetSize() != hugeFile || file.GetParts() != hugeFile/(512<<10) {
		t.Errorf("uploaded %v", file)
	}
	sent, err := anna.SendFile(ctx, "me", client.Uploaded(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	hash := sha256.New()
	got, err := anna.Download(ctx, client.FileOf("me", sent.Message.GetId()), client.DownloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if _, err := io.Copy(hash, got); err != nil {
		t.Fatal(err)
	}
	down, downloaded := node.peak(), time.Since(begun)
	if got.Size != hugeFile || [sha256.Size]byte(hash.Sum(nil)) != want {
		t.Errorf("%d of %d bytes came back, or others", got.Size, hugeFile)
	}
	limit := int64(hugeGrowth)
	if raceEnabled {
		limit = hugeGrowthRace
	}
	if down-before > limit {
		t.Errorf("the node held %d bytes at most, %d before: it grew by more than %d", down, before, limit)
	}
	t.Logf("the node's peak: %d MB before, %d after the upload (%.0f MB/s), %d after the download (%.0f MB/s)",
		before>>20, up>>20, hugeFile/1e6/uploaded.Seconds(), down>>20, hugeFile/1e6/downloaded.Seconds())
}

func sumOf(t *testing.T, path string) (sum [sha256.Size]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
