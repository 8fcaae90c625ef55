package model

import (
	"fmt"
	"slices"

	"github.com/gotd/td/tg"
)

// Revoke ends all logins of a user, as another device of the user can.
func (w *World) Revoke(userID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.Users[userID]; u != nil {
		w.EndLogins(u, nil)
	}
}

// Say writes a private message in the name of a user who needs no client for it. It returns
// the recipient's message id.
func (w *World) Say(from, to int64, text string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, b := w.Users[from], w.Users[to]
	if a == nil || b == nil || text == "" {
		return 0, fmt.Errorf("say: both users must exist and the text must not be empty (got %d, %d)", from, to)
	}
	return w.Tell(a, b, text), nil
}

// Gather makes a supergroup of these users, the first of whom creates it, without a query: for
// scripted people. It returns the channel's id.
func (w *World) Gather(title string, users ...int64) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range users {
		if w.Users[id] == nil {
			return 0, fmt.Errorf("gather: users: must exist (got %d)", id)
		}
	}
	if title == "" || len(users) == 0 {
		return 0, fmt.Errorf("gather: title and users: must not be empty (got %q and %d users)", title, len(users))
	}
	ch := w.NewChannel(w.Users[users[0]], title, false)
	for _, id := range slices.Compact(slices.Sorted(slices.Values(users))) {
		if ch.Members[id] == nil {
			w.Enter(ch, w.Users[id], users[0])
		}
	}
	w.Publish(ch, &Post{From: users[0], To: ch.Peer(), Date: ch.Date, Action: &tg.MessageActionChannelCreate{Title: title}}, w.Users[users[0]], nil)
	return ch.ID, nil
}

// Post writes into a channel in the name of a member who needs no client for it. It returns the
// message's id.
func (w *World) Post(from, channelID int64, text string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.Channels[channelID]
	if ch == nil || ch.Members[from] == nil || text == "" {
		return 0, fmt.Errorf("post: channel and member must exist and the text must not be empty (got %d, %d)", channelID, from)
	}
	p := &Post{From: from, To: ch.Peer(), Date: w.Now(), Text: text}
	w.Publish(ch, p, w.Users[from], nil)
	return p.ID, nil
}

// Deactivate bans a user: each further query is answered by USER_DEACTIVATED_BAN.
func (w *World) Deactivate(userID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.Users[userID]; u != nil {
		u.Deactivated = true
	}
}
