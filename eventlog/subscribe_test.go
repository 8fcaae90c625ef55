package eventlog

import (
	"context"
	"crypto/cipher"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// puller reads a followed subscription step by step.
type puller struct {
	t    testing.TB
	next func() (Record, error, bool)
}

func pull(t testing.TB, seq iter.Seq2[Record, error]) *puller {
	t.Helper()
	next, stop := iter.Pull2(seq)
	t.Cleanup(stop)
	return &puller{t, next}
}

func (p *puller) want(ids ...string) (last Record) {
	p.t.Helper()
	for _, id := range ids {
		r, err, ok := p.next()
		if err != nil || !ok {
			p.t.Fatalf("got %v, %v, want %s", err, ok, id)
		}
		if got := show(r); got != id {
			p.t.Fatalf("got %s, want %s", got, id)
		}
		last = r
	}
	return last
}

func TestFollowerSeesOldAndNewRecordsOnce(t *testing.T) {
	l := openLog(t, testConfig(t))
	a, b := claim(t, l, "a", 1), claim(t, l, "b", 1)
	mustAppend(t, a, "1", "2")
	p := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{Follow: true}))
	fresh := l.Subscribe(testCtx(t), SubscribeOptions{From: FromNew(), Follow: true, Accounts: []fleet.AccountID{"b"}})
	p.want("a/1", "a/2")
	mustAppend(t, b, "3")
	p.want("b/3")
	mustAppend(t, a, "4")
	mustAppend(t, b, "5")
	p.want("a/4", "b/5")
	pull(t, fresh).want("b/3", "b/5")
}

func TestSlowFollowerFallsBackToTheStore(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	p := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{Follow: true}))
	mustAppend(t, w, "0")
	p.want("a/0")
	var ids, want []string
	for i := range ringRecords + 600 {
		ids = append(ids, fmt.Sprint("n", i))
		want = append(want, fmt.Sprint("a/n", i))
	}
	mustAppend(t, w, ids...)
	p.want(want...)
	mustAppend(t, w, "end")
	p.want("a/end")
}

