package telegram

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// How many recent messages are searched for one that was sent already: those of one call where
// nobody knows when it was sent first, else all since then, as long as they are not too many.
const (
	duplicateSearch      = 50
	duplicateSearchSince = 1000
)

// clockSkew is how far this machine's clock and Telegram's are believed to be apart at most.
// Where it is more, a message is not found, but no other one is taken for it.
const clockSkew = time.Minute

// findSent finds the message of a repeated command, which the server has sent before: the only own
// message with this text among the latest, or among those that wait for its date. Of several, nobody can
// tell which one it is.
func findSent(ctx context.Context, env Env, to Peer, req *tg.MessagesSendMessageRequest, since time.Time) (*tg.Message, error) {
	own, err := ownMessages(ctx, env, to, req.ScheduleDate, since)
	if err != nil {
		return nil, err
	}
	var found *tg.Message
	for _, m := range own {
		if !sameText(m.Message, req.Message) {
			continue
		}
		if found != nil {
			return nil, messageUnknown("several of the latest messages have its text")
		}
		found = m
	}
	if found == nil {
		return nil, messageUnknown("the latest ones do not tell")
	}
	return found, nil
}

// sameText compares texts as Telegram keeps them.
func sameText(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

// sentSince reads the account's own messages of a chat since this time, or the latest ones where it is
// not known, newest first. Where there are too many, nothing can be told from them.
func sentSince(ctx context.Context, env Env, to Peer, since time.Time) ([]*tg.Message, error) {
	oldest, limit, page := 0, duplicateSearch, duplicateSearch
	if !since.IsZero() {
		oldest, limit, page = int(since.Add(-clockSkew).Unix()), duplicateSearchSince, historyPage
	}
	var own []*tg.Message
	offset := 0
	for searched := 0; searched < limit; {
		h, err := GetHistory(ctx, env, to, HistoryOptions{Limit: page, OffsetID: offset})
		if err != nil {
			if refusedForGood(err) { // bots, for example, may not read the history
				return nil, messageUnknown("the chat cannot be searched: %w", err)
			}
			return nil, err
		}
		for _, m := range h.Messages {
			offset = m.GetID()
			m, ok := m.(*tg.Message)
			if ok && m.Date < oldest {
				return own, nil
			}
			if ok && m.Out {
				own = append(own, m)
			}
		}
		searched += len(h.Messages)
		if len(h.Messages) < page {
			return own, nil
		}
	}
	if !since.IsZero() {
		return nil, messageUnknown("the latest %d do not tell", limit)
	}
	return own, nil
}

func messageUnknown(format string, args ...any) error {
	e := *ErrMessageUnknown
	return fleet.Errorf(e.Code, e.Reason, "message: was sent; which one it is, is not known: "+format, args...).WithRemedy(e.Remedy)
}

// refusedForGood tells answers of the server that another try will not change.
func refusedForGood(err error) bool {
	var own *fleet.Error
	if !errors.As(err, &own) {
		return false
	}
	switch own.Code {
	case fleet.CodeInvalidArgument, fleet.CodePermissionDenied, fleet.CodeNotFound:
		return true
	}
	return false
}

// findAlbum finds the messages of a repeated album, which the server has sent before: the only own album
// that looks like it. Where several do, it is the only one of the very same files.
func findAlbum(ctx context.Context, env Env, to Peer, req *tg.MessagesSendMultiMediaRequest, since time.Time) ([]*tg.Message, error) {
	own, err := ownMessages(ctx, env, to, req.ScheduleDate, since)
	if err != nil {
		return nil, err
	}
	var alike, same [][]*tg.Message
	for _, album := range albumsOf(own) {
		if likeAlbum(album, req.MultiMedia, looksLike) {
			alike = append(alike, album)
		}
		if likeAlbum(album, req.MultiMedia, isFile) {
			same = append(same, album)
		}
	}
	switch {
	case len(same) == 1:
		return same[0], nil
	case len(alike) == 1:
		return alike[0], nil
	case len(alike) == 0:
		return nil, messageUnknown("no album of the latest messages looks like it")
	}
	return nil, messageUnknown("several albums of the latest messages look like it")
}

// ownMessages are those that a repeated command may have sent: since this time, or among those that wait for
// this date.
func ownMessages(ctx context.Context, env Env, to Peer, date int, since time.Time) ([]*tg.Message, error) {
	if date == 0 {
		return sentSince(ctx, env, to, since)
	}
	waiting, _, err := GetScheduled(ctx, env, to)
	if err != nil {
		return nil, err
	}
	var own []*tg.Message
	for _, m := range waiting {
		if m, ok := m.(*tg.Message); ok && m.Date == date {
			own = append(own, m)
		}
	}
	return own, nil
}

// albumsOf are the albums among messages, each in the order of its items.
func albumsOf(messages []*tg.Message) [][]*tg.Message {
	byID := map[int64][]*tg.Message{}
	for _, m := range messages {
		if m.GroupedID != 0 {
			byID[m.GroupedID] = append(byID[m.GroupedID], m)
		}
	}
	albums := slices.Collect(maps.Values(byID))
	for _, album := range albums {
		slices.SortFunc(album, func(a, b *tg.Message) int { return cmp.Compare(a.ID, b.ID) })
	}
	return albums
}

func likeAlbum(album []*tg.Message, items []tg.InputSingleMedia, like func(tg.MessageMediaClass, tg.InputMediaClass) bool) bool {
	if len(album) != len(items) {
		return false
	}
	for i, m := range album {
		if !sameText(m.Message, items[i].Message) || !like(m.Media, items[i].Media) {
			return false
		}
	}
	return true
}

// looksLike tells whether a message's file is of the kind that was sent. A file that is made of its parts
// again has another id.
func looksLike(has tg.MessageMediaClass, sent tg.InputMediaClass) bool {
	switch sent.(type) {
	case *tg.InputMediaPhoto:
		_, photo := has.(*tg.MessageMediaPhoto)
		return photo
	case *tg.InputMediaDocument:
		_, document := has.(*tg.MessageMediaDocument)
		return document
	}
	return false
}

// isFile tells whether a message has the very file that was sent.
func isFile(has tg.MessageMediaClass, sent tg.InputMediaClass) bool {
	switch sent := sent.(type) {
	case *tg.InputMediaPhoto:
		has, ok := has.(*tg.MessageMediaPhoto)
		id, known := sent.ID.(*tg.InputPhoto)
		return ok && known && has.Photo != nil && has.Photo.GetID() == id.ID
	case *tg.InputMediaDocument:
		has, ok := has.(*tg.MessageMediaDocument)
		id, known := sent.ID.(*tg.InputDocument)
		return ok && known && has.Document != nil && has.Document.GetID() == id.ID
	}
	return false
}
