package eventlog

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
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
	for _, name := range []string{epochsFile, witnessFile} {
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
	path := filepath.Join(cfg.Dir, epochsFile)
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

// Model: each epoch is a list of writes; a cut keeps a prefix of what is there. A cursor may
// skip only what its holder saw.
func TestResolvedCursorNeverSkipsAnUnseenRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type written struct {
			seq uint64
			id  int
		}
		table := epochTable{{Epoch: 1, Start: 1}}
		var now []written
		id := 0
		type seenAt struct {
			c    Cursor
			seen []written
		}
		var cursors []seenAt
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "op") {
			case 0, 1:
				for range rapid.IntRange(1, 5).Draw(t, "writes") {
					id++
					now = append(now, written{uint64(len(now) + 1), id})
				}
				n := rapid.IntRange(0, len(now)).Draw(t, "read")
				cursors = append(cursors, seenAt{Cursor{table.current(), uint64(n)}, slices.Clone(now[:n])})
			case 2:
				now = now[:rapid.IntRange(0, len(now)).Draw(t, "cut")]
				table = table.with(table.current()+1, uint64(len(now)))
			}
		}
		for _, c := range cursors {
			at := table.resolve(c.c)
			if at > uint64(len(c.seen)) {
				t.Fatalf("%s resolves to %d, beyond what was seen", c.c, at)
			}
			for i := range at {
				if int(i) >= len(now) || now[i] != c.seen[i] {
					t.Fatalf("%s resolves to %d: record %d was not seen; table %v", c.c, at, i+1, table)
				}
			}
		}
		for i, w := range now {
			e := table.at(w.seq)
			if at := table.resolve(Cursor{e, w.seq}); at != w.seq {
				t.Fatalf("record %d has epoch %d but resolves to %d in %v", i, e, at, table)
			}
		}
	})
}

func TestEpochTableIsBounded(t *testing.T) {
	table := epochTable{{Epoch: 1, Start: 1}}
	for i := range uint64(3 * maxEpochs) {
		table = table.with(table.current()+1, i)
	}
	if len(table) != maxEpochs {
		t.Fatalf("%d epochs", len(table))
	}
	if got, limit := table.resolve(Cursor{1, 1 << 40}), table[0].Start-1; got != limit {
		t.Errorf("forgotten epoch resolves to %d, want %d", got, limit)
	}
}

func TestDurableIsTwoSyncIntervalsOld(t *testing.T) {
	s := syncTracker{interval: time.Second}
	t0 := time.Now()
	s.reset(10, 10, t0)
	at := func(d time.Duration) time.Time { return t0.Add(d) }
	for i := range uint64(100) {
		now := at(time.Duration(i) * 100 * time.Millisecond)
		s.acked(11+i, now)
		// What was acknowledged 2 s ago at the latest is synced; samples cost at most 250 ms.
		got := s.synced(now)
		most, least := 10+max(i, 19)-19, 10+max(i, 23)-23
		if got > most || got < least {
			t.Fatalf("after %s: durable %d, want %d to %d", now.Sub(t0), got, least, most)
		}
		if len(s.samples) > 10 {
			t.Fatalf("%d samples", len(s.samples))
		}
	}
	if got := s.synced(at(9900*time.Millisecond + 2*time.Second)); got != 110 {
		t.Errorf("in the end %d, want 110", got)
	}
	always := syncTracker{interval: time.Second, always: true}
	always.acked(7, t0)
	if got := always.synced(t0); got != 7 {
		t.Errorf("sync always: %d", got)
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
