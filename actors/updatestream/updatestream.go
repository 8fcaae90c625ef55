package updatestream

import (
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/peerview"
	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/internal/watchdog"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// stream owns an account's updates machine. What the machine emits is appended to the
// event log before it counts: one append is under way at a time, and Telegram hears of the
// messages behind it only afterwards.
type stream struct {
	Account
	machine *updates.Machine
	writer  updatelog.Writer
	durable updates.State   // holds after the last appended record
	last    eventlog.Cursor // of the last record whose positions cover all before it
	src     tlupdates.Source
	peers   *peerview.View

	home      *actor.PID        // the connection that the last pushes came from
	reader    *tlupdates.Reader // nil before the first push
	peersAt   uint64            // what reader knows holds as long as the peers are these
	pending   []eventlog.Record // wait for the log, behind batch
	msgIDs    []int64           // may be acknowledged once pending is appended
	batch     []eventlog.Record // under way
	ackNext   []int64           // of the append under way
	asking    int               // differences under way
	deferred  []updates.Effect
	failing   map[updates.Box]struct{} // the machine asks for their difference again by itself
	resting   bool                     // the log is full: retryAppend will come
	syncs     []func(error)
	skips     []*[]updates.Gap // of those syncs that skip
	alarm     system.Alarm     // of tick
	due       time.Time        // of the machine; zero: nothing
	beat      time.Time        // when it looks again at what is due now and then
	cpAfter   time.Time        // no other checkpoint before
	candidate *candidate
	stored    eventlog.Cursor // of the last checkpoint
	watch     watchdog.Watchdog
	told      Level              // of the last Level
	notices   []telegram.Notices // not passed on yet
	draining  bool
	ended     bool
}

// candidate is a checkpoint that waits until the log is surely synced so far; encoded, as an
// account in thousands of channels has a large state.
type candidate struct {
	data []byte
	at   eventlog.Cursor
}

// Messages of the stream.
type (
	answered    struct{ input func() updates.Input } // decodes in the stream, not in the connection
	tick        struct{}
	retryAppend struct{}
)

// New makes the stream of an account from what its log and its checkpoint say; self is the user.
func New(acc Account, pos *updatelog.Position, self int64, peers *peerview.View) actor.Actor {
	m := updates.New(pos.State.Clone(), updates.Config{})
	for _, id := range pos.Seen {
		m.Remember(id)
	}
	return &stream{
		Account: acc, machine: m, writer: pos.Writer, durable: pos.State.Clone(), last: pos.Last,
		src:   tlupdates.Source{Self: self, Token: strconv.FormatInt(int64(acc.Token), 10)},
		peers: peers,
		watch: newWatchdog(acc.Config),
	}
}

// Receive implements actor.Actor.
func (s *stream) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.beat = s.Now().Add(s.beatEvery())
		s.plan(ctx)
		s.step(ctx, updates.Started{})
	case *actor.Stopping, *actor.Restarting:
		s.Clock.Stop(&s.alarm)
	case *connection.UpdatesArrived:
		s.pushes(ctx, m)
	case *connection.ResultReceived:
		s.result(ctx, m)
	case *connection.SessionCreated:
		s.step(ctx, updates.SessionCreated{})
	case *connection.UpdatesDropped:
		s.step(ctx, updates.Behind{})
	case *answered:
		s.asking--
		in := m.input()
		s.judge(in)
		s.begin(ctx, in)
		s.step(ctx, in)
	case *tick:
		s.tick(ctx)
	case *appended:
		s.appended(ctx, m)
	case *retryAppend:
		s.resting = false
		s.append(ctx)
	case *HomeUp:
		if m.Up {
			s.watch.Up(s.Now())
		} else {
			s.watch.Down()
		}
	case *probed:
		s.probed(ctx, m)
	case *Sync:
		s.sync(ctx, m)
	case *StateEvent:
		s.pending = append(s.pending, m.Record)
		s.append(ctx)
	case *Drain:
		s.draining = true
	}
	s.ask(ctx)
	s.settle(ctx)
	s.tellLevel(ctx)
}

