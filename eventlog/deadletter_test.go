package eventlog

import (
	"testing"
)

func dead(t *testing.T, l *Log) []string {
	t.Helper()
	return collect(t, -1, l.DeadLetters(testCtx(t), "c"))
}

// giveUp lets the next delivery fail so that it becomes a dead letter with the next fetch.
func giveUp(t *testing.T, c *Consumer, id string) {
	t.Helper()
	if err := c.Nak(fetchOne(t, c, id).AckID, 0); err != nil {
		t.Fatal(err)
	}
}

func redeliver(t *testing.T, c *Consumer, account accountID, limit, want int) {
	t.Helper()
	if n, err := c.Redeliver(testCtx(t), account, limit); err != nil || n != want {
		t.Fatalf("%d dead letters were put back, %v; want %d", n, err, want)
	}
}

// Dead letters that are put back come in their order, one at a time, before what is left of their account
// and never beside it.
func TestDeadLettersComeBackInOrder(t *testing.T) {
	l := openLog(t, testConfig(t))
	w := claim(t, l, "a", 1)
	mustAppend(t, w, "1", "2", "3", "4")
	o := ConsumerOptions{MaxDeliver: 1}
	c := openConsumer(t, l, "c", o)
	giveUp(t, c, "a/1")
	giveUp(t, c, "a/2")
	out := fetchOne(t, c, "a/3")
	diff(t, []string{"a/1", "a/2"}, dead(t, l))
	redeliver(t, c, "b", 10, 0)
	redeliver(t, c, "a", 1, 1)
	redeliver(t, c, "", 10, 1)
	redeliver(t, c, "", 10, 0) // they are back already
	mustAppend(t, claim(t, l, "b", 1), "5")
	ack(t, c, fetchOne(t, c, "b/5")) // the account's own event is still out
	ack(t, c, out)
	first := fetchOne(t, c, "a/1")
	if first.Attempt != 1 || first.Seq == 0 || first.Seq >= out.Seq {
		t.Errorf("attempt %d at %s, before %s", first.Attempt, first.Cursor(), out.Cursor())
	}
	ack(t, c, first)
	giveUp(t, c, "a/2")
	ack(t, c, fetchOne(t, c, "a/4"))
	diff(t, []string{"a/2"}, dead(t, l))
	if c.InFlight() != 0 || len(c.lanes) != 0 {
		t.Errorf("%d held in %d lanes", c.InFlight(), len(c.lanes))
	}
}

// A dispatcher that ends before they are settled loses nothing: they are dead letters still, and the
// place of the consumer has not gone back to them.
func TestDeadLettersThatWereNotSettledStay(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1", "2", "3")
	c := openConsumer(t, l, "c", ConsumerOptions{MaxDeliver: 1})
	giveUp(t, c, "a/1")
	ack(t, c, fetchOne(t, c, "a/2"))
	redeliver(t, c, "a", 10, 1)
	fetchOne(t, c, "a/1")
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	diff(t, []string{"a/1"}, dead(t, l))
	c = openConsumer(t, l, "c", ConsumerOptions{MaxDeliver: 1})
	ack(t, c, fetchOne(t, c, "a/3"))
	redeliver(t, c, "a", 10, 1)
	ack(t, c, fetchOne(t, c, "a/1"))
	diff(t, []string{}, dead(t, l))
}

func TestRedeliveryKeepsToTheLimits(t *testing.T) {
	l := openLog(t, testConfig(t))
	mustAppend(t, claim(t, l, "a", 1), "1", "2", "3")
	c := openConsumer(t, l, "c", ConsumerOptions{MaxDeliver: 1, MaxInFlight: 2})
	for _, id := range []string{"a/1", "a/2", "a/3"} {
		giveUp(t, c, id)
	}
	mustAppend(t, claim(t, l, "b", 1), "4")
	ack(t, c, fetchOne(t, c, "b/4"))
	redeliver(t, c, "", 10, 2)
	_, err := c.Redeliver(testCtx(t), "", 10)
	wantErr(t, err, ErrFull)
	ack(t, c, fetchOne(t, c, "a/1"))
	redeliver(t, c, "", 10, 1)
	for _, id := range []string{"a/2", "a/3"} {
		ack(t, c, fetchOne(t, c, id))
	}
	diff(t, []string{}, dead(t, l))
}
