package model

import (
	"fmt"
	"slices"
	"unicode/utf16"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

func (w *World) registerMessages() {
	on(w, 0, (*call).sendMessage)
	on(w, 0, (*call).editMessage)
	on(w, 0, (*call).deleteMessages)
	on(w, 0, (*call).setTyping)
	on(w, userOnly, (*call).readHistory)
}

// draft is a checked message before it is written.
type draft struct {
	text     string
	entities []tg.MessageEntityClass
	named    []int64
	markup   tg.ReplyMarkupClass
}

// draft checks text, entities and keyboard.
func (c *call) draft(text string, entities []tg.MessageEntityClass, markup tg.ReplyMarkupClass) (draft, error) {
	d := draft{text: text}
	size := len(utf16.Encode([]rune(text)))
	if size == 0 {
		return d, rpcError(400, "MESSAGE_EMPTY")
	}
	if size > maxText {
		return d, rpcError(400, "MESSAGE_TOO_LONG")
	}
	for _, e := range entities {
		if e.GetOffset() < 0 || e.GetLength() <= 0 || e.GetOffset()+e.GetLength() > size {
			return d, rpcError(400, "ENTITY_BOUNDS_INVALID")
		}
		if in, ok := e.(*tg.InputMessageEntityMentionName); ok {
			u, err := c.inputUser(in.UserID)
			if err != nil {
				return d, rpcError(400, "ENTITY_MENTION_USER_INVALID")
			}
			e = &tg.MessageEntityMentionName{Offset: in.Offset, Length: in.Length, UserID: u.id}
			d.named = append(d.named, u.id)
		}
		d.entities = append(d.entities, e)
	}
	if !c.user.bot {
		return d, nil // only bots have keyboards; others' are dropped without a word
	}
	d.markup = markup
	if inline, ok := markup.(*tg.ReplyInlineMarkup); ok {
		for _, row := range inline.Rows {
			for _, button := range row.Buttons {
				if b, ok := button.(*tg.KeyboardButtonCallback); ok && (len(b.Data) == 0 || len(b.Data) > 64) {
					return d, rpcError(400, "BUTTON_DATA_INVALID")
				}
			}
		}
	}
	return d, nil
}

func (c *call) sendMessage(q *tg.MessagesSendMessageRequest) (bin.Encoder, error) {
	to, err := c.peer(q.Peer)
	if err != nil {
		return nil, err
	}
	if q.ScheduleDate != 0 || q.SendAs != nil || q.QuickReplyShortcut != nil || q.Flags.Has(22) || q.Flags.Has(23) {
		return nil, rpcError(400, "INPUT_METHOD_INVALID_messages.sendMessage: schedule_date, send_as, quick replies, suggested and rich posts are not modelled")
	}
	d, err := c.draft(q.Message, q.Entities, q.ReplyMarkup)
	if err != nil {
		return nil, err
	}
	if err := c.mayWrite(to); err != nil {
		return nil, err
	}
	p := &post{
		from: c.user.id, to: to, date: c.w.now(), text: d.text, entities: d.entities,
		markup: d.markup, named: d.named, silent: q.Silent, copies: map[int64]int{},
	}
	if err := c.answerTo(p, q.ReplyTo); err != nil {
		return nil, err
	}
	if q.RandomID == 0 {
		return nil, rpcError(400, "RANDOM_ID_EMPTY")
	}
	if !c.user.remember(q.RandomID) {
		return nil, rpcError(500, "RANDOM_ID_DUPLICATE")
	}
	if to.kind == kindChannel {
		return c.w.answer(c.w.publish(c.w.channels[to.id], p, c.key, q.RandomID)), nil
	}
	b, e := c.w.deliver(p, c.key)
	if to.kind == kindUser && d.markup == nil && !c.w.cfg.Plain && !c.w.chance(chanceSentFull) {
		return &tg.UpdateShortSentMessage{
			Out: true, ID: e.ids[0], Pts: e.pts, PtsCount: e.count, Date: p.date, Entities: p.entities,
		}, nil
	}
	b.updates = slices.Insert(b.updates, 0, tg.UpdateClass(&tg.UpdateMessageID{ID: e.ids[0], RandomID: q.RandomID}))
	return c.w.answer(b), nil
}

// mayWrite checks that the caller may write to this peer.
func (c *call) mayWrite(to peer) error {
	switch to.kind {
	case kindUser:
		other := c.w.users[to.id]
		if other.deactivated {
			return rpcError(400, "INPUT_USER_DEACTIVATED")
		}
		if c.user.bot && other.bot {
			return rpcError(400, "USER_IS_BOT")
		}
		if c.user.bot && other.dialogs[c.user.peer()] == nil {
			return rpcError(400, "PEER_ID_INVALID") // a bot cannot begin a conversation
		}
	case kindGroup:
		if c.w.groups[to.id].members[c.user.id] == nil {
			return rpcError(403, "CHAT_WRITE_FORBIDDEN")
		}
	case kindChannel:
		ch := c.w.channels[to.id]
		m := ch.members[c.user.id]
		switch {
		case ch.broadcast && (m == nil || !m.admin):
			return rpcError(403, "CHAT_WRITE_FORBIDDEN")
		case m == nil:
			return rpcError(403, "CHAT_GUEST_SEND_FORBIDDEN")
		}
	}
	return nil
}

// answerTo finds the message that a new one answers.
func (c *call) answerTo(p *post, in tg.InputReplyToClass) error {
	if in == nil {
		return nil
	}
	r, ok := in.(*tg.InputReplyToMessage)
	if !ok || r.ReplyToPeerID != nil {
		return rpcError(400, "REPLY_TO_INVALID")
	}
	p.reply = c.find(p.to, r.ReplyToMsgID)
	if p.reply == nil {
		return rpcError(400, "REPLY_MESSAGE_ID_INVALID")
	}
	p.quote = r.QuoteText
	return nil
}

// find returns the message that has this id in a dialog of the caller.
func (c *call) find(dialog peer, id int) *post {
	if dialog.kind == kindChannel {
		return c.w.channels[dialog.id].posts[id]
	}
	if m := c.user.box.messages[id]; m != nil && m.dialog == dialog {
		return m.post
	}
	return nil
}

// deliver gives everybody concerned a copy of a message in a private chat or a basic group,
// the writer first, and pushes it. It returns the writer's own bundle and event. Updates
// without counters may go before it in the same bundles.
func (w *World) deliver(p *post, cause *authKey, before ...tg.UpdateClass) (*bundle, event) {
	sender := w.users[p.from]
	mine := w.put(sender, p, p.to)
	own := w.newLetter(sender, sender.box.messages[mine.ids[0]], mine).lead(before)
	w.sendTo(sender, own, cause)
	for _, id := range w.recipients(p) {
		u := w.users[id]
		dialog := p.to
		if dialog.kind == kindUser {
			dialog = sender.peer()
		}
		e := w.put(u, p, dialog)
		w.sendTo(u, w.newLetter(u, u.box.messages[e.ids[0]], e).lead(before), nil)
	}
	return own, mine
}

func (w *World) recipients(p *post) []int64 {
	if p.to.kind == kindGroup {
		ids := slices.Clone(w.groups[p.to.id].order)
		return slices.DeleteFunc(ids, func(id int64) bool { return id == p.from })
	}
	if p.to.id == p.from {
		return nil
	}
	return []int64{p.to.id}
}

// say writes a private message without a query: a scripted person, or Telegram itself.
func (w *World) say(from, to *user, text string) int {
	p := &post{from: from.id, to: to.peer(), date: w.now(), text: text, copies: map[int64]int{}}
	w.deliver(p, nil)
	return p.copies[to.id]
}

// Say writes a private message in the name of a user who needs no client for it. It returns
// the recipient's message id.
func (w *World) Say(from, to int64, text string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, b := w.users[from], w.users[to]
	if a == nil || b == nil || text == "" {
		return 0, fmt.Errorf("say: both users must exist and the text must not be empty (got %d, %d)", from, to)
	}
	return w.say(a, b, text), nil
}

func (c *call) editMessage(q *tg.MessagesEditMessageRequest) (bin.Encoder, error) {
	in, err := c.peer(q.Peer)
	if err != nil {
		return nil, err
	}
	if q.Media != nil || q.ScheduleDate != 0 {
		return nil, rpcError(400, "INPUT_METHOD_INVALID_messages.editMessage: media and schedule_date are not modelled")
	}
	p := c.find(in, q.ID)
	if p == nil || p.action != nil {
		return nil, rpcError(400, "MESSAGE_ID_INVALID")
	}
	if !c.mayEdit(p) {
		return nil, rpcError(403, "MESSAGE_AUTHOR_REQUIRED")
	}
	if !c.user.bot && c.w.now()-p.date > editTimeLimit {
		return nil, rpcError(400, "MESSAGE_EDIT_TIME_EXPIRED")
	}
	d := draft{text: p.text, entities: p.entities, named: p.named, markup: q.ReplyMarkup}
	if q.Flags.Has(11) {
		if d, err = c.draft(q.Message, q.Entities, q.ReplyMarkup); err != nil {
			return nil, err
		}
	}
	if !c.user.bot {
		d.markup = p.markup
	}
	if d.text == p.text && sameTL(d.entities, p.entities) && sameMarkup(d.markup, p.markup) {
		return nil, rpcError(400, "MESSAGE_NOT_MODIFIED")
	}
	p.text, p.entities, p.named, p.markup = d.text, d.entities, d.named, d.markup
	p.editDate = max(c.w.now(), p.editDate)
	if in.kind == kindChannel {
		return c.w.answer(c.w.editPost(c.w.channels[in.id], p, c.key)), nil
	}
	var own *bundle
	for _, id := range owners(p) {
		u := c.w.users[id]
		m := u.box.messages[p.copies[id]]
		e := c.w.record(u, event{count: 1, kind: KindMessageEdited, ids: []int{m.id}, dialog: m.dialog}, p.from, p.from == id)
		b := c.w.bundle(u, &tg.UpdateEditMessage{Message: c.w.letterOf(u, m), Pts: e.pts, PtsCount: e.count})
		b.refs.post(p, m.dialog)
		if u == c.user {
			own = b
			c.w.sendTo(u, b, c.key)
			continue
		}
		c.w.sendTo(u, b, nil)
	}
	return c.w.answer(own), nil
}

func (c *call) mayEdit(p *post) bool {
	if p.to.kind == kindChannel && p.from == 0 {
		m := c.w.channels[p.to.id].members[c.user.id]
		return m != nil && m.admin
	}
	return p.from == c.user.id
}

// owners returns who has a copy of the message, in order.
func owners(p *post) []int64 { return sortedKeys(p.copies) }

func sameTL[T bin.Encoder](a, b []T) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool { return encoded(x) == encoded(y) })
}

