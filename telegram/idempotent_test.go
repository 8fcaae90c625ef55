package telegram

import (
	"context"
	"errors"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
)

// TestWhatLeavesNoTrace: a call that only reads, that Telegram refused or that was never sent has
// changed nothing; of every other failure nobody knows.
func TestWhatLeavesNoTrace(t *testing.T) {
	send, read, code := &tg.MessagesSendMessageRequest{}, &tg.UsersGetUsersRequest{}, &tg.AuthSignInRequest{}
	own := func(code fleet.Code, reason string) error { return fleet.Errorf(code, reason, "x") }
	for name, c := range map[string]struct {
		call bin.Encoder
		err  error
		want bool
	}{
		"a read":                           {read, nil, true},
		"a read whose answer is lost":      {read, own(fleet.CodeAborted, "OUTCOME_UNKNOWN"), true},
		"a press of a button":              {&tg.MessagesGetBotCallbackAnswerRequest{}, nil, false},
		"done":                             {send, nil, false},
		"refused":                          {send, tgerr.New(403, "CHAT_WRITE_FORBIDDEN"), true},
		"flood wait":                       {send, tgerr.New(420, "FLOOD_WAIT_5"), true},
		"sent before":                      {send, tgerr.New(500, "RANDOM_ID_DUPLICATE"), false},
		"trouble of the server":            {send, tgerr.New(-503, "Timeout"), false},
		"answer lost":                      {send, own(fleet.CodeAborted, "OUTCOME_UNKNOWN"), false},
		"caller gone":                      {send, context.Canceled, false},
		"unknown":                          {send, errors.New("broken"), false},
		"queue full":                       {send, own(fleet.CodeResourceExhausted, "QUEUE_FULL"), true},
		"account paused":                   {send, own(fleet.CodeFailedPrecondition, "ACCOUNT_PAUSED"), true},
		"login done, and lost before kept": {code, own(fleet.CodeFailedPrecondition, "ACCOUNT_BACKOFF"), false},
		"wrong code":                       {code, tgerr.New(400, "PHONE_CODE_INVALID"), true},
	} {
		if got := Untouched(c.call, c.err); got != c.want {
			t.Errorf("%s: untouched = %v", name, got)
		}
	}
}
