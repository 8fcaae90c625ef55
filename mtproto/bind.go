package mtproto

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// bindSize is how long the query of a Bind is.
const bindSize = 132

// binding is what a call of Bind is made of when it leaves: it names its own message.
type binding struct {
	permanent wire.Key
	expiresAt time.Time
}

func (e *Engine) bind(in Bind) {
	e.invoke(Invoke{ID: in.ID, Body: make([]byte, bindSize), Idempotent: true})
	if one := e.calls.byID.get(in.ID); one != nil {
		one.binding = &binding{wire.NewKey(in.Permanent), in.ExpiresAt}
	}
}

// body makes the query for the message of this id.
func (b *binding) body(e *Engine, msgID int64) ([]byte, error) {
	var nonce [8]byte
	if _, err := io.ReadFull(e.rand, nonce[:]); err != nil {
		return nil, fmt.Errorf("read entropy: %w", err)
	}
	return wire.AppendBind(make([]byte, 0, bindSize), &b.permanent, msgID, wire.Binding{
		Nonce: int64(binary.LittleEndian.Uint64(nonce[:])), TempID: e.key.IntID(), SessionID: e.sessionID,
		ExpiresAt: int32(e.clock.server(b.expiresAt).Unix()),
	}, e.rand)
}
