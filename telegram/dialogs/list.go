package dialogs

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram"
)

// Dialog is one chat of the list.
type Dialog struct {
	*tg.Dialog
	// Top is its newest message; nil when it has none.
	Top tg.MessageClass
}

// Place is a place in the list: behind the chat whose newest message is this. The zero value is the
// top.
type Place struct {
	// Date and ID are those of the newest message.
	Date, ID int
	// Kind and Chat name the chat.
	Kind telegram.PeerKind
	Chat int64
	// Unpinned says that the pinned chats, which stand first, were passed.
	Unpinned bool
}

// Page is some of the list.
type Page struct {
	Dialogs []Dialog
	// Total is how many chats are in the list, as Telegram counts them.
	Total int
	// Next is the place behind it; nil at the end.
	Next *Place
	// Peers are the users and chats that came with it.
	Peers []telegram.Peer
}

// List reads up to limit chats of a folder, 0 = the main list and 1 = the archive, from a place on.
func List(ctx context.Context, env telegram.Env, folder int, from Place, limit int) (Page, error) {
	var out Page
	w := walker{env: env, folder: folder, place: &from, seen: map[key]bool{}}
	for w.place != nil && len(out.Dialogs) < limit {
		page, err := w.page(ctx, min(pageSize, limit-len(out.Dialogs)))
		if err != nil {
			return Page{}, err
		}
		out.Dialogs, out.Peers = append(out.Dialogs, page.Dialogs...), append(out.Peers, page.Peers...)
		out.Total = page.Total
	}
	out.Next = w.place
	return out, nil
}

// Walk reads the whole list page by page until f returns an error, which it returns. No chat comes
// twice.
func Walk(ctx context.Context, env telegram.Env, folder int, f func(Page) error) error {
	w := walker{env: env, folder: folder, place: &Place{}, seen: map[key]bool{}}
	for w.place != nil {
		page, err := w.page(ctx, pageSize)
		if err != nil {
			return err
		}
		if err := f(page); err != nil {
			return err
		}
	}
	return nil
}

// walker goes through the list.
type walker struct {
	env    telegram.Env
	folder int
	place  *Place // nil at the end
	seen   map[key]bool
	total  int
}

// page reads the next page and moves the place.
func (w *walker) page(ctx context.Context, limit int) (Page, error) {
	req := &tg.MessagesGetDialogsRequest{
		ExcludePinned: w.place.Unpinned, OffsetDate: w.place.Date, OffsetID: w.place.ID, OffsetPeer: w.offset(), Limit: limit,
	}
	if w.folder != 0 {
		req.SetFolderID(w.folder)
	}
	var box tg.MessagesDialogsBox
	if err := telegram.Invoke(ctx, w.env, req, &box); err != nil {
		return Page{}, err
	}
	list, messages, complete, err := w.open(req, box.Dialogs)
	if err != nil {
		return Page{}, err
	}
	page := Page{Total: w.total, Peers: telegram.CollectPeers(box.Dialogs)}
	tops := map[key]tg.MessageClass{}
	for _, m := range messages {
		if chat := chatOf(m); chat != nil {
			if k, err := keyOf(chat, m.GetID()); err == nil {
				tops[k] = m
			}
		}
	}
	next := *w.place
	next.Unpinned = true
	for _, d := range list {
		d, ok := d.(*tg.Dialog)
		if !ok {
			continue // the row of the archive
		}
		k, err := keyOf(d.Peer, d.TopMessage)
		if err != nil {
			continue
		}
		top := tops[k]
		if top != nil && !d.Pinned { // pinned chats stand where their date does not belong
			next = Place{Date: dateOf(top), ID: d.TopMessage, Kind: k.kind, Chat: k.chat, Unpinned: true}
		}
		if chat := (key{k.kind, k.chat, 0}); !w.seen[chat] {
			w.seen[chat] = true
			page.Dialogs = append(page.Dialogs, Dialog{d, top})
		}
	}
	if complete || len(list) == 0 || next == *w.place {
		w.place = nil
	} else {
		w.place = &next
	}
	return page, nil
}

// open unpacks an answer; complete says that nothing follows.
func (w *walker) open(req telegram.Request, answer tg.MessagesDialogsClass) (list []tg.DialogClass, messages []tg.MessageClass, complete bool, err error) {
	switch a := answer.(type) {
	case *tg.MessagesDialogs:
		w.total = max(w.total, len(a.Dialogs))
		return a.Dialogs, a.Messages, true, nil
	case *tg.MessagesDialogsSlice:
		if !w.place.Unpinned || w.total == 0 {
			w.total = a.Count
		}
		return a.Dialogs, a.Messages, false, nil
	}
	return nil, nil, false, telegram.Unexpected(req, answer)
}

// offset is the place's chat as an argument.
func (w *walker) offset() tg.InputPeerClass {
	if w.place.Chat == 0 {
		return &tg.InputPeerEmpty{}
	}
	p, ok := w.env.Peers().Get(w.place.Kind, w.place.Chat)
	if !ok && w.place.Kind == telegram.PeerChat {
		p = telegram.Peer{Kind: w.place.Kind, ID: w.place.Chat}
	}
	in, err := p.Input()
	if err != nil {
		return &tg.InputPeerEmpty{} // date and id lead there, too
	}
	return in
}
