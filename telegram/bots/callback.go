// Package bots is how bots answer what users ask of them: presses of buttons, and inline queries.
//
// # Usage
//
//	err := bots.AnswerInline(ctx, env, bots.InlineAnswer{QueryID: id, Results: results})
//
// # Concurrency
//
// Functions keep no state and may run at the same time over one Env.
//
// # Errors
//
// *fleet.Error: Telegram's own with name and method, and ours, which come before anything is sent.
package bots

import (
	"context"
	"math"
	"time"
	"unicode/utf8"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// maxCallbackText is how many characters an answer has at most (messages.setBotCallbackAnswer).
const maxCallbackText = 200

// CallbackAnswer answers the press of a button.
type CallbackAnswer struct {
	QueryID int64
	// Text is at most 200 characters long; Alert shows it in a window.
	Text  string
	Alert bool
	// URL is opened; empty for none.
	URL string
	// CacheTime is how long the user's client keeps the answer.
	CacheTime time.Duration
}

// AnswerCallback answers the press of a button (messages.setBotCallbackAnswer).
func AnswerCallback(ctx context.Context, env telegram.Env, a CallbackAnswer) error {
	if n := utf8.RuneCountInString(a.Text); n > maxCallbackText {
		return invalid("text", "shorten it", "must have at most %d characters (got %d)", maxCallbackText, n)
	}
	seconds, err := cacheSeconds(a.CacheTime)
	if err != nil {
		return err
	}
	req := &tg.MessagesSetBotCallbackAnswerRequest{QueryID: a.QueryID, Alert: a.Alert, CacheTime: seconds}
	if a.Text != "" {
		req.SetMessage(a.Text)
	}
	if a.URL != "" {
		req.SetURL(a.URL)
	}
	return telegram.Invoke(ctx, env, req, &tg.BoolBox{})
}

// cacheSeconds is a time for which an answer is kept, in whole seconds.
func cacheSeconds(d time.Duration) (int, error) {
	if d < 0 || d%time.Second != 0 || d > math.MaxInt32*time.Second {
		return 0, invalid("cache_time", "for example 300s", "must be whole seconds, not negative (got %s)", d)
	}
	return int(d / time.Second), nil
}

func invalid(field, remedy, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", field+": "+format, args...).WithRemedy(remedy)
}
