package telegram

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// How many recent messages are searched for one that was sent already: those of one call where
// nobody knows when it was sent, else all since then, as long as they are not too many.
const (
	duplicateSearch      = 50
	duplicateSearchSince = 1000
)

// clockSkew is how far this machine's clock and Telegram's are believed to be apart at most.
// Where it is more, a message is not found, but no other one is taken for it.
const clockSkew = time.Minute

// findSent finds the message of a repeated command, which the server has sent before: the only
// own message with this text among the latest. Of several, nobody can tell which one it is.
func findSent(ctx context.Context, env Env, to Peer, req *tg.MessagesSendMessageRequest, since time.Time) (*tg.Message, error) {
	if req.ScheduleDate != 0 {
		return findScheduled(ctx, env, to, req)
	}
	oldest, limit, page := 0, duplicateSearch, duplicateSearch
	if !since.IsZero() {
		oldest, limit, page = int(since.Add(-clockSkew).Unix()), duplicateSearchSince, historyPage
	}
	var found *tg.Message
	offset, searched, complete := 0, 0, since.IsZero()
	for searched < limit {
		h, err := GetHistory(ctx, env, to, HistoryOptions{Limit: page, OffsetID: offset})
		if err != nil {
			if refusedForGood(err) { // bots, for example, may not read the history
				return nil, messageUnknown("the chat cannot be searched: %w", err)
			}
			return nil, err
		}
		older := false
		for _, m := range h.Messages {
			offset = m.GetID()
			m, ok := m.(*tg.Message)
			older = older || ok && m.Date < oldest
			if !ok || !m.Out || m.Date < oldest || strings.TrimSpace(m.Message) != strings.TrimSpace(req.Message) {
				continue
			}
			if found != nil {
				return nil, messageUnknown("several of the latest messages have its text")
			}
			found = m
		}
		searched += len(h.Messages)
		if older || len(h.Messages) < page {
			complete = true
			break
		}
	}
	if found == nil || !complete {
		return nil, messageUnknown("the latest %d do not tell", searched)
	}
	return found, nil
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

// findScheduled finds the message of a repeated command among those that wait: the only one with its text
// and date.
func findScheduled(ctx context.Context, env Env, to Peer, req *tg.MessagesSendMessageRequest) (*tg.Message, error) {
	waiting, _, err := GetScheduled(ctx, env, to)
	if err != nil {
		return nil, err
	}
	var found *tg.Message
	for _, m := range waiting {
		m, ok := m.(*tg.Message)
		if !ok || m.Date != req.ScheduleDate || strings.TrimSpace(m.Message) != strings.TrimSpace(req.Message) {
			continue
		}
		if found != nil {
			return nil, messageUnknown("several scheduled messages have its text and date")
		}
		found = m
	}
	if found == nil {
		return nil, messageUnknown("no scheduled message has its text and date")
	}
	return found, nil
}