// tellLevel tells the account when the stream falls behind or is even again.
func (s *stream) tellLevel(ctx actor.Context) {
	now := Level{Even: s.asking == 0 && len(s.failing) == 0 && len(s.deferred) == 0, Stuck: s.resting}
	if now != s.told && !s.ended {
		s.told = now
		ctx.Send(ctx.Parent(), &now)
	}
}

// pushes takes what the server has sent, at once.
func (s *stream) pushes(ctx actor.Context, m *connection.UpdatesArrived) {
	if s.ended { // not acknowledged: they come again
		ctx.Send(m.From, &connection.Processed{Taken: len(m.Pushes)})
		return
	}
	if s.home == nil || !s.home.Equal(m.From) {
		s.home, s.msgIDs, s.ackNext = m.From, nil, nil // nobody is left who could acknowledge those
	}
	s.watch.Heard(s.Now())
	if s.reader == nil {
		s.reader = &tlupdates.Reader{}
	}
	var room [64]updates.Input
	inputs := room[:0]
	for _, push := range m.Pushes {
		inputs = s.push(inputs, push)
	}
	for _, n := range s.notices {
		ctx.Send(ctx.Parent(), &Noticed{n})
	}
	s.notices = nil
	s.step(ctx, inputs...)
	m.Recycle()
}

// push appends the inputs of one message of the server.
func (s *stream) push(to []updates.Input, m mtproto.UpdatesReceived) []updates.Input {
	src := s.src
	src.MsgID = m.MsgID
	if now := s.peers.Changes(); now != s.peersAt {
		s.peersAt = now
		s.reader.Forget()
	}
	if in, came, ok := s.reader.Read(m.Body, src); ok {
		if came != nil {
			s.learn(came)
		}
		return append(to, in)
	}
	u, err := tg.DecodeUpdates(&bin.Buffer{Buf: m.Body})
	if err != nil { // the stream lives on: the bytes are an event, the difference brings the rest
		s.log().Warn("undecodable updates", "constructor", tlcall.Constructor(m.Body))
		return append(to, tlupdates.Raw(src, m.Body), updates.TooLong{})
	}
	return append(to, s.read(u, src))
}

// read makes an input of updates.
func (s *stream) read(u tg.UpdatesClass, src tlupdates.Source) updates.Input {
	s.learn(u)
	if n := telegram.NoticesIn(u, s.src.Self); n != (telegram.Notices{}) {
		s.notices = append(s.notices, n)
	}
	in, err := tlupdates.FromUpdates(u, src, s.peers)
	if err != nil {
		s.log().Warn("updates cannot be read", "error", err.Error())
		in = updates.TooLong{MsgID: src.MsgID}
	}
	return in
}

// learn feeds the users and chats of an answer to the peers.
func (s *stream) learn(answer any) {
	if found := telegram.Sightings(answer); len(found) > 0 {
		s.peers.Put(found...)
	}
}

// result lets an answer's updates enter the stream before its caller hears of it.
func (s *stream) result(ctx actor.Context, m *connection.ResultReceived) {
	s.observe(ctx, m.Call, m.Result)
	ctx.Send(ctx.Parent(), &ResultObserved{Call: m.Call})
}

func (s *stream) observe(ctx actor.Context, c *connection.Call, result []byte) {
	obj, err := tlcall.Decode(result)
	if err != nil {
		return // the caller will see the same error
	}
	if short, ok := obj.(*tg.UpdateShortSentMessage); ok {
		var req tg.MessagesSendMessageRequest
		if err := req.Decode(&bin.Buffer{Buf: c.Body}); err != nil { // another method answered so
			s.step(ctx, updates.TooLong{})
			return
		}
		s.step(ctx, tlupdates.FromSentMessage(&req, short, s.src))
		return
	}
	if affected, ok := tlupdates.FromAffected(obj, tlcall.ChannelOf(c.Body)); ok {
		s.step(ctx, affected)
		return
	}
	if u := tlupdates.FromResult(obj); u != nil {
		s.step(ctx, s.read(u, s.src))
	}
}