func TestSelectionByAccountKindAndTime(t *testing.T) {
	l := openLog(t, testConfig(t))
	ws := map[string]*Writer{}
	for _, a := range []fleet.AccountID{"a", "b", "c"} {
		ws[string(a)] = claim(t, l, a, 1)
		mustAppend(t, ws[string(a)], "1")
		for _, r := range []Record{{Kind: KindPositions, ID: "p"}, {Kind: "message.edited", ID: "e"}} {
			if _, err := ws[string(a)].Append(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(o SubscribeOptions) []string { return collect(t, -1, l.Subscribe(testCtx(t), o)) }
	diff(t, []string{"a/1", "a/e", "c/1", "c/e"}, read(SubscribeOptions{Accounts: []fleet.AccountID{"a", "c"}}))
	diff(t, []string{"b/1", "b/e"}, read(SubscribeOptions{Accounts: []fleet.AccountID{"b"}}))
	diff(t, []string{"a/e", "b/e", "c/e"}, read(SubscribeOptions{Kinds: []string{"message.edited"}}))
	diff(t, []string{"b/owner:1", "b/1", "b/p", "b/e"}, read(SubscribeOptions{Accounts: []fleet.AccountID{"b"}, Internal: true}))
	diff(t, []string{"a/p", "b/p", "c/p"}, read(SubscribeOptions{Kinds: []string{KindPositions}}))

	raws, err := l.store.Page(t.Context(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(raws, func(r stream.Raw) bool { return r.Account == "c" })
	diff(t, []string{"c/1", "c/e"}, read(SubscribeOptions{From: FromTime(raws[at].Stored)}))
	diff(t, []string{}, read(SubscribeOptions{From: FromTime(raws[len(raws)-1].Stored.Add(1))}))
	diff(t, 6, len(read(SubscribeOptions{From: FromTime(raws[0].Stored.Add(-time.Hour))})))
}

func TestRetentionPassingTheCursorIsAGap(t *testing.T) {
	l := openLog(t, testConfig(t))
	a, b := claim(t, l, "a", 1), claim(t, l, "b", 1) // 1 2
	mustAppend(t, a, "3", "4", "5")
	mustAppend(t, b, "6")
	mustAppend(t, a, "7")
	expire(t, l, 5)
	from := func(seq uint64, accounts ...fleet.AccountID) []string {
		o := SubscribeOptions{From: FromCursor(Cursor{1, seq}), Accounts: accounts}
		return collect(t, -1, l.Subscribe(testCtx(t), o))
	}
	diff(t, []string{"/gap:4-4", "a/5", "b/6", "a/7"}, from(3))
	diff(t, []string{"a/5", "b/6", "a/7"}, from(4))
	diff(t, []string{"a/5", "b/6", "a/7"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{})))
	diff(t, []string{"a/gap:4-4", "a/5", "a/7"}, from(3, "a"))
	diff(t, []string{"b/6"}, from(2, "b"))
	diff(t, []string{"b/gap:2-2", "b/6"}, from(1, "b"))
	expire(t, l, 8)
	diff(t, []string{"/gap:6-7"}, from(5))
	mustAppend(t, a, "8")
	diff(t, []string{"/gap:6-7", "a/8"}, from(5))
	diff(t, []string{"a/gap:6-7", "a/8"}, from(5, "a"))
}

func TestRetentionPassingAFollowerIsAGap(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	mustAppend(t, w, "2", "3")
	p := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{1, 1}), Follow: true}))
	p.want("a/2", "a/3")
	ids := make([]string, ringRecords+2*stream.PageRecords)
	for i := range ids {
		ids[i] = fmt.Sprint(i + 4)
	}
	last := mustAppend(t, w, ids...)
	p.want("a/4")
	expire(t, l, last)
	// What was read ahead still comes, then the gap.
	for {
		r, err, _ := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if r.Gap != nil {
			if r.Gap.To != last-1 {
				t.Fatalf("gap %v, want up to %d", r.Gap, last-1)
			}
			break
		}
	}
	if r := p.want(fmt.Sprint("a/", last)); r.Seq != last {
		t.Fatalf("sequence %d, want %d", r.Seq, last)
	}
}

func TestPurgeRemovesOneAccountAndTellsOnlyItsReaders(t *testing.T) {
	cfg := testConfig(t)
	var mu sync.Mutex
	loads := map[fleet.AccountID]int{}
	cfg.Keys = func(ctx context.Context, id fleet.AccountID) (cipher.AEAD, error) {
		mu.Lock()
		defer mu.Unlock()
		loads[id]++
		return testKeys(ctx, id)
	}
	l := openLog(t, cfg)
	a, b := claim(t, l, "a", 1), claim(t, l, "b", 1) // 1 2
	p := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{Follow: true}))
	mustAppend(t, a, "3")
	p.want("a/3")
	mustAppend(t, b, "4")
	mustAppend(t, a, "5")
	p.want("b/4", "a/5")
	if err := l.Purge(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	diff(t, []string{"b/owner:1", "b/4"}, all(t, l))
	mustAppend(t, b, "6")
	mustAppend(t, a, "7") // a writer that did not stop goes on
	p.want("b/6", "a/7")
	from := FromCursor(Cursor{1, 2})
	diff(t, []string{"b/4", "b/6", "a/gap:5-5", "a/7"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{From: from})))
	if loads["a"] != 2 || loads["b"] != 1 {
		t.Errorf("keys loaded %v times: purge must drop the purged account's and no other", loads)
	}
}

