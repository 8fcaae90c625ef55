package convert

import (
	"errors"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/text"
)

// Formatted is a request's text with its formatting, in one of the ways that the contract has.
type Formatted interface {
	GetText() string
	GetEntities() []*v1.Entity
	GetParseMode() v1.ParseMode
}

// InputText is the plain text and the formatting for TL; field names the message in errors. Reason
// MARKUP_INVALID for markup that is wrong.
func InputText(field string, f Formatted, peers telegram.Peers) (string, []tg.MessageEntityClass, error) {
	var read func(string) (string, []tg.MessageEntityClass, error)
	switch f.GetParseMode() {
	case v1.ParseMode_PARSE_MODE_UNSPECIFIED:
		entities, err := InputEntities(field+".entities", f.GetEntities(), peers)
		return f.GetText(), entities, err
	case v1.ParseMode_PARSE_MODE_MARKDOWN:
		read = text.Markdown
	case v1.ParseMode_PARSE_MODE_HTML:
		read = text.HTML
	default:
		return "", nil, Invalid(field+".parse_mode", "give one that ParseMode lists", "is unknown (got %d)", f.GetParseMode())
	}
	if len(f.GetEntities()) > 0 {
		return "", nil, Invalid(field+".entities", "leave one of the two out", "excludes parse_mode")
	}
	plain, found, err := read(f.GetText())
	var bad *text.Error
	if errors.As(err, &bad) {
		return "", nil, fleet.Errorf(fleet.CodeInvalidArgument, "MARKUP_INVALID", "%s.text: %w", field, bad).
			WithRemedy("mend it there; a backslash (Markdown) or &lt; (HTML) makes a mark an ordinary character")
	}
	if err != nil {
		return "", nil, err
	}
	// By way of the contract's form, which finds mentioned users.
	entities, err := InputEntities(field+".text", Entities(found), peers)
	return plain, entities, err
}

// CheckMarkup refuses a way of writing that this version does not know.
func CheckMarkup(field string, mode v1.ParseMode) error {
	if _, known := v1.ParseMode_name[int32(mode)]; !known {
		return Invalid(field, "give one that ParseMode lists", "is unknown (got %d)", mode)
	}
	return nil
}

// Written converts a message, and writes its text in a parse mode, too; nil for messageEmpty.
func Written(m tg.MessageClass, peers Peers, mode v1.ParseMode) *v1.Message {
	out := Message(m, peers)
	if m, ok := m.(*tg.Message); ok && mode != v1.ParseMode_PARSE_MODE_UNSPECIFIED {
		out.Markup = Markup(m.Message, m.Entities, mode)
	}
	return out
}

// WrittenAll is Written for messages; what is no message is left out.
func WrittenAll(list []tg.MessageClass, peers Peers, mode v1.ParseMode) []*v1.Message {
	var out []*v1.Message
	for _, m := range list {
		if msg := Written(m, peers, mode); msg != nil {
			out = append(out, msg)
		}
	}
	return out
}

// Markup writes a text with formatting in a parse mode; plain text in that of plain text.
func Markup(plain string, entities []tg.MessageEntityClass, mode v1.ParseMode) string {
	switch mode {
	case v1.ParseMode_PARSE_MODE_MARKDOWN:
		return text.ToMarkdown(plain, entities)
	case v1.ParseMode_PARSE_MODE_HTML:
		return text.ToHTML(plain, entities)
	}
	return plain
}
