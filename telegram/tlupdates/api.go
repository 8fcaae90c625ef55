package tlupdates

import (
	"errors"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/updates"
)

// Lookup is what a conversion needs to know of the account's peers.
type Lookup interface {
	// KnowsUser and KnowsChat report whether the peer is known: short forms carry no users
	// and chats, so an unknown one asks for the difference.
	KnowsUser(id int64) bool
	KnowsChat(id int64) bool
	// InputChannel is the channel with its access hash; false if unknown.
	InputChannel(id int64) (tg.InputChannelClass, bool)
}

// Source says where updates came from.
type Source struct {
	Self  int64  // the account's own user id
	MsgID int64  // MTProto message of a push; 0 for results of RPCs
	Token string // makes the ids of updates without a natural key unique: the fencing token
}

// ErrNeedsRequest is returned for updateShortSentMessage: FromSentMessage converts it.
var ErrNeedsRequest = errors.New("updateShortSentMessage cannot be read without its request")

// ErrNoAccess says that a channel's difference cannot be asked: no access hash is known.
var ErrNoAccess = errors.New("channel access hash unknown")

// FromUpdates converts one push or one RPC result into updates.Received or updates.TooLong.
func FromUpdates(u tg.UpdatesClass, src Source, peers Lookup) (updates.Input, error) { return nil, nil }

// FromSentMessage rebuilds the message that a short answer to messages.sendMessage stands for.
func FromSentMessage(req *tg.MessagesSendMessageRequest, res *tg.UpdateShortSentMessage, src Source, peers Lookup) (updates.Input, error) {
	return nil, nil
}

// FromState converts updates.state.
func FromState(s *tg.UpdatesState) updates.StateReceived { return updates.StateReceived{} }

// FromDifference converts the answer to updates.getDifference.
func FromDifference(d tg.UpdatesDifferenceClass, src Source) updates.Difference {
	return updates.Difference{}
}

// FromChannelDifference converts the answer to updates.getChannelDifference.
func FromChannelDifference(channel int64, d tg.UpdatesChannelDifferenceClass, src Source) updates.ChannelDifference {
	return updates.ChannelDifference{}
}

// FromAffected converts messages.affectedMessages, affectedHistory and affectedFoundMessages;
// channel is 0 for users and basic groups. False for any other result.
func FromAffected(result any, channel int64) (updates.Affected, bool) { return updates.Affected{}, false }

// CarriesUpdates reports whether an RPC result of this constructor must be shown to FromResult
// or FromAffected.
func CarriesUpdates(id uint32) bool { return false }

// FromResult finds the Updates inside an RPC result; nil if it has none.
func FromResult(result any) tg.UpdatesClass { return nil }

// DifferenceRequest is the call for GetDifference.
func DifferenceRequest(e updates.GetDifference) *tg.UpdatesGetDifferenceRequest { return nil }

// ChannelDifferenceRequest is the call for GetChannelDifference, or ErrNoAccess.
func ChannelDifferenceRequest(e updates.GetChannelDifference, peers Lookup) (*tg.UpdatesGetChannelDifferenceRequest, error) {
	return nil, nil
}

// Failure says what an error of one of these calls means for the box.
func Failure(err error) (updates.FailureKind, time.Duration) { return updates.FailureTemporary, 0 }

// Raw is the input for an object that the schema does not know: one event with its bytes.
func Raw(src Source, body []byte) updates.Received { return updates.Received{} }

// Payload is what an event carries: exactly one field is set.
type Payload struct {
	Update  tg.UpdateClass
	Message tg.MessageClass // new and edited messages
	Gap     *updates.Gap
	Raw     []byte // TL bytes of a constructor that the schema does not know
}

// Encode is the form of an event's payload in the log (a Payload, or an updates.Gap).
func Encode(payload any) ([]byte, error) { return nil, nil }

// Decode reads what Encode wrote. Updates and messages of another layer come back as Raw.
func Decode(data []byte) (Payload, error) { return Payload{}, nil }

var _ bin.Encoder