func TestUnreadableRecordDoesNotEndTheStream(t *testing.T) {
	cfg := testConfig(t)
	gone := map[fleet.AccountID]bool{}
	cfg.Keys = func(ctx context.Context, id fleet.AccountID) (cipher.AEAD, error) {
		if gone[id] {
			return nil, fmt.Errorf("shredded: %w", ErrNoKey)
		}
		return testKeys(ctx, id)
	}
	l := openLog(t, cfg)
	mustAppend(t, claim(t, l, "a", 1), "1")
	w := claim(t, l, "b", 1)
	if _, err := l.store.JS.Publish(t.Context(), "ev.c", []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, w, "2")
	gone["a"] = true
	l.keys.drop("a")
	var got []string
	for r, err := range l.Subscribe(testCtx(t), SubscribeOptions{}) {
		got = append(got, fmt.Sprint(show(r), " ", err != nil))
		if err != nil && !unreadable(err) {
			t.Fatal(err)
		}
	}
	diff(t, []string{"a/1 true", "c/ true", "b/2 false"}, got)
}

func TestKeySourceThatFailsEndsTheIteration(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	mustAppend(t, claim(t, l, "a", 1), "1", "2")
	l.keys.drop("a")
	l.keys.find = func(context.Context, fleet.AccountID, bool) (cipher.AEAD, error) {
		return nil, context.DeadlineExceeded
	}
	n := 0
	for r, err := range l.Subscribe(testCtx(t), SubscribeOptions{}) {
		n++
		wantErr(t, err, context.DeadlineExceeded)
		if r.Seq != 0 {
			t.Error("the record was skipped")
		}
	}
	if n != 1 {
		t.Errorf("%d items", n)
	}
}

func TestLiveEventsReachCurrentSubscribersOnly(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	w := claim(t, l, "a", 1)
	typing := Record{Account: "a", Kind: "typing", ID: "t", Payload: []byte("text of t")}
	if err := l.PublishLive(t.Context(), typing); err != nil { // nobody is there
		t.Fatal(err)
	}
	live := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{Follow: true, Live: true}))
	plain := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{Follow: true}))
	mustAppend(t, w, "1")
	live.want("a/1")
	if err := l.PublishLive(t.Context(), typing); err != nil {
		t.Fatal(err)
	}
	if r := live.want("a/t"); r.Seq != 0 || r.Time.IsZero() {
		t.Errorf("live record %+v", r)
	}
	mustAppend(t, w, "2")
	live.want("a/2")
	plain.want("a/1", "a/2")
	diff(t, []string{"a/owner:1", "a/1", "a/2"}, all(t, l))
}

// Between the call and the first step nothing is missed, however long that takes.
func TestSubscriptionSeesWhatFollowsItsCall(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	sub := l.Subscribe(testCtx(t), SubscribeOptions{From: FromNew(), Follow: true, Live: true})
	if err := l.PublishLive(t.Context(), Record{Account: "a", Kind: "typing", ID: "t", Payload: []byte("text of t")}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, w, "1")
	seen := collect(t, 2, sub)
	slices.Sort(seen)
	diff(t, []string{"a/1", "a/t"}, seen)
}

// A subscription that nobody iterates over costs nothing once its context has ended.
func TestSubscriptionEndsWithItsContextUnread(t *testing.T) {
	l := openLog(t, testConfig(t))
	ctx, cancel := context.WithCancel(t.Context())
	l.Subscribe(ctx, SubscribeOptions{Follow: true, Live: true})
	joined := func() int {
		l.hub.mu.Lock()
		defer l.hub.mu.Unlock()
		return len(l.hub.live)
	}
	if joined() != 1 {
		t.Fatalf("%d live queues", joined())
	}
	cancel()
	for end := testCtx(t); joined() > 0 && stream.Sleep(end, time.Millisecond); {
	}
	if joined() > 0 {
		t.Error("the live queue is still registered")
	}
}

