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
	Media     bool // it came to a media_only address
	KeyID     int64
	SessionID int64
	Body      []byte
}

// Need says who may call a method.
type Need uint8

const (
	Anyone   Need = 1 << iota // also before a login
	Anywhere                  // also on a DC that is not the user's home
	UserOnly                  // not for bots
	BotOnly                   // for bots alone
)

type method struct {
	name string
	need Need
	run  func(c *Call, body []byte) (bin.Encoder, error)
}

// Call is one query while it is handled.
type Call struct {
	World     *World
	DC        int
	Key       *Key
	User      *User // nil before a login
	Responder Responder
}

// request is a pointer to a query's type.
type request[T any] interface {
	*T
	bin.Decoder
	TypeID() uint32
	TypeName() string
}

// errLater is returned by a handler that answers later.
var ErrLater = errors.New("model: answered later")

// On registers the handler of a query's type.
func On[T any, P request[T]](w *World, who Need, handle func(c *Call, q P) (bin.Encoder, error)) {
	id := P(new(T)).TypeID()
	w.table[id] = method{
		name: P(new(T)).TypeName(),
		need: who,
		run: func(c *Call, body []byte) (bin.Encoder, error) {
			q := P(new(T))
			buf := &bin.Buffer{Buf: body}
			if err := q.Decode(buf); err != nil {
				return nil, RPCError(400, "INPUT_REQUEST_INVALID")
			}
			if buf.Len() != 0 {
				return nil, RPCError(400, "INPUT_REQUEST_TOO_LONG")
			}
			return handle(c, q)
		},
	}
}

func RPCError(code int, message string) error { return tgerr.New(code, message) }

// Handle answers one query through the responder: before it returns, except for a query
// that waits for somebody else.
func (w *World) Handle(req Request, responder Responder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	result, err := w.dispatch(req, responder)
	if errors.Is(err, ErrLater) {
		return
	}
	Respond(w, responder, result, err)
}

func Respond(w *World, responder Responder, result bin.Encoder, err error) {
	if err == nil {
		var b bin.Buffer
		if err = result.Encode(&b); err == nil {
			responder.Reply(b.Buf)
			return
		}
		w.Config.Log.Error("answer cannot be encoded", "error", err)
	}
	if rpc, ok := tgerr.As(err); ok {
		responder.Error(rpc.Code, rpc.Message)
		return
	}
	w.Config.Log.Error("query failed", "error", err)
	responder.Error(500, "INTERNAL")
}

func (w *World) dispatch(req Request, responder Responder) (bin.Encoder, error) {
	id, err := (&bin.Buffer{Buf: req.Body}).PeekID()
	if err != nil {
		return nil, RPCError(400, "INPUT_REQUEST_INVALID")
	}
	m, ok := w.table[id]
	if !ok {
		name, _, _ := strings.Cut(w.names[id], "#")
		if name == "" {
			name = fmt.Sprintf("%08x", id)
		}
		w.Config.Log.Warn("method is not modelled", "method", name)
		return nil, RPCError(400, "INPUT_METHOD_INVALID_"+name)
	}
	if req.Media && !forFiles(w.names[id]) {
		return nil, RPCError(400, "INPUT_METHOD_INVALID_"+w.names[id]+": not at a media_only address")
	}
	c := &Call{World: w, DC: req.DC, Key: w.authKey(req.KeyID, req.DC), Responder: responder}
	if err := c.admit(m.need); err != nil {
		return nil, err
	}
	return m.run(c, req.Body)
}

// forFiles tells what a media_only address answers. That it answers nothing else is our strictness.
func forFiles(method string) bool {
	name, _, _ := strings.Cut(method, "#")
	return strings.HasPrefix(name, "upload.") || name == "auth.importAuthorization" || name == "help.getConfig"
}

// admit checks that this key may call the method, and on this DC.
func (c *Call) admit(who Need) error {
	if c.Key.Refusal != nil {
		return c.Key.Refusal
	}
	c.User = c.World.Users[c.Key.UserID]
	if c.User == nil {
		if who&Anyone == 0 {
			return RPCError(401, "AUTH_KEY_UNREGISTERED")
		}
		return nil
	}
	if c.User.Deactivated {
		return RPCError(401, "USER_DEACTIVATED_BAN")
	}
	if c.DC != c.User.Home && who&(Anyone|Anywhere) == 0 {
		return RPCError(303, fmt.Sprintf("USER_MIGRATE_%d", c.User.Home))
	}
	if who&UserOnly != 0 && c.User.Bot {
		return RPCError(400, "BOT_METHOD_INVALID")
	}
	if who&BotOnly != 0 && !c.User.Bot {
		return RPCError(400, "USER_BOT_REQUIRED")
	}
	return nil
}
