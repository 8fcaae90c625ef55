package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/telefleet/orchestrator/eventlog/stream"
)

// An account falls behind in a consumer, then is idle until retention has taken all its records:
// no record of it is left that could show the loss by its previous sequence.
func TestConsumerIsToldOfAnIdleAccountWhoseRecordsAllExpired(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart=", restart), func(t *testing.T) {
			l := openLog(t, testConfig(t))
			idle, other := claim(t, l, "idle", 1), claim(t, l, "other", 1)
			o := ConsumerOptions{MaxPerAccount: 1}
			c := openConsumer(t, l, "c", o)
			first := mustAppend(t, idle, "1")
			lost := mustAppend(t, idle, "2", "3")
			last := mustAppend(t, other, "4")
			ds, _ := fetch(t, c, 2) // "2" and "3" stay in the store
			if len(ds) != 2 {
				t.Fatalf("got %d deliveries", len(ds))
			}
			expire(t, l, last)
			l.hub.restart()
			for _, d := range ds {
				if d.Account == "other" || !restart {
					ack(t, c, d)
				}
			}
			if restart {
				if err := c.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				c = openConsumer(t, l, "c", o)
				ds, ids := fetch(t, c, 2)
				diff(t, []string{fmt.Sprintf("idle/gap:%d-%d", first, last)}, ids)
				ack(t, c, ds...)
			} else {
				ack(t, c, fetchOne(t, c, fmt.Sprintf("idle/gap:%d-%d", first+1, last)))
			}
			if got := c.Cursor().Seq; got < lost || c.InFlight() != 0 || len(c.lanes) != 0 {
				t.Errorf("cursor %d, held %d, lanes %d", got, c.InFlight(), len(c.lanes))
			}
		})
	}
}

// A follower has seen everything. That an idle account's old records expire, and a new owner begins
// without a previous one, is no loss to it.
func TestFollowerOfAnIdleAccountIsToldOfNoGap(t *testing.T) {
	l := openLog(t, testConfig(t))
	idle, other := claim(t, l, "idle", 1), claim(t, l, "other", 1)
	mustAppend(t, idle, "1")
	var got []string
	step := 0
	for r, err := range l.Subscribe(testCtx(t), SubscribeOptions{Accounts: []accountID{"idle"}, Follow: true, From: FromBeginning()}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, show(r))
		if step++; step == 1 {
			tailFrom(t, l, r.Seq)
			last := mustAppend(t, other, "2", "3", "4")
			expire(t, l, last)
			mustAppend(t, claim(t, l, "idle", 2), "5")
			continue
		}
		break
	}
	diff(t, []string{"idle/1", "idle/5"}, got)
}

// tailFrom waits until followers at pos are served from memory.
func tailFrom(t *testing.T, l *Log, pos uint64) {
	t.Helper()
	for ctx := testCtx(t); ; {
		_, _, ok, changed := l.hub.after(pos)
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("the tail does not begin")
		}
	}
}

func TestBusyAccountDoesNotDisplaceTheOthers(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxPerAccount = 1
	wantErr(t, cfg.Validate(), ErrInvalid)
	cfg.MaxPerAccount = MinMaxPerAccount
	l := openLog(t, cfg)
	busy, calm := claim(t, l, "busy", 1), claim(t, l, "calm", 1)
	// Behind the claims: that of the busy account is the first record to go, and then nobody knows
	// whose it was.
	c := openConsumer(t, l, "c", ConsumerOptions{From: FromNew()})
	mustAppend(t, calm, "1")
	recs := make([]Record, MinMaxPerAccount+50)
	for i := range recs {
		recs[i] = event(fmt.Sprint(i))
	}
	last, err := busy.Append(testCtx(t), recs...)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, []string{"calm/1"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{Accounts: []accountID{"calm"}})))
	all := collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{Accounts: []accountID{"busy"}}))
	if len(all) != MinMaxPerAccount || all[len(all)-1] != fmt.Sprintf("busy/%d", len(recs)-1) {
		t.Errorf("%d records kept, the last is %s", len(all), all[len(all)-1])
	}
	// A consumer that was not there meanwhile gets the calm account's event, and a gap before the
	// busy account's ones.
	ds, ids := fetch(t, c, 2)
	if len(ids) != 2 || ids[0] != "calm/1" && ids[1] != "calm/1" {
		t.Fatalf("got %v", ids)
	}
	for _, d := range ds {
		if d.Account == "busy" && (d.Gap == nil || d.Gap.To != last-MinMaxPerAccount) {
			t.Errorf("got %s, want a gap up to %d", show(d.Record), last-MinMaxPerAccount)
		}
	}
}

