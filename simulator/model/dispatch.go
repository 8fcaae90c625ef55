package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tgerr"
)

// Request is one query without its wrappers.
type Request struct {
	DC        int
	KeyID     int64
	SessionID int64
	Body      []byte
}

// need says who may call a method.
type need uint8

const (
	anyone   need = 1 << iota // also before a login
	anywhere                  // also on a DC that is not the user's home
	userOnly                  // not for bots
	botOnly                   // for bots alone
)

type method struct {
	name string
	need need
	run  func(c *call, body []byte) (bin.Encoder, error)
}

// call is one query while it is handled.
type call struct {
	w         *World
	dc        int
	key       *authKey
	user      *user // nil before a login
	responder Responder
}

// request is a pointer to a query's type.
type request[T any] interface {
	*T
	bin.Decoder
	TypeID() uint32
	TypeName() string
}

// errLater is returned by a handler that answers later.
var errLater = errors.New("model: answered later")

// on registers the handler of a query's type.
func on[T any, P request[T]](w *World, who need, handle func(c *call, q P) (bin.Encoder, error)) {
	id := P(new(T)).TypeID()
	w.table[id] = method{
		name: P(new(T)).TypeName(),
		need: who,
		run: func(c *call, body []byte) (bin.Encoder, error) {
			q := P(new(T))
			buf := &bin.Buffer{Buf: body}
			if err := q.Decode(buf); err != nil {
				return nil, rpcError(400, "INPUT_REQUEST_INVALID")
			}
			if buf.Len() != 0 {
				return nil, rpcError(400, "INPUT_REQUEST_TOO_LONG")
			}
			return handle(c, q)
		},
	}
}

func rpcError(code int, message string) error { return tgerr.New(code, message) }

// Handle answers one query through the responder: before it returns, except for a query
// that waits for somebody else.
func (w *World) Handle(req Request, responder Responder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	result, err := w.dispatch(req, responder)
	if errors.Is(err, errLater) {
		return
	}
	respond(w, responder, result, err)
}

func respond(w *World, responder Responder, result bin.Encoder, err error) {
	if err == nil {
		var b bin.Buffer
		if err = result.Encode(&b); err == nil {
			responder.Reply(b.Buf)
			return
		}
		w.cfg.Log.Error("answer cannot be encoded", "error", err)
	}
	if rpc, ok := tgerr.As(err); ok {
		responder.Error(rpc.Code, rpc.Message)
		return
	}
	w.cfg.Log.Error("query failed", "error", err)
	responder.Error(500, "INTERNAL")
}

func (w *World) dispatch(req Request, responder Responder) (bin.Encoder, error) {
	id, err := (&bin.Buffer{Buf: req.Body}).PeekID()
	if err != nil {
		return nil, rpcError(400, "INPUT_REQUEST_INVALID")
	}
	m, ok := w.table[id]
	if !ok {
		name, _, _ := strings.Cut(w.names[id], "#")
		if name == "" {
			name = fmt.Sprintf("%08x", id)
		}
		w.cfg.Log.Warn("method is not modelled", "method", name)
		return nil, rpcError(400, "INPUT_METHOD_INVALID_"+name)
	}
	c := &call{w: w, dc: req.DC, key: w.authKey(req.KeyID, req.DC), responder: responder}
	if err := c.admit(m.need); err != nil {
		return nil, err
	}
	return m.run(c, req.Body)
}

// admit checks that this key may call the method, and on this DC.
func (c *call) admit(who need) error {
	if c.key.refusal != nil {
		return c.key.refusal
	}
	c.user = c.w.users[c.key.userID]
	if c.user == nil {
		if who&anyone == 0 {
			return rpcError(401, "AUTH_KEY_UNREGISTERED")
		}
		return nil
	}
	if c.user.deactivated {
		return rpcError(401, "USER_DEACTIVATED_BAN")
	}
	if c.dc != c.user.home && who&(anyone|anywhere) == 0 {
		return rpcError(303, fmt.Sprintf("USER_MIGRATE_%d", c.user.home))
	}
	if who&userOnly != 0 && c.user.bot {
		return rpcError(400, "BOT_METHOD_INVALID")
	}
	if who&botOnly != 0 && !c.user.bot {
		return rpcError(400, "USER_BOT_REQUIRED")
	}
	return nil
}
