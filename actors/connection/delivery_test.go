package connection

import (
	"fmt"
	"slices"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/mtproto"
)

// hearing is what an actor was told, in order.
type hearing struct {
	told []string
	pid  *actor.PID
}

func (h *hearing) hear(m any) {
	switch m := m.(type) {
	case *UpdatesArrived:
		for _, p := range m.Pushes {
			h.told = append(h.told, fmt.Sprint("push ", p.MsgID))
		}
	case *ResultReceived:
		h.told = append(h.told, "result "+string(m.Result))
	case *UpdatesDropped:
		h.told = append(h.told, "dropped")
	}
}

// deliveries lets a connection without a socket run in its actor, and returns what its parent and,
// if there is one, the stream were told.
func deliveries(t *testing.T, streams bool, run func(c *connection, ctx actor.Context)) (parent, stream []string) {
	t.Helper()
	s := system.New(hclog.NewNullLogger())
	defer s.Shutdown()
	workers := &mailbox.Workers{}
	defer workers.Close()
	acc := &Account{Config: &Config{}}
	var p, st hearing
	listen := func(h *hearing) {
		h.pid = s.Root.Spawn(system.Props(workers, func() actor.Actor { return actor.ReceiveFunc(func(ctx actor.Context) { h.hear(ctx.Message()) }) }))
	}
	if listen(&st); streams {
		acc.SetStream(st.pid)
	}
	ran := make(chan struct{})
	p.pid = s.Root.Spawn(system.Props(workers, func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); !ok {
				p.hear(ctx.Message())
				return
			}
			ctx.Spawn(system.Props(workers, func() actor.Actor {
				c := &connection{acc: acc, link: NewLink(2, false, nil)}
				return actor.ReceiveFunc(func(ctx actor.Context) {
					if _, ok := ctx.Message().(*actor.Started); ok {
						run(c, ctx)
						close(ran)
					}
				})
			}))
		})
	}))
	<-ran
	for _, h := range []*hearing{&p, &st} {
		_ = s.Root.PoisonFuture(h.pid).Wait() // after what was sent to it
	}
	return p.told, st.told
}

func push(id int64) mtproto.UpdatesReceived { return mtproto.UpdatesReceived{MsgID: id} }

// TestAnswersKeepTheirPlaceAmongPushes on the way to the stream, and the parent hears of them.
func TestAnswersKeepTheirPlaceAmongPushes(t *testing.T) {
	work := func(c *connection, ctx actor.Context) {
		c.updates(ctx, push(1))
		c.updates(ctx, push(2))
		c.result(ctx, &Call{}, []byte("a"))
		c.updates(ctx, push(3))
		c.deliver(ctx)
		c.deliver(ctx) // nothing is left
	}
	all := []string{"push 1", "push 2", "result a", "push 3"}
	if parent, stream := deliveries(t, true, work); !slices.Equal(stream, all) || !slices.Equal(parent, []string{"result a"}) {
		t.Errorf("the stream heard %q, the parent %q", stream, parent)
	}
	if parent, stream := deliveries(t, false, work); !slices.Equal(parent, all) || stream != nil {
		t.Errorf("without a stream the parent heard %q, the stream %q", parent, stream)
	}
}

// TestPushesBeyondTheCreditAreDropped, until the stream has returned nearly all.
func TestPushesBeyondTheCreditAreDropped(t *testing.T) {
	parent, stream := deliveries(t, true, func(c *connection, ctx actor.Context) {
		for id := range int64(MaxInStream + 10) {
			c.updates(ctx, push(id))
		}
		c.deliver(ctx)
		c.processed(ctx, &Processed{Taken: MaxInStream - resumeInStream - 1})
		c.updates(ctx, push(1000))
		c.processed(ctx, &Processed{Taken: 1})
		c.updates(ctx, push(1001))
		c.deliver(ctx)
	})
	if n := len(stream); n != MaxInStream+1 || stream[n-1] != "push 1001" {
		t.Errorf("%d pushes arrived, the last is %q", n, stream[n-1])
	}
	if !slices.Equal(parent, []string{"dropped"}) {
		t.Errorf("the parent heard %q", parent)
	}
}