// A lost acknowledgement of the first append after the subject expired: the retry must neither
// store twice nor think that somebody else owns the account.
func TestLostAcknowledgementAfterExpiryIsNoFencing(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	last := mustAppend(t, w, "1")
	expire(t, l, last+1)
	lost := 0
	interpose(l, func(_ *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		m, err := send()
		if lost++; lost == 2 { // the first is refused: the subject is empty
			return nil, context.DeadlineExceeded
		}
		return m, err
	})
	mustAppend(t, w, "2")
	mustAppend(t, w, "3")
	diff(t, []string{"a/2", "a/3"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{Accounts: []accountID{"a"}, From: FromBeginning()})))
	if lost < 3 {
		t.Errorf("%d appends were sent", lost)
	}
}

// A former owner's append that is under way while everything expires and the account is claimed
// again is refused, and the new owner is not fenced by it.
func TestFormerOwnersLateAppendAfterExpiryIsRefused(t *testing.T) {
	l := openLog(t, testConfig(t))
	old := claim(t, l, "a", 1)
	last := mustAppend(t, old, "1")
	expire(t, l, last+1)
	var w *Writer
	late := true
	interpose(l, func(_ *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		if late {
			late = false
			w = claim(t, l, "a", 2)
		}
		return send()
	})
	_, err := old.Append(testCtx(t), event("late"))
	wantErr(t, err, ErrFenced)
	mustAppend(t, w, "2")
	diff(t, []string{"a/2"}, collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{Accounts: []accountID{"a"}})))
}

// A consumer's saved place lies beyond a cut tail. It resumes at the end of the old epoch: what is
// written in the place of the lost records is delivered.
func TestConsumerBeyondACutTailMissesNothing(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	w := claim(t, l, "a", 1)
	kept := mustAppend(t, w, "1")
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	l = openLog(t, cfg)
	c := openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/1"))
	// The state of a consumer that had read three records more, of which the store knows nothing.
	kv, err := l.consumers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "c", fmt.Sprintf(`{"scan":"1-%d","behind":{"a":%d}}`, kept+3, kept+2)); err != nil {
		t.Fatal(err)
	}
	crash(l)
	l = openLog(t, cfg)
	w = claim(t, l, "a", 2)
	mustAppend(t, w, "2", "3")
	c = openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/2"))
	ack(t, c, fetchOne(t, c, "a/3"))
}

func TestMatchThatFailsLosesNothing(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1", "2", "3")
	away := errors.New("labels are away")
	fail := true
	c := openConsumer(t, l, "c", ConsumerOptions{Match: func(_ context.Context, r *Record) (bool, error) {
		if fail && r.ID == "3" {
			fail = false
			return false, away
		}
		return r.ID != "2", nil
	}})
	_, err := c.Fetch(testCtx(t), 1)
	wantErr(t, err, away)
	ack(t, c, fetchOne(t, c, "a/1"))
	ack(t, c, fetchOne(t, c, "a/3"))
}

func TestDeliveryInProgressIsNotRepeated(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1")
	c := openConsumer(t, l, "c", ConsumerOptions{AckWait: time.Hour})
	d := fetchOne(t, c, "a/1")
	e := c.held[d.AckID]
	e.due = time.Now() // its time is over
	if err := c.InProgress(d.AckID); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(e.due); left < time.Hour-time.Minute {
		t.Errorf("%s are left", left)
	}
	ack(t, c, d)
	wantErr(t, c.InProgress(d.AckID), ErrNotFound)
}

func TestReplayedConsumerBeginsAnew(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	second := mustAppend(t, w, "1", "2")
	c := openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/1"))
	ack(t, c, fetchOne(t, c, "a/2"))
	place := Cursor{Epoch: l.Epoch(), Seq: second - 1}
	for _, from := range []From{FromCursor(place), FromCursor(place)} {
		at, err := l.SeekConsumer(t.Context(), "c", from)
		if err != nil || at != place {
			t.Fatalf("at %s, %v", at, err)
		}
		wantErr(t, c.Flush(t.Context()), ErrInUse)
		c = openConsumer(t, l, "c", ConsumerOptions{From: FromNew()})
		ack(t, c, fetchOne(t, c, "a/2"))
	}
	if _, err := l.SeekConsumer(t.Context(), "c", FromBeginning()); err != nil {
		t.Fatal(err)
	}
	c = openConsumer(t, l, "c", ConsumerOptions{})
	ack(t, c, fetchOne(t, c, "a/1"))
}

