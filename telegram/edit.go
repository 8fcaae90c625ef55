package telegram

import (
	"context"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// Edit is the new content of a message.
type Edit struct {
	ID int
	// Text is at most 4096 UTF-16 code units long; empty = as it is. With Media it is the caption, and an
	// empty one is none.
	Text     string
	Entities []tg.MessageEntityClass
	// Media takes the place of what the message carries; nil = as it is.
	Media tg.InputMediaClass
	// Keyboard is the inline keyboard; nil = as it is, or none under a bot's message.
	Keyboard    tg.ReplyMarkupClass
	NoWebpage   bool
	InvertMedia bool
	// Scheduled says that ID is that of a scheduled message; Schedule or WhenOnline is its new date then.
	Scheduled  bool
	Schedule   time.Time
	WhenOnline bool
}

// EditMessage changes a message (messages.editMessage) and returns it; nil when it was so already.
func EditMessage(ctx context.Context, env Env, chat Peer, e Edit) (*tg.Message, error) {
	input, err := chat.Input()
	if err != nil {
		return nil, err
	}
	if err := checkIDs([]int{e.ID}); err != nil {
		return nil, err
	}
	date := scheduleDate(e.Schedule, e.WhenOnline)
	switch n := len16(e.Text); {
	case e.Text == "" && e.Keyboard == nil && e.Media == nil && !e.Scheduled:
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "MESSAGE_EMPTY", "message: changes nothing").WithRemedy("give a text, a keyboard or a file")
	case e.Media != nil && n > maxCaption:
		return nil, checkCaption(e.Text)
	case n > maxText:
		return nil, tooLong(n)
	case e.Scheduled != (date != 0):
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "SCHEDULE_DATE_INVALID", "message.schedule_date: is for scheduled messages, and needed there").
			WithRemedy("give scheduled and schedule_date, or neither")
	}
	req := &tg.MessagesEditMessageRequest{Peer: input, ID: e.ID, NoWebpage: e.NoWebpage, InvertMedia: e.InvertMedia}
	if e.Media != nil {
		req.SetMedia(e.Media)
	}
	if e.Text != "" || e.Media != nil {
		req.SetMessage(e.Text)
	}
	if len(e.Entities) > 0 {
		req.SetEntities(e.Entities)
	}
	if e.Keyboard != nil {
		req.SetReplyMarkup(e.Keyboard)
	}
	if date != 0 {
		req.SetScheduleDate(date)
	}
	var res tg.UpdatesBox
	if err := Invoke(ctx, env, req, &res); err != nil {
		if IsRPC(err, "MESSAGE_NOT_MODIFIED") {
			return nil, nil
		}
		return nil, err
	}
	for _, m := range messagesIn(res.Updates) {
		if m.ID == e.ID {
			return m, nil
		}
	}
	return nil, unexpected(req, "updates without the message")
}

func tooLong(n int) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "MESSAGE_TOO_LONG",
		"message.text: must have at most %d UTF-16 code units (got %d)", maxText, n).WithRemedy(verdicts["MESSAGE_TOO_LONG"].remedy)
}