func sameMarkup(a, b tg.ReplyMarkupClass) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return encoded(a) == encoded(b)
}

func encoded(e bin.Encoder) string {
	var b bin.Buffer
	_ = e.Encode(&b) // equal values fail alike
	return string(b.Buf)
}

func (c *call) deleteMessages(q *tg.MessagesDeleteMessagesRequest) (bin.Encoder, error) {
	gone := map[int64][]int{} // ids by owner
	for _, id := range q.ID {
		m := c.user.box.messages[id]
		if m == nil || slices.Contains(gone[c.user.id], id) {
			continue
		}
		gone[c.user.id] = append(gone[c.user.id], id)
		if !q.Revoke && !c.user.bot {
			continue
		}
		if m.dialog.kind == kindGroup && m.post.from != c.user.id && c.w.groups[m.dialog.id].creator != c.user.id {
			return nil, rpcError(403, "MESSAGE_DELETE_FORBIDDEN")
		}
		for _, owner := range owners(m.post) {
			if owner != c.user.id {
				gone[owner] = append(gone[owner], m.post.copies[owner])
			}
		}
	}
	affected := &tg.MessagesAffectedMessages{Pts: c.user.box.pts}
	for _, id := range sortedKeys(gone) {
		u := c.w.users[id]
		e := c.w.erase(u, gone[id], c.user.id)
		var cause *authKey
		if u == c.user {
			affected.Pts, affected.PtsCount = e.pts, e.count
			cause = c.key
		}
		c.w.sendTo(u, c.w.bundle(u, &tg.UpdateDeleteMessages{Messages: e.ids, Pts: e.pts, PtsCount: e.count}), cause)
	}
	return affected, nil
}

// erase removes an account's copies. The change counts as many positions as messages.
func (w *World) erase(u *user, ids []int, by int64) event {
	e := event{count: len(ids), kind: KindMessagesDeleted, ids: ids, dialog: u.box.messages[ids[0]].dialog}
	e = w.record(u, e, by, by == u.id)
	for _, id := range ids {
		m := u.box.messages[id]
		delete(u.box.messages, id)
		delete(m.post.copies, u.id)
		d := w.dialog(u, m.dialog)
		if at, ok := slices.BinarySearch(d.ids, id); ok {
			d.ids = slices.Delete(d.ids, at, at+1)
		}
	}
	return e
}
