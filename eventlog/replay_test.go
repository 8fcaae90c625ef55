package eventlog

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/telefleet/orchestrator/eventlog/stream"
)

// counted counts the questions for records and for pages.
func counted(l *Log) (records, pages *atomic.Int64) {
	records, pages = new(atomic.Int64), new(atomic.Int64)
	ask, get := l.store.Ask, l.store.Get
	l.store.Ask = func(subject, reply string, data []byte) error {
		pages.Add(1)
		return ask(subject, reply, data)
	}
	l.store.Get = func(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
		records.Add(1)
		return get(ctx, subject, data)
	}
	return records, pages
}

// What others did meanwhile costs an idle account nothing when its node starts.
func TestReplayOfAnIdleAccountReadsNothing(t *testing.T) {
	l := openLog(t, testConfig(t))
	checkpoint := mustAppend(t, claim(t, l, "idle", 1), "1")
	mustAppend(t, claim(t, l, "busy", 1), "2", "3", "4")
	n, pages := counted(l)
	w := claim(t, l, "idle", 2)
	diff(t, []string{}, collect(t, -1, w.Replay(testCtx(t), Cursor{1, checkpoint})))
	if n.Load() != 0 || pages.Load() != 0 {
		t.Errorf("%d records and %d pages were asked for", n.Load(), pages.Load())
	}
	diff(t, []string{"idle/1"}, collect(t, -1, w.Replay(testCtx(t), Cursor{1, checkpoint - 1})))
}

// An account's replay reads its own records, each once, however many the others have appended.
func TestReplayReadsNothingOfOthers(t *testing.T) {
	l := openLog(t, testConfig(t))
	a, b := claim(t, l, "a", 1), claim(t, l, "b", 1)
	var want []string
	for i := range 20 {
		id := fmt.Sprint(i)
		mustAppend(t, a, id)
		mustAppend(t, b, "x", "y", "z")
		want = append(want, "a/"+id)
	}
	w := claim(t, l, "a", 2)
	n, pages := counted(l)
	diff(t, want, collect(t, -1, w.Replay(testCtx(t), a.Claimed())))
	if n.Load() != int64(len(want))+1 || pages.Load() != 0 { // and the claim
		t.Errorf("%d records and %d pages were asked for", n.Load(), pages.Load())
	}
	diff(t, want[15:], collect(t, -1, w.Replay(testCtx(t), Cursor{1, a.Claimed().Seq + 2 + 14*4})))
}

// What does not fit into memory is read again, in order.
func TestReplayOfManyBytesHoldsFew(t *testing.T) {
	l := openLog(t, testConfig(t))
	first := claim(t, l, "a", 1)
	large := make([]byte, MaxRecordBytes/2)
	var want, got []string
	for i := range 3 * trailBytes / len(large) {
		rec := event(fmt.Sprint(i))
		rec.Payload = large
		if _, err := first.Append(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		want = append(want, rec.ID)
	}
	w := claim(t, l, "a", 2)
	trail, err := w.walkBack(t.Context(), first.Claimed().Seq)
	if err != nil || len(trail.seqs) != len(want) || trail.bytes > trailBytes || len(trail.raws) >= len(want) {
		t.Fatalf("a trail of %d records keeps %d of %d bytes, %v", len(trail.seqs), len(trail.raws), trail.bytes, err)
	}
	for rec, err := range w.Replay(testCtx(t), first.Claimed()) {
		if err != nil || len(rec.Payload) != len(large) {
			t.Fatalf("%d bytes, %v", len(rec.Payload), err)
		}
		got = append(got, rec.ID)
	}
	diff(t, want, got)
}

// A record that is damaged or gone from the middle hides none of those before it.
func TestReplayGoesAroundALostRecord(t *testing.T) {
	l := openLog(t, testConfig(t))
	first := claim(t, l, "a", 1)
	start := first.Claimed()
	mustAppend(t, first, "1")
	mustAppend(t, claim(t, l, "b", 1), "other")
	gone := mustAppend(t, first, "2")
	mustAppend(t, first, "3")
	damaged, err := l.store.JS.Publish(t.Context(), l.store.Subject("a"), []byte("garbage"))
	if err != nil {
		t.Fatal(err)
	}
	rawAppend(t, l, Record{Account: "a", Kind: "message.new", ID: "4", Token: 1, Prev: damaged.Sequence})
	w := claim(t, l, "a", 2)
	if err := l.store.Stream.DeleteMsg(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	var got []string
	for rec, err := range w.Replay(testCtx(t), start) {
		got = append(got, fmt.Sprint(show(rec), " ", err != nil))
	}
	diff(t, []string{"a/1 false", fmt.Sprintf("a/gap:%d-%d false", start.Seq+2, gone), "a/3 false", "a/ true", "a/4 false"}, got)
}

// When a node starts, all its accounts replay: a few at a time.
func TestReplaysTakeTurns(t *testing.T) {
	l := openLog(t, testConfig(t))
	first := claim(t, l, "a", 1)
	mustAppend(t, first, "1")
	w := claim(t, l, "a", 2)
	n, _ := counted(l)
	for range cap(l.replaying) {
		l.replaying <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range w.Replay(ctx, Cursor{}) {
		wantErr(t, err, context.Canceled)
	}
	if n.Load() != 0 {
		t.Errorf("%d records were asked for out of turn", n.Load())
	}
	<-l.replaying
	diff(t, []string{"a/owner:1", "a/1"}, collect(t, -1, w.Replay(testCtx(t), Cursor{})))
	if got := len(l.replaying); got != cap(l.replaying)-1 {
		t.Errorf("%d turns are taken", got)
	}
}

// A store that is busy is asked again; one that stays silent is an error.
func TestReplayAsksASilentStoreAgain(t *testing.T) {
	for _, silent := range []int64{silentTries, silentTries + 1} {
		t.Run(fmt.Sprint(silent), func(t *testing.T) {
			l := openLog(t, testConfig(t))
			mustAppend(t, claim(t, l, "a", 1), "1", "2")
			w := claim(t, l, "a", 2)
			get, left := l.store.Get, atomic.Int64{}
			left.Store(silent)
			l.store.Patience = 10 * time.Millisecond
			l.store.Get = func(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
				if left.Add(-1) >= 0 {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				l.store.Patience = time.Minute
				return get(context.WithoutCancel(ctx), subject, data)
			}
			if silent <= silentTries {
				diff(t, []string{"a/owner:1", "a/1", "a/2"}, collect(t, -1, w.Replay(testCtx(t), Cursor{})))
				return
			}
			for _, err := range w.Replay(testCtx(t), Cursor{}) {
				wantErr(t, err, stream.ErrSilent)
			}
		})
	}
}
