package model

import "sync"

// The kinds of owed updates.
const (
	KindMessageNew      = "message_new"
	KindMessageEdited   = "message_edited"
	KindMessagesDeleted = "messages_deleted"
	KindPinned          = "messages_pinned"
	KindUnpinned        = "messages_unpinned"
	KindReaction        = "reaction"
	KindReadInbox       = "read_inbox"
	KindReadOutbox      = "read_outbox"
	KindContents        = "contents_read"
	KindParticipant     = "participant_changed"
)

// Entry is one update that Telegram owes one account. An account is owed what happens while
// it has a login on its home DC. A deletion of several messages is one entry for each.
type Entry struct {
	Number    uint64 `json:"number"`  // runs from 1, without holes, over all accounts
	UserID    int64  `json:"user_id"` // recipient
	Box       string `json:"box"`     // "pts", "qts" or "channel:<id>"
	Pts       int    `json:"pts"`     // the box's counter after this update
	Kind      string `json:"kind"`
	ChatType  string `json:"chat_type"` // "user", "chat" or "channel"
	PeerID    int64  `json:"peer_id"`   // the dialog as the recipient sees it, without prefix
	MessageID int    `json:"message_id,omitempty"`
	FromID    int64  `json:"from_id,omitempty"`
	Out       bool   `json:"out,omitempty"` // the recipient's own message or action
	Date      int    `json:"date"`
}

// Ledger numbers all owed updates. It is safe for concurrent use. At its limit it forgets
// the oldest entries.
type Ledger struct {
	mu      sync.Mutex
	limit   int
	last    uint64
	entries []Entry
}

// Entries returns a copy of the entries with a number above since, oldest first.
func (l *Ledger) Entries(since uint64) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.last - uint64(len(l.entries)) // number before the first one that is kept
	if since < first {
		since = first
	}
	if since >= l.last {
		return nil
	}
	return append([]Entry(nil), l.entries[since-first:]...)
}

// Last returns the number of the newest entry; 0 if there is none.
func (l *Ledger) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *Ledger) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Number = l.last
	if l.limit > 0 && len(l.entries) >= 2*l.limit {
		l.entries = append([]Entry(nil), l.entries[len(l.entries)-l.limit:]...)
	}
	l.entries = append(l.entries, e)
}
