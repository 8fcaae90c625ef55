package actors

import (
	"context"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

// Env is telegram.Env for one running account: it sends to the account's actor and awaits the
// answer. Every decoded answer is observed here: users and chats feed the peers, a login is
// stored before the caller hears of it. Updates inside an answer have passed the stream before
// it arrives.
type Env struct {
	*shared
	send func(message any)
	gone <-chan struct{}
}

var _ telegram.Env = (*Env)(nil)

// Account implements telegram.Env.
func (e *Env) Account() fleet.AccountID { return e.id }

// App implements telegram.Env.
func (e *Env) App() telegram.AppProfile { return e.conn.Profile().App }

// Peers implements telegram.Env.
func (e *Env) Peers() telegram.Peers { return &e.shared.peers }

// Invoke implements telegram.Env.
func (e *Env) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	return e.InvokeOn(ctx, 0, in, out)
}

type answer struct {
	result []byte
	err    error
}

// InvokeOn implements telegram.Env.
func (e *Env) InvokeOn(ctx context.Context, dc int, in bin.Encoder, out bin.Decoder) error {
	if dir := e.deps.Directory; dc != 0 && dcdial.IsCDN(dir.Known(), dc) && dir.CDNKeysDue(dc) {
		var config tg.CDNConfig
		if err := e.Invoke(ctx, &tg.HelpGetCDNConfigRequest{}, &config); err != nil {
			return err
		}
		dir.LearnCDNKeys(&config)
	}
	body, method, err := tlcall.Encode(in)
	if err != nil {
		return fleet.Errorf(fleet.CodeInvalidArgument, "QUERY_INVALID", "%w", err)
	}
	reply := make(chan answer, 1)
	e.running.Add(1)
	c := &connection.Call{
		Method: method, TypeID: tlcall.Constructor(body), Body: body, DC: dc, Idempotent: telegram.Idempotent(in),
		Low: strings.HasPrefix(method, "upload."), // parts of files, and what is asked about them
		Done: func(result []byte, err error) {
			e.running.Add(-1)
			e.conn.Tally.Calls.Done(err)
			reply <- answer{result, err}
		},
	}
	e.send(c)
	select {
	case a := <-reply:
		return e.finish(ctx, method, a, out)
	case <-e.gone:
		select {
		case a := <-reply: // answered before the end
			return e.finish(ctx, method, a, out)
		default:
			return ended(c)
		}
	case <-ctx.Done():
		e.send(&connection.Cancel{Call: c})
		return ctx.Err()
	}
}

// ended is the answer to a call whose account's actor ended: it may have been sent.
func ended(c *connection.Call) error {
	if c.Idempotent {
		return standing.Unavailable(fleet.StateDraining, "its actor ended", "repeat the call in a moment")
	}
	return fleet.Errorf(fleet.CodeAborted, "OUTCOME_UNKNOWN", "%s: the account was handed over or shut down before the answer", c.Method).
		WithRemedy("look whether it took effect before you repeat it").WithMethod(c.Method)
}

func (e *Env) finish(ctx context.Context, method string, a answer, out bin.Decoder) error {
	if a.err != nil {
		if tgerr.Is(a.err, "SESSION_PASSWORD_NEEDED") {
			e.send(&loginStep{fleet.StatePasswordNeeded})
		}
		return a.err
	}
	if err := out.Decode(&bin.Buffer{Buf: a.result}); err != nil {
		return fleet.Errorf(fleet.CodeInternal, "RESULT_INVALID", "decode the answer to %s: %w", method, err).WithMethod(method)
	}
	if method == "auth.cancelCode" {
		e.send(&loginStep{fleet.StateUnauthorized})
	}
	return e.observe(ctx, out)
}

// observe is the one place where answers act beyond their caller.
func (e *Env) observe(ctx context.Context, out any) error {
	if user, ok := telegram.AuthorizationOf(out); ok { // before its peers: those of a former user go
		if err := e.await(ctx, func(done func(error)) any { return &signedIn{userID: user.ID, bot: user.Bot, saved: done} }); err != nil {
			return err
		}
		defer e.settle(ctx)
	}
	if found := telegram.Sightings(out); len(found) > 0 {
		e.shared.peers.Put(found...)
		e.send(&peersLearnt{})
	}
	if token, ok := telegram.LoggedOut(out); ok {
		return e.await(ctx, func(done func(error)) any { return &signedOut{futureToken: token, saved: done} })
	}
	if dc, ok := telegram.LoginMove(out); ok {
		return e.await(ctx, func(done func(error)) any { return &moveHome{dc, done} })
	}
	switch telegram.Decoded(out).(type) {
	case *tg.AuthSentCode:
		e.send(&loginStep{fleet.StateCodeSent})
	case *tg.AuthLoginToken:
		e.send(&loginStep{fleet.StateQRPending})
	}
	return nil
}

// firstState bounds the wait for a new login's first place in the updates.
const firstState = 10 * time.Second

// settle lets a new login take its first place in the updates before the caller hears of the login:
// what is sent to it from then on is an event. Without it, what comes before the first
// updates.getState is answered counts as had. A login stands also where that takes too long.
func (e *Env) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstState)
	defer cancel()
	if err := e.Sync(ctx); err != nil {
		e.deps.Log.Debug("a new login has no place in the updates yet", "account", e.id, "error", err.Error())
	}
}

// await sends a message whose outcome must be known before the caller goes on.
func (e *Env) await(ctx context.Context, message func(done func(error)) any) error {
	outcome := make(chan error, 1)
	e.send(message(func(err error) { outcome <- err }))
	select {
	case err := <-outcome:
		return err
	case <-e.gone:
		return standing.Unavailable(fleet.StateDraining, "its actor ended", "repeat the call in a moment")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sync catches the account's update stream up by difference and waits until every event is in
// the log (METHODS, sync_update_state).
func (e *Env) Sync(ctx context.Context) error {
	return e.await(ctx, func(done func(error)) any { return &updatestream.Sync{Done: done} })
}

// SyncChannel asks for the difference of one channel and waits until its events are in the log.
// For the time keep it is asked again and again, also after the call: so the account hears of
// channels that it has not joined, of which Telegram pushes nothing.
func (e *Env) SyncChannel(ctx context.Context, id int64, keep time.Duration) error {
	return e.await(ctx, func(done func(error)) any {
		return &updatestream.Sync{Done: done, Poll: &updates.Poll{Channel: id, For: keep}}
	})
}

// Skip gives up what the update stream is missing, of channels excepted, and returns what that
// was; the log has gap events that say the same.
func (e *Env) Skip(ctx context.Context) ([]updates.Gap, error) {
	var skipped []updates.Gap
	if err := e.await(ctx, func(done func(error)) any { return &updatestream.Sync{Done: done, Skipped: &skipped} }); err != nil {
		return nil, err // the stream may still be writing to it
	}
	return skipped, nil
}
