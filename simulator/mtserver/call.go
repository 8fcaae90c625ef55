package mtserver

import (
	"sync/atomic"
)

// Call is one query of a client.
type Call struct {
	DC        int
	Media     bool  // it came to a media_only address
	KeyID     int64 // permanent auth key: of a bound temporary key, the key it is bound to
	AuthKeyID int64 // the key that encrypted the message
	SessionID int64
	MsgID     int64
	ConnID    uint64 // connection on which the query arrived
	Remote    string // its remote address
	Body      []byte // the query without its wrappers; must not be changed
	Layer     int    // of the last invokeWithLayer of this key; 0 if none
	Init      Init   // of the last initConnection of this key
	// WithoutUpdates says that the query came in invokeWithoutUpdates.
	WithoutUpdates bool
	TakeoutID      int64  // of invokeWithTakeout; 0 if none
	BusinessID     string // of invokeWithBusinessConnection

	session *session
	query   *query
	done    atomic.Bool
}

// Constructor returns the constructor id of the query; 0 if there is none.
func (c *Call) Constructor() uint32 { return constructorOf(c.Body) }

// Reply answers the query with a TL object. The first of Reply and Error wins.
func (c *Call) Reply(result []byte) { c.answer(result) }

// Error answers the query with rpc_error. The first of Reply and Error wins.
func (c *Call) Error(code int, message string) { c.answer(encodeRPCError(code, message)) }

func (c *Call) answer(result []byte) {
	if !c.done.CompareAndSwap(false, true) {
		return
	}
	c.session.key.answer(c, result)
}
