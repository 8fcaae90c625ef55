package telegram

import (
	"context"
	"slices"
	"testing"

	"github.com/gotd/td/tg"
)

// TestForwardedAlreadyIsSuccess: the parts that an earlier try has sent are told from those that are new.
func TestForwardedAlreadyIsSuccess(t *testing.T) {
	ids := make([]int, 150)
	for i := range ids {
		ids[i] = i + 1
	}
	second := &tg.Updates{}
	for i := range 50 {
		second.Updates = append(second.Updates, &tg.UpdateMessageID{ID: 1000 + i, RandomID: int64(500 + 100 + i)})
	}
	for i := range 50 { // in whatever order
		second.Updates = append(second.Updates, &tg.UpdateNewMessage{Message: message(1000+49-i, "x")})
	}
	env := script(t, step{"messages.getMessages", &tg.MessagesMessages{}}, // no album is cut
		step{"messages.forwardMessages", rpc(500, "RANDOM_ID_DUPLICATE")}, step{"messages.forwardMessages", second})
	got, err := ForwardMessages(context.Background(), env, bobPeer(), bobPeer(), Forward{IDs: ids, RandomID: func(n int) int64 { return int64(500 + n) }})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, []any{len(got), got[0].Sent, got[0].Message == nil, got[100].Sent, got[100].Message.ID, got[149].Message.ID, got[149].OriginalID},
		[]any{150, true, true, true, 1000, 1049, 150})
}

func TestForwardsThatAreNotThereAreNoError(t *testing.T) {
	env := script(t, step{"messages.forwardMessages", rpc(400, "MESSAGE_ID_INVALID")})
	got, err := ForwardMessages(context.Background(), env, bobPeer(), bobPeer(), Forward{IDs: []int{4}})
	if err != nil || len(got) != 1 || got[0].Sent {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestDeleteWithoutPeerTouchesNoChannel: an id of which it is not known that it is no channel's is refused
// before anything is deleted.
func TestDeleteWithoutPeerTouchesNoChannel(t *testing.T) {
	page := &tg.MessagesMessages{Messages: []tg.MessageClass{message(4, "x"), &tg.MessageEmpty{ID: 5}}}
	env := script(t, step{"messages.getMessages", page})
	_, err := DeleteMessages(context.Background(), env, nil, []int{4, 5}, true)
	wantReason(t, err, "MESSAGE_ID_AMBIGUOUS")
	env = script(t, step{"messages.getMessages", page}, step{"messages.deleteMessages", &tg.MessagesAffectedMessages{Pts: 9, PtsCount: 1}})
	chat := bobPeer()
	n, err := DeleteMessages(context.Background(), env, &chat, []int{4, 5}, true)
	if err != nil || n != 1 || !slices.Equal(env.calls[1].(*tg.MessagesDeleteMessagesRequest).ID, []int{4}) {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestUnpinAllGoesOnWhileSomeAreLeft(t *testing.T) {
	left := func(n, offset int) step {
		return step{"messages.unpinAllMessages", &tg.MessagesAffectedHistory{Pts: 9, PtsCount: n, Offset: offset}}
	}
	n, err := UnpinAllMessages(context.Background(), script(t, left(100, 50), left(50, 0)), bobPeer(), 0)
	if err != nil || n != 150 {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestNotModifiedIsAnOutcome(t *testing.T) {
	env := script(t, step{"messages.editMessage", rpc(400, "MESSAGE_NOT_MODIFIED")}, step{"messages.updatePinnedMessage", rpc(400, "CHAT_NOT_MODIFIED")})
	m, err := EditMessage(context.Background(), env, bobPeer(), Edit{ID: 4, Text: "x"})
	if m != nil || err != nil {
		t.Errorf("edit: %v, %v", m, err)
	}
	changed, err := PinMessage(context.Background(), env, bobPeer(), 4, Pin{})
	if changed || err != nil {
		t.Errorf("pin: %t, %v", changed, err)
	}
}
