// Package keyboard makes the keyboards of bots' messages.
//
// # Usage
//
//	k := keyboard.Inline{keyboard.Row(keyboard.Callback("Yes", "yes"), keyboard.URL("More", "https://example.org"))}
//	account.SendMessage(ctx, peer, client.Text("Well?"), client.WithKeyboard(k))
//
// A button of one kind of keyboard does not fit into the other.
//
// # Concurrency
//
// Values that are not changed may be used by any goroutine.
//
// # Errors
//
// The API checks a keyboard when it is sent: at most 100 buttons, rows that are not empty, reason
// FIELD_INVALID.
package keyboard

import v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"

// Keyboard is one of Inline, *Reply, Hide and ForceReply.
type Keyboard interface {
	// Input is the keyboard as the contract has it.
	Input() *v1.InputKeyboard
}

// Inline is rows of buttons under a message. Without rows it takes away what an edited message
// has.
type Inline [][]InlineButton

// Row is one row of an Inline, from the left.
func Row(buttons ...InlineButton) []InlineButton { return buttons }

// Input implements Keyboard.
func (k Inline) Input() *v1.InputKeyboard {
	out := &v1.InlineKeyboard{}
	for _, row := range k {
		r := &v1.InlineRow{}
		for _, b := range row {
			r.Buttons = append(r.Buttons, b.button)
		}
		out.Rows = append(out.Rows, r)
	}
	return &v1.InputKeyboard{Kind: &v1.InputKeyboard_Inline{Inline: out}}
}

// InlineButton is a button under a message, made by Callback and the like.
type InlineButton struct{ button *v1.InlineButton }

// Callback sends data of 1 to 64 bytes to the bot.
func Callback(text, data string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_Callback{Callback: []byte(data)}}}
}

// URL opens a link.
func URL(text, url string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_Url{Url: url}}}
}

// SwitchInline asks for a chat and begins an inline query there; query may be empty.
func SwitchInline(text, query string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_SwitchInline{SwitchInline: query}}}
}

// SwitchInlineHere begins an inline query in the same chat; query may be empty.
func SwitchInlineHere(text, query string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_SwitchInlineHere{SwitchInlineHere: query}}}
}

// Copy copies a text of 1 to 256 characters.
func Copy(text, copied string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_CopyText{CopyText: copied}}}
}

// WebApp opens a Mini App by its https link.
func WebApp(text, url string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_WebApp{WebApp: url}}}
}

// Login signs the user in at a site by its https link.
func Login(text, url string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_LoginUrl{LoginUrl: url}}}
}

// User shows a user.
func User(text, peer string) InlineButton {
	return InlineButton{&v1.InlineButton{Text: text, Action: &v1.InlineButton_User{User: peer}}}
}

// Reply is rows of buttons in place of the recipient's keyboard.
type Reply struct {
	Rows [][]ReplyButton // at least one
	// Resize makes it as low as its buttons allow.
	Resize bool
	// SingleUse hides it after the first press.
	SingleUse bool
	// Selective shows it only to users who are mentioned or answered.
	Selective bool
	// Persistent keeps it shown while the ordinary keyboard is hidden.
	Persistent bool
	// Placeholder is shown in the empty input field; at most 64 characters.
	Placeholder string
}

// ReplyRow is one row of a Reply, from the left.
func ReplyRow(buttons ...ReplyButton) []ReplyButton { return buttons }

// Input implements Keyboard.
func (k *Reply) Input() *v1.InputKeyboard {
	out := &v1.ReplyKeyboard{
		Resize: k.Resize, SingleUse: k.SingleUse, Selective: k.Selective, Persistent: k.Persistent, Placeholder: k.Placeholder,
	}
	for _, row := range k.Rows {
		r := &v1.ReplyRow{}
		for _, b := range row {
			r.Buttons = append(r.Buttons, b.button)
		}
		out.Rows = append(out.Rows, r)
	}
	return &v1.InputKeyboard{Kind: &v1.InputKeyboard_Reply{Reply: out}}
}

// ReplyButton is a button of a Reply, made by Text and the like.
type ReplyButton struct{ button *v1.ReplyButton }

// Text sends its text.
func Text(text string) ReplyButton { return ReplyButton{&v1.ReplyButton{Text: text}} }

// Phone sends the user's phone number.
func Phone(text string) ReplyButton {
	return ReplyButton{&v1.ReplyButton{Text: text, Action: &v1.ReplyButton_Phone{Phone: true}}}
}

// Location sends the user's place.
func Location(text string) ReplyButton {
	return ReplyButton{&v1.ReplyButton{Text: text, Action: &v1.ReplyButton_Location{Location: true}}}
}

// Poll lets the user make a poll, or a quiz.
func Poll(text string, quiz bool) ReplyButton {
	return ReplyButton{&v1.ReplyButton{Text: text, Action: &v1.ReplyButton_Poll{Poll: quiz}}}
}

// ReplyWebApp opens a Mini App by its https link.
func ReplyWebApp(text, url string) ReplyButton {
	return ReplyButton{&v1.ReplyButton{Text: text, Action: &v1.ReplyButton_WebApp{WebApp: url}}}
}

// Hide takes a reply keyboard away.
type Hide struct {
	// Selective is for users who are mentioned or answered only.
	Selective bool
}

// Input implements Keyboard.
func (k Hide) Input() *v1.InputKeyboard {
	return &v1.InputKeyboard{Kind: &v1.InputKeyboard_Hide{Hide: &v1.HideKeyboard{Selective: k.Selective}}}
}

// ForceReply makes the recipient answer the message.
type ForceReply struct {
	// Selective is for users who are mentioned or answered only.
	Selective bool
	// Placeholder is shown in the empty input field; at most 64 characters.
	Placeholder string
}

// Input implements Keyboard.
func (k ForceReply) Input() *v1.InputKeyboard {
	return &v1.InputKeyboard{Kind: &v1.InputKeyboard_ForceReply{ForceReply: &v1.ForceReply{Selective: k.Selective, Placeholder: k.Placeholder}}}
}
