package tlupdates

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/updates"
)

// Lookup is what a conversion needs to know of the account.
type Lookup interface {
	// KnowsUser and KnowsChat report whether the peer can be addressed: short forms carry no
	// users and chats, so an unknown one asks for the difference.
	KnowsUser(id int64) bool
	KnowsChat(id int64) bool
	// InputChannel is the channel with its access hash; false if unknown.
	InputChannel(id int64) (tg.InputChannelClass, bool)
}

// Source says where updates came from.
type Source struct {
	Self  int64  // the account's own user id
	MsgID int64  // MTProto message of a push; 0 for results of RPCs
	Token string // makes ids of updates without counter unique: the fencing token
}

// Payload is what an event carries: exactly one field is set.
type Payload struct {
	Update  tg.UpdateClass
	Message tg.MessageClass // new and edited messages
	Gap     *updates.Gap
	Raw     []byte // TL bytes of a constructor that the schema does not know
}

var (
	_ bin.Encoder
	_ tg.UpdatesClass
)
