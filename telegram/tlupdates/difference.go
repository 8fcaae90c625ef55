package tlupdates

import (
	"errors"
	"fmt"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/updates"
)

// differenceLimit bounds one common difference: the server answers with a slice, and one slice
// is one append (core.telegram.org/api/updates allows 1,000 to 10,000).
const differenceLimit = 1000

// ErrNoAccess says that a channel's difference cannot be asked: no access hash is known.
var ErrNoAccess = errors.New("channel access hash unknown")

// FromState converts updates.state.
func FromState(s *tg.UpdatesState) updates.StateReceived {
	return updates.StateReceived{State: state(s)}
}

func state(s *tg.UpdatesState) updates.ServerState {
	return updates.ServerState{Pts: s.Pts, Qts: s.Qts, Seq: s.Seq, Date: s.Date}
}

// FromDifference converts the answer to updates.getDifference.
func FromDifference(d tg.UpdatesDifferenceClass, src Source) updates.Difference {
	switch d := d.(type) {
	case *tg.UpdatesDifferenceEmpty:
		return updates.Difference{Outcome: updates.OutcomeEmpty, State: updates.ServerState{Date: d.Date, Seq: d.Seq}}
	case *tg.UpdatesDifferenceTooLong:
		return updates.Difference{Outcome: updates.OutcomeTooLong, State: updates.ServerState{Pts: d.Pts}}
	case *tg.UpdatesDifference:
		return difference(updates.OutcomeFinal, d.NewMessages, d.NewEncryptedMessages, d.OtherUpdates, &d.State, src)
	case *tg.UpdatesDifferenceSlice:
		return difference(updates.OutcomeSlice, d.NewMessages, d.NewEncryptedMessages, d.OtherUpdates, &d.IntermediateState, src)
	}
	return updates.Difference{}
}

func difference(outcome updates.Outcome, messages []tg.MessageClass, encrypted []tg.EncryptedMessageClass,
	others []tg.UpdateClass, s *tg.UpdatesState, src Source,
) updates.Difference {
	d := updates.Difference{Outcome: outcome, State: state(s)}
	for _, m := range messages {
		box := updates.Box{Kind: updates.BoxPts}
		if id := channelOf(m); id != 0 {
			box = updates.ChannelBox(id)
		}
		d.Messages = append(d.Messages, newMessage(box, m, Payload{Message: m})...)
	}
	for _, m := range encrypted {
		u := &tg.UpdateNewEncryptedMessage{Message: m}
		d.Messages = append(d.Messages, qtsEvent(u, KindRaw, 0))
	}
	d.Others = convertAll(others, differenceKey(src, fmt.Sprintf("%d.%d.%d", s.Pts, s.Qts, s.Date)))
	return d
}

// differenceKey tells updates without counter apart: the same answer gives the same keys.
func differenceKey(src Source, where string) keyFunc {
	return func(_ int, u tg.UpdateClass) string { return src.Token + "/" + where + "/" + contentHash(u) }
}

// FromChannelDifference converts the answer to updates.getChannelDifference. The messages of a
// channelDifferenceTooLong are history, not news: they are left out.
func FromChannelDifference(channel int64, d tg.UpdatesChannelDifferenceClass, src Source) updates.ChannelDifference {
	out := updates.ChannelDifference{Channel: channel}
	if d, ok := d.(interface{ GetTimeout() (int, bool) }); ok {
		seconds, _ := d.GetTimeout()
		out.Timeout = time.Duration(seconds) * time.Second
	}
	switch d := d.(type) {
	case *tg.UpdatesChannelDifferenceEmpty:
		out.Outcome, out.More, out.Pts = updates.OutcomeEmpty, !d.Final, d.Pts
	case *tg.UpdatesChannelDifference:
		out.Outcome, out.More, out.Pts = updates.OutcomeFinal, !d.Final, d.Pts
		for _, m := range d.NewMessages {
			out.Messages = append(out.Messages, newMessage(updates.ChannelBox(channel), m, Payload{Message: m})...)
		}
		out.Others = convertAll(d.OtherUpdates, differenceKey(src, fmt.Sprintf("%d.%d", channel, d.Pts)))
	case *tg.UpdatesChannelDifferenceTooLong:
		out.Outcome, out.More = updates.OutcomeTooLong, !d.Final
		if dialog, ok := d.Dialog.(*tg.Dialog); ok {
			out.Pts = dialog.Pts
		}
	}
	return out
}

// DifferenceRequest is the call for updates.GetDifference.
func DifferenceRequest(e updates.GetDifference) *tg.UpdatesGetDifferenceRequest {
	req := &tg.UpdatesGetDifferenceRequest{Pts: e.Pts, Qts: e.Qts, Date: e.Date}
	req.SetPtsLimit(differenceLimit)
	return req
}

// ChannelDifferenceRequest is the call for updates.GetChannelDifference, or ErrNoAccess.
func ChannelDifferenceRequest(e updates.GetChannelDifference, peers Lookup) (*tg.UpdatesGetChannelDifferenceRequest, error) {
	channel, ok := peers.InputChannel(e.Channel)
	if !ok {
		return nil, fmt.Errorf("ask difference of channel %d: %w", e.Channel, ErrNoAccess)
	}
	return &tg.UpdatesGetChannelDifferenceRequest{
		Channel: channel, Filter: &tg.ChannelMessagesFilterEmpty{}, Pts: e.Pts, Limit: e.Limit,
	}, nil
}

// Failure says what an error of one of these calls means for the box, and how long the server
// wants us to wait.
func Failure(err error) (updates.FailureKind, time.Duration) {
	if errors.Is(err, ErrNoAccess) {
		return updates.FailureUnknown, 0
	}
	reason, wait := "", time.Duration(0)
	var ours *fleet.Error
	if errors.As(err, &ours) {
		reason, wait = ours.Reason, ours.RetryAfter
	} else if theirs, ok := tgerr.As(err); ok {
		reason = theirs.Type
		wait, _ = tgerr.AsFloodWait(err)
	}
	switch reason {
	case "PERSISTENT_TIMESTAMP_INVALID", "PERSISTENT_TIMESTAMP_EMPTY", "DATE_EMPTY":
		return updates.FailureInvalid, 0
	case "CHANNEL_PRIVATE", "CHANNEL_INVALID", "CHANNEL_PUBLIC_GROUP_NA", "CHANNEL_FORBIDDEN", "USER_BANNED_IN_CHANNEL", "PEER_ID_INVALID":
		return updates.FailureAccessLost, 0
	}
	return updates.FailureTemporary, wait
}
