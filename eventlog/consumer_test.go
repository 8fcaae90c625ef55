package eventlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

func openConsumer(t testing.TB, l *Log, name string, o ConsumerOptions) *Consumer {
	t.Helper()
	c, err := l.Consumer(context.Background(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fetch(t testing.TB, c *Consumer, n int) (ds []Delivery, ids []string) {
	t.Helper()
	ds, err := c.Fetch(testCtx(t), n)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		ids = append(ids, show(d.Record))
	}
	return ds, ids
}

// fetchOne wants a certain single delivery.
func fetchOne(t testing.TB, c *Consumer, id string) Delivery {
	t.Helper()
	ds, ids := fetch(t, c, 1)
	diff(t, []string{id}, ids)
	return ds[0]
}

func ack(t testing.TB, c *Consumer, ds ...Delivery) {
	t.Helper()
	for _, d := range ds {
		if err := c.Ack(context.Background(), d.AckID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConsumerGoesOnWhereItWasAcknowledged(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	w := claim(t, l, "a", 1)
	last := mustAppend(t, w, "1", "2", "3")
	c := openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/1"))
	fetchOne(t, c, "a/2")
	if got := c.Cursor(); got != (Cursor{1, last - 2}) {
		t.Errorf("cursor %s", got)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)

	l = openLog(t, cfg)
	c = openConsumer(t, l, "c", ConsumerOptions{From: FromNew()}) // ignored: it exists
	ack(t, c, fetchOne(t, c, "a/2"))
	ack(t, c, fetchOne(t, c, "a/3"))
	if got := c.Cursor(); got != (Cursor{1, last}) {
		t.Errorf("cursor %s, want %d", got, last)
	}
}

func TestLaterEventOfAnAccountWaitsForTheEarlierOne(t *testing.T) {
	l := openLog(t, testConfig(t))
	a, b := claim(t, l, "a", 1), claim(t, l, "b", 1)
	mustAppend(t, a, "1", "2")
	mustAppend(t, b, "1", "2")
	c := openConsumer(t, l, "c", ConsumerOptions{})
	ds, _ := fetch(t, c, 10)
	if len(ds) != 2 || ds[0].Account == ds[1].Account || ds[0].ID != "1" || ds[1].ID != "1" {
		t.Fatalf("got %v", ds)
	}
	if ds[0].Account == "b" {
		ds[0], ds[1] = ds[1], ds[0]
	}
	ack(t, c, ds[1])
	ack(t, c, fetchOne(t, c, "b/2"))
	if err := c.Nak(ds[0].AckID, 0); err != nil {
		t.Fatal(err)
	}
	d := fetchOne(t, c, "a/1")
	if d.Attempt != 2 {
		t.Errorf("attempt %d", d.Attempt)
	}
	ack(t, c, d)
	wantErr(t, c.Ack(t.Context(), d.AckID), ErrNotFound)
	wantErr(t, c.Nak("1-999", 0), ErrNotFound)
	ack(t, c, fetchOne(t, c, "a/2"))
}

func TestStuckAccountDoesNotHoldUpTheOthers(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	stuck, other := claim(t, l, "stuck", 1), claim(t, l, "other", 1)
	o := ConsumerOptions{MaxInFlight: 20, MaxPerAccount: 5}
	c := openConsumer(t, l, "c", o)
	const n = 700
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprint(i))
	}
	mustAppend(t, stuck, ids...)
	first := fetchOne(t, c, "stuck/0")
	mustAppend(t, other, ids...)
	for i := range n {
		ack(t, c, fetchOne(t, c, fmt.Sprint("other/", i)))
		if got := c.InFlight(); got > 20+stream.PageRecords {
			t.Fatalf("%d held", got)
		}
	}
	if got := c.InFlight(); got != 5 {
		t.Errorf("%d events of the stuck account are held, want 5", got)
	}
	if c.Cursor().Seq >= first.Seq {
		t.Errorf("cursor %s passed the stuck event %d", c.Cursor(), first.Seq)
	}
	// A restart delivers nothing of the other account again.
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = openLog(t, cfg)
	c = openConsumer(t, l, "c", o)
	for i := range n {
		ack(t, c, fetchOne(t, c, fmt.Sprint("stuck/", i)))
	}
	mustAppend(t, claim(t, l, "stuck", 2), "end")
	ack(t, c, fetchOne(t, c, "stuck/end"))
	if c.InFlight() != 0 || len(c.lanes) != 0 {
		t.Errorf("left: %d events, %d lanes", c.InFlight(), len(c.lanes))
	}
}

func TestUnacknowledgedEventComesAgain(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1")
	c := openConsumer(t, l, "c", ConsumerOptions{AckWait: time.Millisecond})
	first := fetchOne(t, c, "a/1")
	again := fetchOne(t, c, "a/1")
	if again.Attempt != 2 {
		t.Errorf("attempt %d", again.Attempt)
	}
	ack(t, c, first) // late, but no other word came
	if c.InFlight() != 0 {
		t.Error("still held")
	}
}

func TestEventThatIsNeverAcknowledgedBecomesADeadLetter(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1", "2")
	mustAppend(t, claim(t, l, "b", 1), "3")
	c := openConsumer(t, l, "c", ConsumerOptions{MaxDeliver: 2, Accounts: []fleet.AccountID{"a"}})
	for range 2 {
		if err := c.Nak(fetchOne(t, c, "a/1").AckID, 0); err != nil {
			t.Fatal(err)
		}
	}
	ack(t, c, fetchOne(t, c, "a/2"))
	diff(t, []string{"a/1"}, collect(t, -1, l.DeadLetters(testCtx(t), "c")))
	diff(t, []string{}, collect(t, -1, l.DeadLetters(testCtx(t), "d")))
	if err := l.Purge(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	diff(t, []string{}, collect(t, -1, l.DeadLetters(testCtx(t), "c")))
}

func TestConsumerIsToldWhatRetentionDropped(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	mustAppend(t, w, "2", "3", "4")
	c := openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/2"))
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	expire(t, l, 4)
	c = openConsumer(t, l, "c", ConsumerOptions{})
	// The account was behind the scan, so the gap is known to be its own.
	ack(t, c, fetchOne(t, c, "a/gap:3-3"))
	ack(t, c, fetchOne(t, c, "a/4"))
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := mustAppend(t, w, "5", "6")
	expire(t, l, last)
	l.hub.restart() // it may still hold what the store dropped
	c = openConsumer(t, l, "c", ConsumerOptions{})
	ds, ids := fetch(t, c, 2)
	if len(ds) != 2 || ids[0] != "/gap:5-5" && ids[1] != "/gap:5-5" {
		t.Fatalf("got %v", ids)
	}
	if got := c.Cursor().Seq; got != 4 {
		t.Errorf("cursor %d passed the gap", got)
	}
	ack(t, c, ds...)
	if got := c.Cursor().Seq; got != last {
		t.Errorf("cursor %d, want %d", got, last)
	}
}

func TestSecondDispatcherTakesTheConsumerOver(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1")
	old := openConsumer(t, l, "c", ConsumerOptions{})
	fetchOne(t, old, "a/1")
	c := openConsumer(t, l, "c", ConsumerOptions{})
	wantErr(t, old.Flush(t.Context()), ErrInUse)
	_, err := old.Fetch(t.Context(), 1)
	wantErr(t, err, ErrInUse)
	ack(t, c, fetchOne(t, c, "a/1"))
}

func TestDeletedConsumerStartsAnew(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1")
	c := openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/1"))
	if err := l.DeleteConsumer(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	wantErr(t, c.Flush(t.Context()), ErrInUse)
	c = openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/1"))
	_, err := l.Consumer(t.Context(), "no.dots", ConsumerOptions{})
	wantErr(t, err, ErrInvalid)
}

func TestWaitingFetchSeesANewEvent(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	c := openConsumer(t, l, "c", ConsumerOptions{From: FromNew()})
	got := make(chan string, 1)
	go func() {
		ds, err := c.Fetch(testCtx(t), 5)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- show(ds[0].Record)
	}()
	mustAppend(t, w, "1")
	diff(t, "a/1", <-got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Fetch(ctx, 1)
	wantErr(t, err, context.Canceled)
}

// Whatever is acknowledged, refused or interrupted by a restart: each event is delivered, in
// the order of its account, and what was acknowledged before a clean close never comes again.
func TestConsumerDeliversEverythingInOrder(t *testing.T) {
	l := openLog(t, testConfig(t))
	run := 0
	tokens := fleet.FencingToken(0)
	rapid.Check(t, func(rt *rapid.T) {
		run++
		tokens++
		name := fmt.Sprint("c", run)
		accounts := []fleet.AccountID{"a", "b", "c"}
		ws := map[fleet.AccountID]*Writer{}
		for _, a := range accounts {
			ws[a] = claim(t, l, a, tokens)
		}
		o := ConsumerOptions{From: FromNew(), MaxInFlight: rapid.IntRange(9, 16).Draw(rt, "in flight"),
			MaxPerAccount: rapid.IntRange(1, 3).Draw(rt, "per account"), AckWait: time.Hour}
		c := openConsumer(t, l, name, o)
		written, acked := map[fleet.AccountID]int{}, map[fleet.AccountID]int{}
		total, done := 0, 0
		flying := map[string]Delivery{}
		step := func(op int) {
			switch op {
			case 0:
				a := rapid.SampledFrom(accounts).Draw(rt, "account")
				for range rapid.IntRange(1, 6).Draw(rt, "events") {
					mustAppend(t, ws[a], fmt.Sprint(written[a]))
					written[a]++
					total++
				}
			case 1:
				if done+len(flying) == total || len(flying) == len(accounts) {
					return
				}
				for a := range written { // is anything deliverable?
					if _, ok := flying[string(a)]; !ok && acked[a] < written[a] {
						ds, _ := fetch(t, c, 3)
						for _, d := range ds {
							if d.ID != fmt.Sprint(acked[d.Account]) {
								rt.Fatalf("%s/%s delivered, want %d", d.Account, d.ID, acked[d.Account])
							}
							flying[string(d.Account)] = d
						}
						return
					}
				}
			case 2, 3:
				for _, a := range accounts {
					if d, ok := flying[string(a)]; ok {
						delete(flying, string(a))
						if op == 3 {
							if err := c.Nak(d.AckID, 0); err != nil {
								rt.Fatal(err)
							}
							return
						}
						ack(t, c, d)
						acked[a]++
						done++
						return
					}
				}
			case 4:
				if err := c.Close(context.Background()); err != nil {
					rt.Fatal(err)
				}
				clear(flying)
				c = openConsumer(t, l, name, o)
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			step(rapid.IntRange(0, 4).Draw(rt, "op"))
		}
		for done < total {
			step(2)
			step(1)
		}
	})
}
