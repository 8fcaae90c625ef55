package control

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/requests"
)

// TestExchangeReachesEveryOwner: one stream to one node serves the accounts of all, and follows
// them when they move.
func TestExchangeReachesEveryOwner(t *testing.T) {
	for name, dial := range lines {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, "n1", "n2", "n3")
			var served [4]atomic.Int32
			for i, node := range []string{"n1", "n2", "n3"} {
				on := func(context.Context, bin.Encoder) (bin.Encoder, error) {
					served[i+1].Add(1)
					return alice, nil
				}
				w.nodes[node].own("a", on)
				w.nodes[node].own("b", on)
			}
			w.move("a", "n1")
			w.move("b", "n2")
			w.open()
			l := dial(t, w.nodes["n3"].url)
			call := func(id uint64, account string) {
				t.Helper()
				l.say(command(t, id, getMe, &v1.GetMeRequest{Account: account}))
				var me v1.GetMeReply
				if err := l.hear(id).GetReply().UnmarshalTo(&me); err != nil || me.GetUser().GetUsername() != "alice" {
					t.Fatalf("got %v, %v", &me, err)
				}
			}
			call(1, "a")
			call(2, "b")
			w.move("a", "n2")
			call(3, "a")
			w.move("a", "n3")
			call(4, "a")
			for node, want := range []int32{0, 1, 2, 1} {
				if n := served[node].Load(); n != want {
					t.Errorf("n%d served %d calls, want %d", node, n, want)
				}
			}
			l.say(command(t, 5, getMe, &v1.GetMeRequest{Account: "nobody"}))
			l.hearError(5, "not_found", "ACCOUNT_UNKNOWN")
			l.hangUp()
		})
	}
}

// TestNamedCommandOutlivesItsOwner: the owner dies after the send; the node that the caller talks
// to repeats the command at the next owner, which knows that it was sent.
func TestNamedCommandOutlivesItsOwner(t *testing.T) {
	eachStore(t, func(t *testing.T, s requests.Store) {
		w, c := newTown(t, "n1", "n2", "n3"), newChat()
		arrived := make(chan struct{})
		w.nodes["n2"].on(func(ctx context.Context, in bin.Encoder) (bin.Encoder, error) {
			answer, err := c.answer(ctx, in)
			if _, ok := in.(*tg.MessagesSendMessageRequest); ok {
				close(arrived)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return answer, err
		})
		w.nodes["n3"].on(c.answer)
		for name, token := range map[string]int64{"n1": 1, "n2": 2, "n3": 3} {
			w.nodes[name].cfg.Requests = ledgerOf(t, s, func() int64 { return token })
		}
		w.move("a", "n2")
		w.open()
		type result struct {
			sent
			err error
		}
		call := make(chan result, 1)
		go func() {
			got, err := sendNamed(context.Background(), orchestratorv1connect.NewMessageServiceClient(http.DefaultClient, w.nodes["n1"].url), "r1", "hi")
			call <- result{got, err}
		}()
		<-arrived
		w.move("a", "n3")
		w.nodes["n2"].die()
		got := <-call
		if got.err != nil || got.GetMessage().GetId() != 1 || !got.repeated {
			t.Errorf("got %v, %v", got.sent, got.err)
		}
		if c.sent() != 1 || c.sends() != 2 {
			t.Errorf("%d messages by %d sends", c.sent(), c.sends())
		}
	})
}