// step gives inputs to the machine and carries out its effects in order.
func (s *stream) step(ctx actor.Context, inputs ...updates.Input) {
	if s.ended {
		return
	}
	now := s.Now()
	for _, effect := range s.machine.Step(now, inputs...) {
		switch e := effect.(type) {
		case updates.Emit:
			s.emit(now, e)
		case updates.GetState, updates.GetDifference, updates.GetChannelDifference:
			s.asking++
			s.deferred = append(s.deferred, e)
		case updates.SetTimer:
			s.due = e.At
			s.plan(ctx)
		}
	}
	s.append(ctx)
}

// settle answers those who wait for an even stream.
func (s *stream) settle(ctx actor.Context) {
	if s.ended || len(s.batch)+len(s.pending) > 0 {
		return
	}
	if s.asking == 0 && len(s.failing) == 0 && len(s.syncs) > 0 {
		for _, done := range s.syncs {
			done(nil)
		}
		s.syncs, s.skips = nil, nil
	}
	if s.draining {
		s.end(ctx, nil)
	}
}

// ErrStopped is the answer to a Sync that finds the stream ended.
var ErrStopped = fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_DRAINING", "the account is draining: its update stream ended").
	WithRemedy("repeat the call in a moment")

// end reports the last checkpoint and stops working; the account stops the actor.
func (s *stream) end(ctx actor.Context, err error) {
	if s.ended {
		return
	}
	s.ended = true
	s.Clock.Stop(&s.alarm)
	for _, done := range s.syncs {
		done(ErrStopped)
	}
	s.syncs = nil
	m := &Ended{Err: err}
	if err == nil && covers(s.Events.Durable(), s.last) && s.durable.Known() {
		if m.Checkpoint, err = updatelog.EncodeCheckpoint(s.durable.Clone(), s.last); err != nil {
			s.log().Error("checkpoint is not encoded", "error", err.Error())
		}
	}
	ctx.Send(ctx.Parent(), m)
}

// checkpoint hands a state to the account that the log has surely synced, and takes the next.
func (s *stream) checkpoint(ctx actor.Context) {
	if c := s.candidate; c != nil && covers(s.Events.Durable(), c.at) {
		ctx.Send(ctx.Parent(), &CheckpointDue{Data: c.data})
		s.candidate, s.stored = nil, c.at
		s.cpAfter = s.Now().Add(time.Duration(len(c.data)/checkpointRate) * time.Second)
	}
	if s.candidate != nil || !s.durable.Known() || s.stored == s.last || s.Now().Before(s.cpAfter) {
		return // s.last moves with every change of the state
	}
	data, err := updatelog.EncodeCheckpoint(s.durable, s.last)
	if err != nil {
		s.log().Error("checkpoint is not encoded", "error", err.Error())
		return
	}
	s.candidate = &candidate{data: data, at: s.last}
}

func covers(durable, at eventlog.Cursor) bool {
	return durable.Epoch == at.Epoch && durable.Seq >= at.Seq
}

// plan sets the alarm to whatever is due first.
func (s *stream) plan(ctx actor.Context) {
	next := s.beat
	if !s.due.IsZero() && s.due.Before(next) {
		next = s.due
	}
	s.Clock.Set(&s.alarm, next.Sub(s.Now()), ctx.Self(), &tick{})
}

// tick does what is due.
func (s *stream) tick(ctx actor.Context) {
	if s.ended {
		return
	}
	now := s.Now()
	if !s.due.IsZero() && !now.Before(s.due) {
		s.due = time.Time{}
		s.step(ctx, updates.TimerFired{})
	}
	if !now.Before(s.beat) {
		s.checkpoint(ctx)
		s.look(ctx)
		s.beat = now.Add(s.beatEvery())
	}
	s.plan(ctx)
}
