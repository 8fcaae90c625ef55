package connection

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/mtproto/transport"
)

// audience is the actor of a reader: it counts what it is given, and stops the reader at a packet or at a command.
type audience struct {
	t      *testing.T
	reader *reader
	stopAt uint64
	next   uint64
	ended  chan<- error
	all    chan<- struct{} // closed with the last packet
	last   uint64
}

type stopReading struct{}

func (a *audience) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *readable:
		err := m.reader.pull(a.frame)
		if err != nil {
			a.ended <- err
			return
		}
		m.reader.rest()
	case *framesRead:
		for _, f := range m.reader.take() {
			a.frame(f)
		}
	case *readerEnded:
		a.ended <- m.err
	case stopReading:
		a.stop()
	}
}

func (a *audience) stop() {
	a.reader.stop()
	_ = a.reader.conn.Abort()
}

func (a *audience) frame(data []byte) {
	if got := binary.LittleEndian.Uint64(data); got != a.next {
		a.t.Errorf("packet %d came, want %d", got, a.next)
	}
	transport.Recycle(data)
	if a.next++; a.next == a.stopAt {
		a.stop()
	}
	if a.next == a.last {
		close(a.all)
	}
}

type readerRig struct {
	*audience
	pid  *actor.PID
	far  net.Conn
	errs chan error
	got  chan struct{}
}

// newReader makes a reader that sleeps in a poller, its actor, and the other end of its socket.
func (p *process) newReader(t *testing.T, poller *transport.Poller, last, stopAt uint64) *readerRig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := transport.Dial(context.Background(), l.Addr().String(), transport.Options{Framing: transport.Intermediate, Poller: poller})
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	rig := &readerRig{far: far, errs: make(chan error, 1), got: make(chan struct{})}
	rig.audience = &audience{t: t, last: last, stopAt: stopAt, ended: rig.errs, all: rig.got}
	rig.pid = p.system.Root.Spawn(system.Props(&p.workers, func() actor.Actor { return rig.audience }))
	r := &reader{conn: conn, workers: &p.workers, root: p.system.Root, self: rig.pid, ahead: make(chan struct{}, maxFramesAhead)}
	r.news.reader, r.call.reader = r, r
	r.wake, r.turn = r.woken, byActor
	rig.reader = r
	t.Cleanup(func() {
		_, _ = conn.Abort(), far.Close()
		system.Stop(p.system, rig.pid)
	})
	r.rest()
	return rig
}

// send writes numbered packets of all sizes, cut anywhere.
func (r *readerRig) send(n uint64) {
	random := rand.New(rand.NewPCG(n, 1))
	var out []byte
	for i := range n {
		size := 8 + random.IntN(24)
		if i%64 == 63 {
			size = 40_000
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(size))
		out = binary.LittleEndian.AppendUint64(out, i)
		out = append(out, make([]byte, size-8)...)
	}
	for len(out) > 0 {
		part := min(len(out), 1+random.IntN(200))
		if random.IntN(4) == 0 {
			part = min(len(out), 5000)
		}
		if _, err := r.far.Write(out[:part]); err != nil {
			return // the reader was stopped
		}
		out = out[part:]
	}
}

// process is what all readers of a test have in common.
type process struct {
	poller  transport.Poller
	workers mailbox.Workers
	system  *actor.ActorSystem
}

func newProcess(t *testing.T) *process {
	p := &process{system: system.New(hclog.NewNullLogger())}
	t.Cleanup(func() {
		if err := p.poller.Close(); err != nil {
			t.Error(err)
		}
		p.workers.Close()
		p.system.Shutdown()
	})
	return p
}

// TestReaderKeepsTheOrder whether the actor or the goroutine reads.
func TestReaderKeepsTheOrder(t *testing.T) {
	const n = 500
	for name, with := range map[string]func(*transport.Poller) *transport.Poller{
		"asleep in a poller": func(p *transport.Poller) *transport.Poller { return p },
		"without a poller":   func(*transport.Poller) *transport.Poller { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			rig := p.newReader(t, with(&p.poller), n, 0)
			rig.send(n)
			<-rig.got
			_ = rig.far.Close()
			if err := <-rig.errs; err == nil {
				t.Error("it ended without an error")
			}
			if err := rig.reader.ended(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStoppedReaderEnds at whatever moment it is stopped, and whoever reads then: the next dial of the account waits
// for it.
func TestStoppedReaderEnds(t *testing.T) {
	p := newProcess(t)
	for round := range uint64(140) {
		rig := p.newReader(t, &p.poller, 1<<40, round%7) // 0: not at a packet
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			rig.send(300)
		}()
		if round%7 == 0 {
			p.system.Root.Send(rig.pid, stopReading{})
		}
		if err := rig.reader.ended(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		<-sent
	}
}

// TestReaderOfADeadActorEnds: its call was in the mailbox, which nobody reads any more.
func TestReaderOfADeadActorEnds(t *testing.T) {
	p := newProcess(t)
	for range 50 {
		rig := p.newReader(t, &p.poller, 1<<40, 0)
		go rig.send(10)
		system.Stop(p.system, rig.pid)
		rig.audience.stop() // what the connection does when it is stopped
		if err := rig.reader.ended(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSocketAbortedByOthersEndsTheReader as the fence does it.
func TestSocketAbortedByOthersEndsTheReader(t *testing.T) {
	p := newProcess(t)
	for range 50 {
		rig := p.newReader(t, &p.poller, 1<<40, 0)
		go rig.send(10)
		if err := rig.reader.conn.Abort(); err != nil {
			t.Fatal(err)
		}
		if err := rig.reader.ended(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
