package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator"
)

// strike kills a node's process.
func (c *testCluster) strike(name string) {
	c.t.Helper()
	c.mu.Lock()
	struck := c.running[name]
	delete(c.running, name)
	c.mu.Unlock()
	struck.kill()
}

// batchRun is one batch that is given again and again.
type batchRun struct {
	*testCluster
	id, text string
	target   simulator.User
	done     map[string]int32 // the message of each account
	repeated int
}

// take runs the batch until it is over or take of a result says false, and gives the accounts that failed.
func (b *batchRun) take(ctx context.Context, sdk *client.Client, more func() bool) (failed map[string]error) {
	b.t.Helper()
	failed = map[string]error{}
	o := client.BatchOptions{RequestID: b.id, Accounts: b.accounts, Concurrency: 2}
	came := map[string]bool{}
	for r, err := range sdk.Batch(ctx, client.SendCommand("@"+b.target.Username, client.Text(b.text)), o) {
		if err != nil {
			b.t.Fatalf("after %d accounts: %v", len(came), err)
		}
		if came[r.Account] {
			b.t.Errorf("%s came twice", r.Account)
		}
		came[r.Account] = true
		if r.Err != nil {
			failed[r.Account] = r.Err
		} else {
			id := r.Reply.(*v1.SendMessageReply).GetMessage().GetId()
			if had, ok := b.done[r.Account]; ok && (had != id || !r.Repeated) {
				b.t.Errorf("%s sent message %d, then %v", r.Account, had, r)
			}
			if b.done[r.Account] = id; r.Repeated {
				b.repeated++
			}
		}
		if !more() {
			return failed
		}
	}
	if len(came) != len(b.accounts) {
		b.t.Errorf("%d of %d accounts came", len(came), len(b.accounts))
	}
	return failed
}

// finish gives the batch again until no account fails.
func (b *batchRun) finish(sdk *client.Client) {
	b.t.Helper()
	b.eventually(func() string {
		failed := b.take(b.within(), sdk, func() bool { return true })
		for account, err := range failed { // nobody knows a message that may have been sent
			var e *client.Error
			if !errors.As(err, &e) || e.Reason == "OUTCOME_UNKNOWN" {
				b.t.Fatalf("%s: %v", account, err)
			}
		}
		if len(failed) > 0 {
			return fmt.Sprintf("failed: %v", failed)
		}
		return ""
	})
}

// judge counts what Telegram has.
func (b *batchRun) judge() {
	b.t.Helper()
	sent := map[string]int{}
	b.sim.World().Do(func() {
		box := b.sim.World().Users[b.target.ID].Box
		for _, m := range box.Messages {
			if m.Post.Text == b.text {
				sent[b.accountOf[m.Post.From]]++
			}
		}
	})
	for _, a := range b.accounts {
		if sent[a] != 1 || b.done[a] == 0 {
			b.t.Errorf("%s sent it %d times; its message is %d", a, sent[a], b.done[a])
		}
	}
	if names := slices.Sorted(maps.Keys(sent)); !slices.Equal(names, b.accounts) {
		b.t.Errorf("sent by %v", names)
	}
	b.t.Logf("%s: %d outcomes were those of before", b.id, b.repeated)
}

// TestBatchGoesOnAtAnotherNode: a batch breaks off because its node is killed, and is given again, by its
// request id, at the others, which take the accounts over; another one loses a node while it runs and goes
// on by itself. No account sends twice, and none is left out.
func TestBatchGoesOnAtAnotherNode(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 9)
	all := c.client(c.names...)
	c.everyNodeHasItsShare(all)
	target := addUser(t, c.sim, simulator.UserSpec{Phone: "+15558888888", Username: "batchtarget", HomeDC: 1})

	first := &batchRun{testCluster: c, id: "spring", text: "hello", target: target, done: map[string]int32{}}
	results := 0
	first.take(c.within(), c.client("node-1"), func() bool {
		if results++; results < 3 {
			return true
		}
		c.strike("node-1")
		return false // whoever gave it has gone, too
	})
	if len(first.done) != 3 {
		t.Errorf("%d of 3 accounts had done it before the kill", len(first.done))
	}
	first.finish(c.client("node-2", "node-3"))
	first.judge()
	if first.repeated < 3 {
		t.Errorf("%d outcomes are those of before", first.repeated)
	}
	c.start("node-1")
	c.everyNodeHasItsShare(all)

	second := &batchRun{testCluster: c, id: "summer", text: "hello again", target: target, done: map[string]int32{}}
	results = 0
	second.take(c.within(), all, func() bool {
		if results++; results == 3 {
			c.strike(c.home(c.client("node-1", "node-2", "node-3"), c.accounts[0]))
		}
		return true
	})
	second.finish(all)
	second.judge()
	c.noKeyIsLost()
}
