package mtproto

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
	"pgregory.net/rapid"
)

func TestWindowForgetsTheLowestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		seen := map[int64]bool{}
		for range rapid.IntRange(1, 2000).Draw(t, "n") {
			id := rapid.Int64Range(1, 5000).Draw(t, "id")
			switch got := w.check(id); {
			case got == fresh && seen[id]:
				t.Fatalf("id %d came twice as fresh", id)
			case got == duplicate && !seen[id]:
				t.Fatalf("id %d is no duplicate", id)
			case got == tooOld && len(w.ids) > 0 && id >= w.ids[0]:
				t.Fatalf("id %d is not older than all remembered", id)
			case got == fresh:
				w.add(id)
				seen[id] = true
			}
			if len(w.ids) > windowSize {
				t.Fatalf("%d ids remembered", len(w.ids))
			}
		}
	})
}

func TestWindowShrinksInQuietTimes(t *testing.T) {
	var w window
	for id := range int64(1000) {
		w.add(id + 1)
	}
	w.trim()
	if len(w.ids) != 1000 {
		t.Fatal("trimmed while busy")
	}
	w.trim()
	if len(w.ids) != windowQuiet || w.check(1000) != duplicate || w.check(900) != tooOld {
		t.Fatalf("%d ids left", len(w.ids))
	}
}

func TestMessageIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock{offset: time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "offset"))}
		now, last := testStart, int64(0)
		for range 100 {
			now = now.Add(time.Duration(rapid.Int64Range(-1e6, 1e9).Draw(t, "step")))
			id := c.nextID(now)
			if id%4 != 0 || id <= last || uint32(id) == 0 {
				t.Fatalf("id %#x after %#x", id, last)
			}
			last = id
		}
	})
	c := clock{}
	if id := c.nextID(testStart.Add(500 * time.Millisecond)); id>>32 != testStart.Unix() || uint32(id) != 1<<31 {
		t.Fatalf("id %#x", id)
	}
	if got := idTime(testStart.Unix()<<32 | 1<<31).Sub(testStart); got != 500*time.Millisecond {
		t.Fatalf("half a second became %v", got)
	}
}

func TestSaltsAreUsedInTurn(t *testing.T) {
	at := func(minutes int) time.Time { return testStart.Add(time.Duration(minutes) * time.Minute) }
	var s saltList
	s.load([]Salt{
		{Value: 2, ValidSince: at(30).Unix(), ValidUntil: at(90).Unix()},
		{Value: 1, ValidSince: at(0).Unix(), ValidUntil: at(60).Unix()},
		{Value: 3, ValidSince: at(60).Unix(), ValidUntil: at(120).Unix()},
	})
	for minute, want := range map[int]int64{0: 1, 30: 1, 31: 2, 60: 2, 61: 3, 200: 3} {
		fresh := saltList{list: append([]Salt(nil), s.list...)}
		if got := fresh.current(at(minute)); got != want {
			t.Errorf("minute %d: salt %d, want %d", minute, got, want)
		}
	}
	if (&saltList{}).current(at(0)) != 0 {
		t.Error("a salt out of nothing")
	}
	if !s.set(at(0), 3) || s.current(at(0)) != 3 || len(s.list) != 1 {
		t.Errorf("a foreseen salt was not taken: %v", s.list)
	}
	if !s.set(at(0), 9) || s.current(at(0)) != 9 {
		t.Error("an unforeseen salt was not taken")
	}
	if s.set(at(0), 9) {
		t.Error("the same salt again is no change")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	key := testKey()
	for _, v := range []any{testConfig(), wire.NewKey(&key), newTestEngine(t).SuccessorConfig()} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "16 17 18") || strings.Contains(text, "0x10, 0x11, 0x12") {
				t.Errorf("%T prints its key with %s", v, format)
			}
		}
	}
}

// TestIdleEngineIsSmall bounds what an account costs here: connected, answered, some calls
// and updates behind it.
func TestIdleEngineIsSmall(t *testing.T) {
	const n, limit = 200, 2500
	rigs := make([]*rig, n)
	before := heap()
	for i := range rigs {
		r := newRig(t)
		for range 10 {
			r.receive(textObject(idUpdate, "u"), false)
		}
		r.step(Invoke{ID: 1, Body: textObject(idQuery, "one")})
		id := query(t, r.flush(), "one")
		r.receive(rpcResult(id, textObject(idAnswer, "ok")), false)
		rigs[i] = &rig{engine: r.engine}
	}
	each := (heap() - before) / n
	t.Logf("%d bytes an engine, with its rig", each)
	if each > limit {
		t.Errorf("an idle engine has %d bytes, want at most %d", each, limit)
	}
	runtime.KeepAlive(rigs)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
