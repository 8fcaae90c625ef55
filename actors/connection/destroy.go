package connection

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/mtproto/wire"
	"github.com/telefleet/orchestrator/sessionstore"
)

// ErrKeyKept means that a DC has answered that it keeps an auth key.
var ErrKeyKept = errors.New("the server keeps the auth key")

// DestroyKey makes a DC forget an auth key of the account (destroy_auth_key), which nobody must be
// signed in with any more. It has a socket of its own, so the account must have none to that DC. A
// DC that does not know the key has forgotten it already.
func DestroyKey(ctx context.Context, acc *Account, dc int, side bool, key sessionstore.DCKey) error {
	conn, _, err := acc.dial(ctx, dc, side, false)
	if err != nil {
		return err
	}
	acc.Sockets.Add(conn)
	defer acc.Sockets.Remove(conn)
	end := context.AfterFunc(ctx, func() { _ = conn.Abort() }) // ends reads and writes
	defer end()
	defer func() { _ = conn.Abort() }() // it has done its work
	held := KeyOf(dc, key)
	l := NewLink(dc, side, &held)
	if err := l.start(acc.Chance, acc.Ping); err != nil {
		return err
	}
	d := destroyer{acc: acc, conn: conn.Conn, engine: l.engine}
	query := binary.LittleEndian.AppendUint32(nil, wire.IDDestroyAuthKey)
	for _, in := range []mtproto.Input{mtproto.SocketUp{}, mtproto.Invoke{ID: 1, Body: query, Idempotent: true}, mtproto.Flush{}} {
		if err := d.step(in); err != nil {
			return err
		}
	}
	for !d.answered {
		frame, err := conn.ReadFrame()
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
		err = d.step(mtproto.FrameReceived{Data: frame})
		transport.Recycle(frame)
		if err == nil && !d.answered {
			err = d.step(mtproto.Flush{})
		}
		if err != nil {
			return err
		}
	}
	return d.outcome
}

// destroyer carries out the effects of an engine that has one query.
type destroyer struct {
	acc      *Account
	conn     *transport.Conn
	engine   *mtproto.Engine
	answered bool
	outcome  error
}

func (d *destroyer) step(in mtproto.Input) error {
	for _, effect := range d.engine.Step(d.acc.Now(), in) {
		switch e := effect.(type) {
		case mtproto.Write:
			if err := d.conn.WriteFrame(e.Frame); err != nil {
				return err
			}
		case mtproto.CallDone:
			d.answered, d.outcome = true, destroyed(e)
		case mtproto.Closed:
			var close *mtproto.CloseError
			switch gone := errors.As(e.Reason, &close) && close.Action == mtproto.KeyUnknown; {
			case gone:
				d.answered = true
			case !d.answered:
				return e.Reason
			}
		}
	}
	return nil
}

// destroyed is what an answer says.
func destroyed(e mtproto.CallDone) error {
	if e.Err != nil {
		return e.Err
	}
	switch id := wire.ConstructorID(e.Result); id {
	case wire.IDDestroyAuthKeyOK, wire.IDDestroyAuthKeyNone:
		return nil
	case wire.IDDestroyAuthKeyFail:
		return ErrKeyKept
	default:
		return fmt.Errorf("destroy_auth_key was answered by %#x", id)
	}
}
