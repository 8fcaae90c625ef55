package model

import (
	"fmt"
	"slices"

	"github.com/gotd/td/tg"
)

// Gather makes a supergroup of these users, the first of whom creates it, without a query: for
// scripted people. It returns the channel's id.
func (w *World) Gather(title string, users ...int64) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range users {
		if w.users[id] == nil {
			return 0, fmt.Errorf("gather: users: must exist (got %d)", id)
		}
	}
	if title == "" || len(users) == 0 {
		return 0, fmt.Errorf("gather: title and users: must not be empty (got %q and %d users)", title, len(users))
	}
	w.lastChannel += 1 + w.rng.Int64N(1000)
	ch := &channel{
		id: w.lastChannel, creator: users[0], title: title, date: w.now(), pts: 1,
		members: map[int64]*member{}, posts: map[int]*post{}, readOut: map[int64]int{},
	}
	w.channels[ch.id] = ch
	for _, id := range slices.Compact(slices.Sorted(slices.Values(users))) {
		w.enter(ch, w.users[id], users[0])
	}
	ch.members[users[0]].admin = true
	w.publish(ch, &post{from: users[0], to: ch.peer(), date: ch.date, action: &tg.MessageActionChannelCreate{Title: title}}, nil, 0)
	return ch.id, nil
}

// Post writes into a channel in the name of a member who needs no client for it. It returns the
// message's id.
func (w *World) Post(from, channelID int64, text string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.channels[channelID]
	if ch == nil || ch.members[from] == nil || text == "" {
		return 0, fmt.Errorf("post: channel and member must exist and the text must not be empty (got %d, %d)", channelID, from)
	}
	p := &post{from: from, to: ch.peer(), date: w.now(), text: text}
	w.publish(ch, p, nil, 0)
	return p.id, nil
}
