package bots

import (
	"context"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

// EditInline changes a message that came from an inline query (messages.editInlineBotMessage), at the DC that
// its id names: its text and keyboard, and, unless file is nil, what it carries. A keyboard that is not given
// is taken away. It reports whether the message was another one before.
func EditInline(ctx context.Context, env telegram.Env, id []byte, content Content, file *media.Attachment) (changed bool, err error) {
	var box tg.InputBotInlineMessageIDBox
	buf := &bin.Buffer{Buf: id}
	if err := box.Decode(buf); err != nil || buf.Len() > 0 {
		return false, invalid("inline_message_id", "give that of the event, unchanged", "is no id of an inline message (%d bytes)", len(id))
	}
	dc := 0
	switch id := box.InputBotInlineMessageID.(type) {
	case *tg.InputBotInlineMessageID:
		dc = id.DCID
	case *tg.InputBotInlineMessageID64:
		dc = id.DCID
	}
	req := &tg.MessagesEditInlineBotMessageRequest{ID: box.InputBotInlineMessageID, NoWebpage: content.NoWebpage, InvertMedia: content.InvertMedia}
	if err := content.edit(req, file != nil); err != nil {
		return false, err
	}
	err = media.Refreshing(file != nil && file.Find != nil, func() error {
		if file != nil {
			m, err := file.InlineReplacement(ctx, env)
			if err != nil {
				return err
			}
			req.SetMedia(m)
		}
		return telegram.TypedError(req.TypeName(), env.InvokeOn(ctx, dc, req, &tg.BoolBox{}))
	})
	if telegram.IsRPC(err, "MESSAGE_NOT_MODIFIED") {
		return false, nil
	}
	return err == nil, err
}

// edit is the content as that of an edit.
func (c Content) edit(req *tg.MessagesEditInlineBotMessageRequest, media bool) error {
	if c.Place != nil || c.Contact != nil {
		return invalid("content", "give a text, a keyboard or a file", "cannot become a place or a contact")
	}
	if media || c.Text != "" || c.Keyboard == nil {
		if err := c.checkText("content", media); err != nil {
			return err
		}
		req.SetMessage(c.Text)
	}
	if len(c.Entities) > 0 {
		req.SetEntities(c.Entities)
	}
	if c.Keyboard != nil {
		req.SetReplyMarkup(c.Keyboard)
	}
	return nil
}