// A live event whose key is gone or cannot be asked for is told as unreadable, and the next one comes.
func TestUnreadableLiveEventDoesNotEndTheStream(t *testing.T) {
	l := openLog(t, testConfig(t))
	for _, cause := range []error{ErrNoKey, ErrCorrupt, context.DeadlineExceeded} {
		sub := pull(t, l.Subscribe(testCtx(t), SubscribeOptions{From: FromNew(), Follow: true, Live: true, Kinds: []string{"typing"}}))
		say := func(id string) {
			t.Helper()
			if err := l.PublishLive(t.Context(), Record{Account: "a", Kind: "typing", ID: id, Payload: []byte("text of " + id)}); err != nil {
				t.Fatal(err)
			}
		}
		say("1")
		sub.want("a/1")
		say("2")
		l.keys.drop("a")
		l.keys.find = func(context.Context, fleet.AccountID, bool) (cipher.AEAD, error) { return nil, cause }
		r, err, ok := sub.next()
		if wantErr(t, err, cause); !ok || r.Account != "a" || r.Seq != 0 || len(r.Payload) != 0 {
			t.Errorf("%v: got %+v, %v", cause, r, ok)
		}
		l.keys.find = findTestKey
		say("3")
		sub.want("a/3")
	}
}

func TestLiveQueueDropsTheOldest(t *testing.T) {
	q := &liveQueue{more: make(chan struct{}, 1)}
	for i := range liveRecords + 10 {
		q.put(stream.Raw{Stored: time.Unix(int64(i), 0)})
	}
	rs := q.take()
	if len(rs) != liveRecords || rs[0].Stored.Unix() != 10 {
		t.Errorf("%d kept, the first is %d", len(rs), rs[0].Stored.Unix())
	}
}

func TestFollowerEndsWithItsContext(t *testing.T) {
	l := openLog(t, testConfig(t))
	ctx, cancel := context.WithCancel(t.Context())
	p := pull(t, l.Subscribe(ctx, SubscribeOptions{Follow: true, Live: true}))
	mustAppend(t, claim(t, l, "a", 1), "1")
	p.want("a/1")
	cancel()
	_, err, _ := p.next()
	wantErr(t, err, context.Canceled)
	if _, _, ok := p.next(); ok {
		t.Error("goes on")
	}
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	if len(l.hub.live) != 0 || l.hub.liveSub != nil {
		t.Error("the live queue is still registered")
	}
}

func TestCloseEndsFollowers(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1")
	got := make(chan error, 1)
	go func() {
		for r, err := range l.Subscribe(context.Background(), SubscribeOptions{Follow: true}) {
			if err != nil {
				got <- err
				return
			}
			if r.ID == "1" {
				go closeLog(t, l)
			}
		}
	}()
	wantErr(t, <-got, ErrClosed)
	closeLog(t, l)
}

func TestReplayReportsWhatRetentionDropped(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	claim(t, l, "b", 1)
	mustAppend(t, w, "3", "4", "5")
	expire(t, l, 5)
	w = claim(t, l, "a", 2)
	mustAppend(t, w, "7")
	replay := func(c Cursor) []string { return collect(t, -1, w.Replay(testCtx(t), c)) }
	diff(t, []string{"a/5"}, replay(Cursor{}))
	diff(t, []string{"a/gap:3-4", "a/5"}, replay(Cursor{1, 2}))
	diff(t, []string{"a/gap:4-4", "a/5"}, replay(Cursor{1, 3}))
	diff(t, []string{"a/5"}, replay(Cursor{1, 4}))
	diff(t, []string{}, replay(Cursor{1, 5}))
	diff(t, []string{}, replay(Cursor{1, 99}))

	expire(t, l, 8)
	w = claim(t, l, "a", 3) // the subject is empty: the claim knows of no previous record
	diff(t, []string{"a/gap:6-7"}, replay(Cursor{1, 5}))
	expire(t, l, 9)
	for _, err := range w.Replay(testCtx(t), Cursor{1, 5}) {
		wantErr(t, err, ErrTruncated)
	}
}
