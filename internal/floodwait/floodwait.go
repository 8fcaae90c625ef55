// Package floodwait keeps what Telegram has asked an account to wait for: until when a method
// must not be called, or a method in one chat.
//
// # Usage
//
//	ask, ok := floodwait.Of(420, "FLOOD_WAIT", 30)
//	list.Set(sessionstore.Wait{Method: "messages.sendMessage", Reason: ask.Reason, Until: now.Add(ask.For)})
//	wait, ok := list.Find(now, "messages.sendMessage", func() string { return tlcall.PeerOf(body) })
//
// # Concurrency
//
// A List has one user at a time.
package floodwait

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/telefleet/orchestrator/sessionstore"
)

const (
	// Min and Max bound what a server can ask for, as in TDLib: its number is not trusted blindly.
	Min, Max = time.Second, 14 * 24 * time.Hour
	// Durable: shorter waits are over before another process could know of them.
	Durable = 5 * time.Second
	// limit bounds a list; beyond it the wait that ends first is forgotten.
	limit = sessionstore.MaxWaits
)

// Ask is what an error of Telegram asks for.
type Ask struct {
	Reason string // FLOOD_WAIT and the like, without the number
	For    time.Duration
	// OfPeer says that other chats are not concerned.
	OfPeer bool
}

// Of reads an RPC error that is split into name and number. Without a number it asks for nothing,
// FLOOD_SKIP_FAILED_WAIT excepted, which means a second.
func Of(code int, name string, number int) (Ask, bool) {
	const skipFailed, slowMode = "FLOOD_SKIP_FAILED_WAIT", "SLOWMODE_WAIT"
	wait := time.Duration(min(max(0, number), int(Max/time.Second))) * time.Second
	switch {
	case code != 420:
		return Ask{}, false
	case name == skipFailed:
		return Ask{Reason: name, For: Min}, true
	case number <= 0 || !strings.HasSuffix(name, "_WAIT") && !strings.HasSuffix(name, "_DELAY"):
		return Ask{}, false
	}
	return Ask{Reason: name, For: max(wait, Min), OfPeer: name == slowMode}, true
}

// List is the waits of one account. The zero value is empty.
type List struct{ waits []sessionstore.Wait }

// Load replaces the list by what was kept.
func (l *List) Load(kept []sessionstore.Wait) { l.waits = slices.Clone(kept) }

// Empty reports whether nobody has to wait.
func (l *List) Empty() bool { return len(l.waits) == 0 }

// Set adds a wait; it takes the place of one for the same method and chat.
func (l *List) Set(w sessionstore.Wait) {
	same := func(o sessionstore.Wait) bool { return o.Method == w.Method && o.Peer == w.Peer }
	if at := slices.IndexFunc(l.waits, same); at >= 0 {
		l.waits[at] = w
		return
	}
	if l.waits = append(l.waits, w); len(l.waits) > limit {
		soonest := slices.MinFunc(l.waits, byEnd)
		l.waits = slices.DeleteFunc(l.waits, func(o sessionstore.Wait) bool { return o == soonest })
	}
}

// Find returns the wait that a call meets now. The chat is asked for only where it matters.
func (l *List) Find(now time.Time, method string, peer func() string) (sessionstore.Wait, bool) {
	if l.forget(now); len(l.waits) == 0 {
		return sessionstore.Wait{}, false
	}
	var found sessionstore.Wait
	ok, known, chat := false, false, ""
	for _, w := range l.waits {
		if w.Method != method {
			continue
		}
		if w.Peer != "" && !known {
			known, chat = true, peer()
		}
		if (w.Peer == "" || w.Peer == chat) && (!ok || w.Until.After(found.Until)) {
			found, ok = w, true
		}
	}
	return found, ok
}

// Last returns the wait that ends last.
func (l *List) Last(now time.Time) (sessionstore.Wait, bool) {
	if l.forget(now); len(l.waits) == 0 {
		return sessionstore.Wait{}, false
	}
	return slices.MaxFunc(l.waits, byEnd), true
}

// Kept lists what is worth storing, in a fixed order.
func (l *List) Kept(now time.Time) []sessionstore.Wait {
	var kept []sessionstore.Wait
	for _, w := range l.waits {
		if w.Until.Sub(now) >= Durable {
			kept = append(kept, w)
		}
	}
	slices.SortFunc(kept, byEnd)
	return kept
}

func (l *List) forget(now time.Time) {
	l.waits = slices.DeleteFunc(l.waits, func(w sessionstore.Wait) bool { return !w.Until.After(now) })
	if len(l.waits) == 0 {
		l.waits = nil
	}
}

func byEnd(a, b sessionstore.Wait) int {
	return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Peer, b.Peer))
}
