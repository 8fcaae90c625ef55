package eventlog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/telefleet/orchestrator/eventlog/stream"
)

var errLost = errors.New("acknowledgement lost")

func all(t testing.TB, l *Log) []string {
	t.Helper()
	return collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{Internal: true}))
}

func diff(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestAppendKeepsRecordPlaceAndPrevious(t *testing.T) {
	l := openLog(t, testConfig(t))
	a, b := claim(t, l, "a", 5), claim(t, l, "b", 6)
	mustAppend(t, a, "a1")
	mustAppend(t, b, "b1")
	at := time.Unix(1700000000, 42).UTC()
	rec := Record{Kind: "message.new", ID: "a2", Time: at, Payload: []byte("text of a2"),
		Positions: []Position{{"pts", 7}, {"channel/-100", -3}}}
	last, err := a.Append(t.Context(), rec)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, []string{"a/owner:5", "b/owner:6", "a/a1", "b/b1", "a/a2"}, all(t, l))
	for r, err := range l.Subscribe(testCtx(t), SubscribeOptions{From: FromCursor(Cursor{l.Epoch(), last - 1})}) {
		if err != nil {
			t.Fatal(err)
		}
		rec.Account, rec.Token, rec.Prev, rec.Seq, rec.Epoch = "a", 5, 3, last, 1
		diff(t, rec, r)
	}
}

func TestFormerOwnerIsRefusedByTheLog(t *testing.T) {
	l := openLog(t, testConfig(t))
	old := claim(t, l, "a", 5)
	mustAppend(t, old, "1")
	claim(t, l, "a", 9)
	_, err := old.Append(t.Context(), event("late"))
	wantErr(t, err, ErrFenced)
	_, err = old.Append(t.Context(), event("later"))
	wantErr(t, err, ErrWriterEnded)
	_, err = l.Claim(t.Context(), "a", 5)
	wantErr(t, err, ErrFenced)
	diff(t, []string{"a/owner:5", "a/1", "a/owner:9"}, all(t, l))
}

func TestLateAppendInFlightDuringAClaimIsRefused(t *testing.T) {
	l := openLog(t, testConfig(t))
	old := claim(t, l, "a", 5)
	first := true
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		if first { // the append has left the old owner; the new owner claims before it arrives
			first = false
			claim(t, l, "a", 9)
		}
		return send()
	})
	_, err := old.Append(t.Context(), event("late"))
	wantErr(t, err, ErrFenced)
	diff(t, []string{"a/owner:5", "a/owner:9"}, all(t, l))
}

func TestClaimAgainWithTheSameTokenFencesTheFormerWriter(t *testing.T) {
	l := openLog(t, testConfig(t))
	old := claim(t, l, "a", 5)
	w := claim(t, l, "a", 5)
	_, err := old.Append(t.Context(), event("late"))
	wantErr(t, err, ErrFenced)
	mustAppend(t, w, "1")
	diff(t, []string{"a/owner:5", "a/owner:5", "a/1"}, all(t, l))
}

func TestClaimComesAfterALateAppendOfALowerToken(t *testing.T) {
	l := openLog(t, testConfig(t))
	old := claim(t, l, "a", 5)
	first := true
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		if first { // the claim has read the subject; the old owner is faster
			first = false
			mustAppend(t, old, "late")
		}
		return send()
	})
	w := claim(t, l, "a", 9)
	mustAppend(t, w, "1")
	diff(t, []string{"a/owner:5", "a/late", "a/owner:9", "a/1"}, all(t, l))
	diff(t, []string{"a/late"}, collect(t, -1, w.Replay(testCtx(t), Cursor{1, 1})))
}

func TestLostAcknowledgementIsFoundInTheLog(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		if _, err := send(); err != nil {
			return nil, err
		}
		return nil, errLost
	})
	mustAppend(t, w, "1", "2")
	diff(t, []string{"a/owner:5", "a/1", "a/2"}, all(t, l))
	claim(t, l, "a", 6)
	diff(t, []string{"a/owner:5", "a/1", "a/2", "a/owner:6"}, all(t, l))
}

func TestLostRequestIsRepeated(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	n := 0
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		if n++; n%2 == 1 {
			return nil, errLost
		}
		return send()
	})
	mustAppend(t, w, "1", "2")
	diff(t, []string{"a/owner:5", "a/1", "a/2"}, all(t, l))
}

// The request of a try that timed out arrives after the next try was stored.
func TestDelayedRequestIsNotStoredTwice(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	var delayed func() (*nats.Msg, error)
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		if delayed == nil {
			delayed = func() (*nats.Msg, error) { return l.nc.RequestMsg(m, time.Minute) }
			return nil, errLost
		}
		return send()
	})
	mustAppend(t, w, "1")
	reply, err := delayed()
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.ParseAck(reply.Data)
	wantErr(t, err, stream.ErrMismatch)
	mustAppend(t, w, "2")
	diff(t, []string{"a/owner:5", "a/1", "a/2"}, all(t, l))
}

