package eventlog

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/eventlog/stream"
)

func TestCleanRestartKeepsTheEpoch(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	last := mustAppend(t, claim(t, l, "a", 5), "1")
	closeLog(t, l)

	l = openLog(t, cfg)
	if l.Epoch() != 1 || l.Durable() != (Cursor{1, last}) {
		t.Errorf("epoch %d, durable %s", l.Epoch(), l.Durable())
	}
	mustAppend(t, claim(t, l, "a", 6), "2")
	diff(t, []string{"a/2"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{1, last})})))
}

func TestUncleanRestartOpensAnEpoch(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	last := mustAppend(t, claim(t, l, "a", 5), "1", "2")
	crash(l)

	l = openLog(t, cfg)
	if l.Epoch() != 2 {
		t.Fatalf("epoch %d, want 2", l.Epoch())
	}
	w := claim(t, l, "a", 6)
	mustAppend(t, w, "3")
	diff(t, []string{"a/2", "a/3"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{1, last - 1})})))
	diff(t, []string{"a/3"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{1, last + 7})})))
}

// A power loss takes the unsynced tail; sequences are used again for other records.
func TestCursorBeyondACutTailResumesAtTheEndOfItsEpoch(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	kept := mustAppend(t, claim(t, l, "a", 5), "1", "2")
	closeLog(t, l)
	backup := filepath.Join(t.TempDir(), "nats")
	copyDir(t, l.storeDir(), backup)

	l = openLog(t, cfg)
	w := claim(t, l, "a", 6)
	lost := mustAppend(t, w, "3", "4", "5")
	crash(l)
	restoreDir(t, backup, l.storeDir())

	l = openLog(t, cfg)
	if l.Epoch() != 2 {
		t.Fatalf("epoch %d, want 2", l.Epoch())
	}
	w = claim(t, l, "a", 7)
	mustAppend(t, w, "6", "7", "8", "9", "10")
	for _, at := range []uint64{kept, kept + 1, lost} {
		got := collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{1, at})}))
		diff(t, []string{"a/6", "a/7", "a/8", "a/9", "a/10"}, got)
	}
	got := collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{2, kept + 3})}))
	diff(t, []string{"a/8", "a/9", "a/10"}, got)
	// The update state's checkpoint, too, may not skip what took the lost records' place.
	diff(t, []string{}, collect(t, -1, w.Replay(testCtx(t), Cursor{1, lost})))
}

func TestOlderStoreUnderACleanMarkerOpensAnEpoch(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	mustAppend(t, claim(t, l, "a", 5), "1")
	closeLog(t, l)
	backup := filepath.Join(t.TempDir(), "nats")
	copyDir(t, l.storeDir(), backup)
	l = openLog(t, cfg)
	mustAppend(t, claim(t, l, "a", 6), "2")
	closeLog(t, l)
	restoreDir(t, backup, l.storeDir())
	if l = openLog(t, cfg); l.Epoch() != 2 {
		t.Fatalf("epoch %d, want 2", l.Epoch())
	}
}

func TestLostEpochTableNeverReusesAnEpoch(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	last := mustAppend(t, claim(t, l, "a", 5), "1")
	closeLog(t, l)
	for _, name := range []string{stream.EpochsFile, stream.WitnessFile} {
		if err := os.Remove(filepath.Join(cfg.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l = openLog(t, cfg)
	if l.Epoch() < 1_000_000 {
		t.Fatalf("epoch %d may have been used before", l.Epoch())
	}
	mustAppend(t, claim(t, l, "a", 6), "2")
	diff(t, []string{"a/2"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{1, last + 5})})))
}

func TestCorruptEpochTableIsAnError(t *testing.T) {
	cfg := testConfig(t)
	closeLog(t, openLog(t, cfg))
	path := filepath.Join(cfg.Dir, stream.EpochsFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), cfg)
	wantErr(t, err, ErrCorrupt)
}

func TestSecondLogOnTheDirectoryIsRefused(t *testing.T) {
	cfg := testConfig(t)
	openLog(t, cfg)
	_, err := Open(t.Context(), cfg)
	wantErr(t, err, ErrInUse)
}

func TestClosedLogRefusesAllCalls(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	c, err := l.Consumer(t.Context(), "c", ConsumerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	_, err = w.Append(t.Context(), event("1"))
	wantErr(t, err, ErrClosed)
	_, err = l.Claim(t.Context(), "a", 6)
	wantErr(t, err, ErrClosed)
	_, err = c.Fetch(t.Context(), 1)
	wantErr(t, err, ErrClosed)
	for _, err := range l.Subscribe(t.Context(), SubscribeOptions{Follow: true}) {
		wantErr(t, err, ErrClosed)
	}
	for _, err := range w.Replay(t.Context(), Cursor{}) {
		wantErr(t, err, ErrClosed)
	}
}

func TestDurableFollowsTheClock(t *testing.T) {
	cfg := testConfig(t)
	now := time.Now()
	cfg.Now = func() time.Time { return now }
	l := openLog(t, cfg)
	w := claim(t, l, "a", 5)
	last := mustAppend(t, w, "1")
	if l.IsDurable(Cursor{1, last}) {
		t.Error("durable at once")
	}
	now = now.Add(2 * DefaultSyncInterval)
	if !l.IsDurable(Cursor{1, last}) || l.IsDurable(Cursor{1, last + 1}) || l.IsDurable(Cursor{2, last}) {
		t.Errorf("durable is %s", l.Durable())
	}
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func restoreDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	copyDir(t, from, to)
}