func TestAttemptsSurviveATakeOver(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1", "2")
	o := ConsumerOptions{MaxDeliver: 3}
	for attempt := 1; attempt <= 3; attempt++ {
		c := openConsumer(t, l, "c", o)
		d := fetchOne(t, c, "a/1")
		if d.Attempt != attempt {
			t.Errorf("attempt %d, want %d", d.Attempt, attempt)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		st, err := l.ConsumerStatus(t.Context(), "c")
		if err != nil || st.Behind != 1 || st.Cursor.Seq != d.Seq-1 {
			t.Errorf("status %+v, %v", st, err)
		}
	}
	c := openConsumer(t, l, "c", o)
	ack(t, c, fetchOne(t, c, "a/2"))
	diff(t, []string{"a/1"}, collect(t, -1, l.DeadLetters(testCtx(t), "c")))
	_, err := l.ConsumerStatus(t.Context(), "none")
	wantErr(t, err, ErrNotFound)
}

// Nobody fetches for a long time while events arrive: the consumer holds no more than its limits,
// and everything comes afterwards.
func TestConsumerThatIsAwayHoldsBoundedMemory(t *testing.T) {
	l := openLog(t, testConfig(t))
	const accounts, each = 20, 100
	o := ConsumerOptions{MaxInFlight: 64, MaxPerAccount: 4, AckWait: time.Hour}
	c := openConsumer(t, l, "c", o)
	for a := range accounts {
		w := claim(t, l, accountID(fmt.Sprint("a", a)), 1)
		recs := make([]Record, each)
		for i := range recs {
			recs[i] = event(fmt.Sprint(i))
		}
		if _, err := w.Append(testCtx(t), recs...); err != nil {
			t.Fatal(err)
		}
		if a == 0 {
			fetch(t, c, 1) // taken, and never settled: its receiver is down
		}
	}
	if got := c.InFlight(); got > o.MaxInFlight+stream.PageRecords {
		t.Errorf("%d events held", got)
	}
	next := map[accountID]int{"a0": -1}
	for done := 0; done < accounts*each-each; {
		ds, _ := fetch(t, c, 100)
		for _, d := range ds {
			if d.Account == "a0" || d.ID != fmt.Sprint(next[d.Account]) {
				t.Fatalf("%s/%s came, %d events done", d.Account, d.ID, done)
			}
			next[d.Account]++
			done++
		}
		ack(t, c, ds...)
		if got := c.InFlight(); got > o.MaxInFlight+stream.PageRecords {
			t.Fatalf("%d events held", got)
		}
	}
}

func TestNotesAreTheLatestOfTheirSubject(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	for i := range MaxNotes + 3 {
		if err := l.Note(t.Context(), "hook", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Note(t.Context(), "other", []byte("x")); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = openLog(t, cfg)
	notes, err := l.Notes(t.Context(), "hook", 2)
	if err != nil || len(notes) != 2 || string(notes[0].Body) != fmt.Sprint(MaxNotes+2) || notes[0].Time.IsZero() {
		t.Fatalf("got %v, %v", notes, err)
	}
	if notes, err = l.Notes(t.Context(), "hook", 10*MaxNotes); err != nil || len(notes) != MaxNotes {
		t.Fatalf("%d notes, %v", len(notes), err)
	}
	if err := l.ForgetNotes(t.Context(), "hook"); err != nil {
		t.Fatal(err)
	}
	if notes, err = l.Notes(t.Context(), "hook", 1); err != nil || len(notes) != 0 {
		t.Fatalf("got %v, %v", notes, err)
	}
	wantErr(t, l.Note(t.Context(), "no.dots", nil), ErrInvalid)
}

// Nothing that the log keeps beside the events may fill the disk that the guard saves.
func TestLowSpaceStopsNotesAndDeadLetters(t *testing.T) {
	cfg := testConfig(t)
	var free atomic.Uint64
	free.Store(100)
	cfg.MinFree, cfg.FreeSpace = 10, func(string) (uint64, error) { return free.Load(), nil }
	l := openLog(t, cfg)
	mustAppend(t, claim(t, l, "a", 1), "1", "2")
	c := openConsumer(t, l, "c", ConsumerOptions{MaxDeliver: 1})
	if err := c.Nak(fetchOne(t, c, "a/1").AckID, 0); err != nil {
		t.Fatal(err)
	}
	free.Store(9)
	_, err := c.Fetch(testCtx(t), 1)
	wantErr(t, err, ErrLowSpace)
	wantErr(t, l.Note(t.Context(), "hook", nil), ErrLowSpace)
	free.Store(100)
	ack(t, c, fetchOne(t, c, "a/2"))
	diff(t, []string{"a/1"}, collect(t, -1, l.DeadLetters(testCtx(t), "c")))
}