func TestUnknownOutcomeEndsTheWriter(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) { return nil, errLost })
	_, err := w.Append(t.Context(), event("1"))
	wantErr(t, err, ErrUnknownOutcome)
	_, err = w.Append(t.Context(), event("1"))
	wantErr(t, err, ErrWriterEnded)
}

func TestExpiredSubjectFallsBackToExpectingNone(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	last := mustAppend(t, w, "1")
	expire(t, l, last+1)
	mustAppend(t, w, "2")
	diff(t, []string{"a/2"}, all(t, l))
	for r := range l.Subscribe(testCtx(t), SubscribeOptions{}) {
		if r.Prev != last {
			t.Errorf("previous sequence %d, want %d", r.Prev, last)
		}
	}
}

func TestLowerTokenAfterExpiryIsFollowedByANewClaim(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	last := mustAppend(t, w, "1")
	expire(t, l, last+1)
	rawAppend(t, l, Record{Account: "a", Kind: "x", ID: "late", Token: 3})
	mustAppend(t, w, "2")
	diff(t, []string{"a/late", "a/owner:5", "a/2"}, all(t, l))
}

func TestLostTailEndsTheWriter(t *testing.T) {
	for name, keep := range map[string]bool{"own records left": true, "nothing left": false} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, testConfig(t))
			w := claim(t, l, "a", 5)
			if keep {
				mustAppend(t, w, "1")
			}
			// The writer knows of more than the store has.
			w.expected, w.appended = w.expected+10, true
			if !keep {
				expire(t, l, 2)
			}
			_, err := w.Append(t.Context(), event("2"))
			wantErr(t, err, ErrTailLost)
		})
	}
}

func TestInvalidTokenSendsNothing(t *testing.T) {
	cfg := testConfig(t)
	var invalid error
	cfg.TokenValid = func(accountID, token) error { return invalid }
	l := openLog(t, cfg)
	w := claim(t, l, "a", 5)
	invalid = errors.New("past the deadline")
	_, err := w.Append(t.Context(), event("1"))
	wantErr(t, err, ErrFenced)
	diff(t, []string{"a/owner:5"}, all(t, l))
}

func TestSecondAppendInFlightIsAnError(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		_, err := w.Append(context.Background(), event("other"))
		wantErr(t, err, ErrBusy)
		return send()
	})
	mustAppend(t, w, "1")
	diff(t, []string{"a/owner:5", "a/1"}, all(t, l))
}

func TestLowSpaceStopsAppendsBeforeTheStore(t *testing.T) {
	cfg := testConfig(t)
	free := uint64(1 << 40)
	cfg.MinFree, cfg.FreeSpace = 1<<20, func(string) (uint64, error) { return free, nil }
	l := openLog(t, cfg)
	w := claim(t, l, "a", 5)
	free = 1<<20 - 1
	_, err := w.Append(t.Context(), event("1"))
	wantErr(t, err, ErrLowSpace)
	_, err = l.Claim(t.Context(), "b", 5)
	wantErr(t, err, ErrLowSpace)
	free = 1 << 20
	mustAppend(t, w, "1")
	diff(t, []string{"a/owner:5", "a/1"}, all(t, l))
}

func TestBadRecordsLeaveTheWriterUsable(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	for _, c := range []struct {
		rec  Record
		want error
	}{
		{Record{}, ErrInvalid},
		{Record{Kind: KindOwnerChanged}, ErrInvalid},
		{Record{Kind: "k", Positions: make([]Position, maxPositions+1)}, ErrInvalid},
		{Record{Kind: "k", Payload: make([]byte, MaxRecordBytes)}, ErrTooLarge},
	} {
		n, err := w.Append(t.Context(), event("0"), c.rec)
		wantErr(t, err, c.want)
		if n != 0 {
			t.Errorf("half of the call was stored")
		}
	}
	mustAppend(t, w, "1")
	diff(t, []string{"a/owner:5", "a/1"}, all(t, l))
}

func TestCancelledAppendSaysHowFarItCame(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 5)
	ctx, cancel := context.WithCancel(t.Context())
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		cancel()
		return send()
	})
	last, err := w.Append(ctx, event("1"), event("2"))
	wantErr(t, err, context.Canceled)
	var ae *AppendError
	if !errors.As(err, &ae) || ae.Done != 1 || ae.Last != 2 || last != 2 {
		t.Fatalf("got %d, %+v", last, ae)
	}
	mustAppend(t, w, "2")
	diff(t, []string{"a/owner:5", "a/1", "a/2"}, all(t, l))
}

func TestStoredBytesHoldNoClearText(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	w := claim(t, l, "a", 5)
	rec := event("1")
	rec.Payload = []byte("the login code is 12345")
	if _, err := w.Append(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	if n := countFiles(t, cfg.Dir, "message.new"); n == 0 {
		t.Fatal("the record itself is not found on disk: the test looks in the wrong place")
	}
	if n := countFiles(t, cfg.Dir, "login code"); n != 0 {
		t.Fatalf("clear text in %d files", n)
	}
}
