package messages

import (
	"net/url"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// CheckMarkup checks a bot's keyboard: core.telegram.org/api/bots/buttons.
func CheckMarkup(markup tg.ReplyMarkupClass) error {
	var rows []tg.KeyboardButtonRow
	inline := false
	switch m := markup.(type) {
	case nil, *tg.ReplyKeyboardHide, *tg.ReplyKeyboardForceReply:
		return nil
	case *tg.ReplyInlineMarkup:
		rows, inline = m.Rows, true
	case *tg.ReplyKeyboardMarkup:
		rows = m.Rows
		if len(rows) == 0 {
			return model.RPCError(400, "REPLY_MARKUP_INVALID")
		}
	}
	n := 0
	for _, row := range rows {
		for _, b := range row.Buttons {
			if n++; n > model.MaxButtons {
				return model.RPCError(400, "REPLY_MARKUP_TOO_LONG")
			}
			if b.GetText() == "" {
				return model.RPCError(400, "BUTTON_INVALID")
			}
			if err := checkButton(b, inline); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkButton(b tg.KeyboardButtonClass, inline bool) error {
	wrong := model.RPCError(400, "BUTTON_TYPE_INVALID")
	switch b := b.(type) {
	case *tg.KeyboardButton, *tg.KeyboardButtonRequestPhone, *tg.KeyboardButtonRequestGeoLocation, *tg.KeyboardButtonRequestPoll:
		if inline {
			return wrong
		}
	case *tg.KeyboardButtonCallback:
		if !inline {
			return wrong
		}
		if len(b.Data) == 0 || len(b.Data) > 64 {
			return model.RPCError(400, "BUTTON_DATA_INVALID")
		}
	case *tg.KeyboardButtonURL:
		if !inline {
			return wrong
		}
		if u, err := url.Parse(b.URL); err != nil || u.Host == "" {
			return model.RPCError(400, "BUTTON_URL_INVALID")
		}
	}
	return nil
}
