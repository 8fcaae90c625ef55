package convert

import (
	"fmt"
	"net/url"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// Limits of keyboards (core.telegram.org/api/bots/buttons).
const (
	maxButtons      = 100
	maxCallbackData = 64 // bytes
	maxCopyText     = 256
	maxPlaceholder  = 64
)

// InputKeyboard converts a keyboard to TL; nil for none. field names it in errors, user finds the user
// that a button shows.
func InputKeyboard(field string, k *v1.InputKeyboard, user func(text string) (tg.InputUserClass, error)) (tg.ReplyMarkupClass, error) {
	switch k := k.GetKind().(type) {
	case *v1.InputKeyboard_Inline:
		return inlineKeyboard(field+".inline", k.Inline, user)
	case *v1.InputKeyboard_Reply:
		return replyKeyboard(field+".reply", k.Reply)
	case *v1.InputKeyboard_Hide:
		return &tg.ReplyKeyboardHide{Selective: k.Hide.GetSelective()}, nil
	case *v1.InputKeyboard_ForceReply:
		m := &tg.ReplyKeyboardForceReply{Selective: k.ForceReply.GetSelective()}
		if text := k.ForceReply.GetPlaceholder(); text != "" {
			m.SetPlaceholder(text)
		}
		return m, checkLength(field+".force_reply.placeholder", k.ForceReply.GetPlaceholder(), maxPlaceholder)
	}
	if k != nil {
		return nil, Invalid(field, "give inline, reply, hide or force_reply", "has no kind")
	}
	return nil, nil
}

func inlineKeyboard(field string, k *v1.InlineKeyboard, user func(string) (tg.InputUserClass, error)) (tg.ReplyMarkupClass, error) {
	m, n := &tg.ReplyInlineMarkup{}, 0
	for i, row := range k.GetRows() {
		out := tg.KeyboardButtonRow{}
		for j, b := range row.GetButtons() {
			at := fmt.Sprintf("%s.rows[%d].buttons[%d]", field, i, j)
			button, err := inlineButton(at, b, user)
			if err != nil {
				return nil, err
			}
			out.Buttons = append(out.Buttons, button)
		}
		if n += len(out.Buttons); len(out.Buttons) == 0 || n > maxButtons {
			return nil, Invalid(fmt.Sprintf("%s.rows[%d]", field, i), "give rows of at least one button", "must not be empty, nor may a keyboard have more than %d buttons", maxButtons)
		}
		m.Rows = append(m.Rows, out)
	}
	return m, nil
}

func inlineButton(field string, b *v1.InlineButton, user func(string) (tg.InputUserClass, error)) (tg.KeyboardButtonClass, error) {
	text := b.GetText()
	if text == "" {
		return nil, Invalid(field+".text", "say what the button shows", "is empty")
	}
	switch a := b.GetAction().(type) {
	case *v1.InlineButton_Callback:
		if n := len(a.Callback); n == 0 || n > maxCallbackData {
			return nil, Invalid(field+".callback", "keep what does not fit under a short key", "must have 1 to %d bytes (got %d)", maxCallbackData, n)
		}
		return &tg.KeyboardButtonCallback{Text: text, Data: a.Callback}, nil
	case *v1.InlineButton_Url:
		return &tg.KeyboardButtonURL{Text: text, URL: a.Url}, checkURL(field+".url", a.Url, false)
	case *v1.InlineButton_SwitchInline:
		return &tg.KeyboardButtonSwitchInline{Text: text, Query: a.SwitchInline}, nil
	case *v1.InlineButton_SwitchInlineHere:
		return &tg.KeyboardButtonSwitchInline{Text: text, Query: a.SwitchInlineHere, SamePeer: true}, nil
	case *v1.InlineButton_CopyText:
		if a.CopyText == "" {
			return nil, Invalid(field+".copy_text", "give the text to copy", "is empty")
		}
		return &tg.KeyboardButtonCopy{Text: text, CopyText: a.CopyText}, checkLength(field+".copy_text", a.CopyText, maxCopyText)
	case *v1.InlineButton_WebApp:
		return &tg.KeyboardButtonWebView{Text: text, URL: a.WebApp}, checkURL(field+".web_app", a.WebApp, true)
	case *v1.InlineButton_LoginUrl:
		m := &tg.InputKeyboardButtonURLAuth{Text: text, URL: a.LoginUrl, Bot: &tg.InputUserSelf{}}
		return m, checkURL(field+".login_url", a.LoginUrl, true)
	case *v1.InlineButton_User:
		who, err := user(a.User)
		if err != nil {
			return nil, err
		}
		return &tg.InputKeyboardButtonUserProfile{Text: text, UserID: who}, nil
	}
	return nil, Invalid(field, "give callback, url or another action", "has no action")
}

func replyKeyboard(field string, k *v1.ReplyKeyboard) (tg.ReplyMarkupClass, error) {
	m, n := &tg.ReplyKeyboardMarkup{
		Resize: k.GetResize(), SingleUse: k.GetSingleUse(), Selective: k.GetSelective(), Persistent: k.GetPersistent(),
	}, 0
	if text := k.GetPlaceholder(); text != "" {
		m.SetPlaceholder(text)
	}
	if len(k.GetRows()) == 0 {
		return nil, Invalid(field+".rows", "use hide to take a keyboard away", "is empty")
	}
	for i, row := range k.GetRows() {
		out := tg.KeyboardButtonRow{}
		for j, b := range row.GetButtons() {
			at := fmt.Sprintf("%s.rows[%d].buttons[%d]", field, i, j)
			button, err := replyButton(at, b)
			if err != nil {
				return nil, err
			}
			out.Buttons = append(out.Buttons, button)
		}
		if n += len(out.Buttons); len(out.Buttons) == 0 || n > maxButtons {
			return nil, Invalid(fmt.Sprintf("%s.rows[%d]", field, i), "give rows of at least one button", "must not be empty, nor may a keyboard have more than %d buttons", maxButtons)
		}
		m.Rows = append(m.Rows, out)
	}
	return m, checkLength(field+".placeholder", k.GetPlaceholder(), maxPlaceholder)
}

func replyButton(field string, b *v1.ReplyButton) (tg.KeyboardButtonClass, error) {
	text := b.GetText()
	if text == "" {
		return nil, Invalid(field+".text", "say what the button shows", "is empty")
	}
	switch a := b.GetAction().(type) {
	case *v1.ReplyButton_Phone:
		return &tg.KeyboardButtonRequestPhone{Text: text}, nil
	case *v1.ReplyButton_Location:
		return &tg.KeyboardButtonRequestGeoLocation{Text: text}, nil
	case *v1.ReplyButton_Poll:
		m := &tg.KeyboardButtonRequestPoll{Text: text}
		m.SetQuiz(a.Poll)
		return m, nil
	case *v1.ReplyButton_WebApp:
		return &tg.KeyboardButtonSimpleWebView{Text: text, URL: a.WebApp}, checkURL(field+".web_app", a.WebApp, true)
	}
	return &tg.KeyboardButton{Text: text}, nil
}

func checkLength(field, text string, limit int) error {
	if n := len([]rune(text)); n > limit {
		return Invalid(field, "shorten it", "must have at most %d characters (got %d)", limit, n)
	}
	return nil
}

func checkURL(field, text string, secure bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return Invalid(field, "give it with its scheme, such as https://example.org", "is no link")
	case secure && u.Scheme != "https":
		return Invalid(field, "give an https link", "must be https (got %s)", u.Scheme)
	}
	return nil
}
