package actors

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
)

// startStream starts the account's update stream from what the log and the checkpoint say.
func (a *account) startStream(ctx actor.Context) {
	acc, pos, self, peers := updatestream.Account{Config: a.deps.streams, ID: a.id, Token: a.fence.Token()}, a.loaded.log, a.record.UserID, &a.peers
	stream := updatestream.New(acc, pos, self, peers) // here: the position is the account's
	pos.Seen = nil                                    // the machine has them; supervision never restarts a stream
	a.stream = a.conn.Actors.Spawn(ctx, "updatestream-", func() actor.Actor { return stream })
	for _, m := range a.early {
		ctx.Send(a.stream, m)
	}
	a.early = nil
	a.conn.SetStream(a.stream)
	a.judge.StreamBegins()
	a.deps.tidy.came(a.conn.Workers.Go)
	a.tellStream(ctx)
	if a.home != nil && a.home.ready {
		ctx.Send(a.stream, &updatestream.HomeUp{Up: true})
	}
}

// streams is what the streams of a node have in common.
func (d *Deps) streamsOf(clock *system.Clock) *updatestream.Config {
	return &updatestream.Config{
		Events: d.Events, Go: d.lanes.appends.Go, Now: d.Now, Clock: clock, Log: d.Log,
		Quiet: d.Watch.Quiet, Patience: d.Watch.Patience, FloodWait: d.FloodWait,
	}
}

// updatesArrived takes pushes that the connection had no stream for.
func (a *account) updatesArrived(ctx actor.Context, m *connection.UpdatesArrived) {
	switch {
	case a.stream == nil && a.authorized(): // on the way: the server is quicker than we are
		a.early = append(a.early, m)
	case a.stream == nil: // nobody has signed in
		done := &connection.Processed{Taken: len(m.Pushes)}
		for _, push := range m.Pushes {
			a.hear(ctx, push.Body)
			done.MsgIDs = append(done.MsgIDs, push.MsgID)
		}
		ctx.Send(m.From, done)
	case a.streamClosing: // not acknowledged: they come again
		ctx.Send(m.From, &connection.Processed{Taken: len(m.Pushes)})
	default:
		ctx.Send(a.stream, m)
	}
}

// resultReceived keeps an answer until its updates have passed the stream.
func (a *account) resultReceived(ctx actor.Context, m *connection.ResultReceived) {
	if a.stream == nil || a.streamClosing || m.Stream != nil && !m.Stream.Equal(a.stream) {
		m.Call.Done(m.Result, nil)
		return
	}
	put(&a.observing, m.Call, m.Result)
	if m.Stream == nil {
		ctx.Send(a.stream, m)
	}
}

// sync hands a wish to be even to the stream, and remembers who waits: the stream may fail.
func (a *account) sync(ctx actor.Context, m *updatestream.Sync) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	given := *m
	given.Done = func(err error) { root.Send(self, &synced{&given, err}) }
	put(&a.syncs, &given, m.Done)
	ctx.Send(a.stream, &given)
}

func (a *account) stopStream(ctx actor.Context) {
	if a.stream != nil && !a.streamClosing {
		ctx.Send(a.stream, &updatestream.Drain{})
	}
}

func (a *account) checkpoint(ctx actor.Context, m *updatestream.CheckpointDue) {
	a.record.Checkpoint = m.Data
	a.save(ctx, nil)
}

// streamEnded takes the last checkpoint of a stream that has stopped working.
func (a *account) streamEnded(ctx actor.Context, m *updatestream.Ended) {
	if m.Checkpoint != nil && a.authorized() {
		a.record.Checkpoint = m.Checkpoint
		a.save(ctx, nil)
	}
	if m.Err != nil {
		a.log().Warn("update stream ended", "error", m.Err.Error())
		a.streamErr = m.Err
	}
	if a.stream != nil && !a.streamClosing {
		a.streamClosing = true
		a.conn.SetStream(nil)
		ctx.Poison(a.stream) // after what was sent to it before
	}
}

// streamStopped starts the stream again from the log, where it ended by a failure.
func (a *account) streamStopped(ctx actor.Context) {
	a.stream, a.streamClosing = nil, false
	a.conn.SetStream(nil)
	a.tellNow(ctx)
	for c, result := range a.observing {
		delete(a.observing, c)
		c.Done(result, nil)
	}
	for m, done := range a.syncs {
		delete(a.syncs, m)
		done(updatestream.ErrStopped)
	}
	err := a.streamErr
	a.streamErr = nil
	switch {
	case a.reviving:
		a.revive(ctx)
	case a.winding != nil || a.draining || a.state.Terminal() || a.failure != nil || !a.authorized():
	case fenced(err):
		a.stop(ctx, fleet.StateFenced, "FENCED", "another node owns the account", "")
	default: // read back what is in the log: the whole account starts anew
		ctx.(actor.Supervisor).EscalateFailure(&storeError{errStreamEnded}, nil)
	}
}

// unwell replaces a connection that its account's stream is not content with.
func (a *account) unwell(ctx actor.Context, m *updatestream.Unwell) {
	if a.home == nil || !a.home.ready {
		return
	}
	a.log().Warn("connected, but no updates come", "reason", m.Reason)
	ctx.Send(a.home.pid, &connection.Replace{End: m.End, Err: errors.New(m.Reason)})
}
