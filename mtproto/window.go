package mtproto

import "slices"

// window remembers the last incoming message ids. Ids at or below floor were forgotten and
// count as too old.
type window struct {
	ids   []int64 // ascending
	floor int64
	quiet int // ids added since the last trim
}

type freshness uint8

const (
	fresh freshness = iota
	duplicate
	tooOld
)

func (w *window) check(id int64) freshness {
	if id <= w.floor {
		return tooOld
	}
	if n := len(w.ids); n == 0 || id > w.ids[n-1] {
		return fresh
	}
	if _, found := slices.BinarySearch(w.ids, id); found {
		return duplicate
	}
	return fresh
}

// add remembers a fresh id. When the window is full the lowest quarter is forgotten.
func (w *window) add(id int64) {
	w.quiet++
	if len(w.ids) >= windowSize {
		if w.forget(windowSize / 4); id <= w.floor {
			return // forgotten at once
		}
	}
	at := len(w.ids)
	if at > 0 && id < w.ids[at-1] {
		at, _ = slices.BinarySearch(w.ids, id)
	}
	w.ids = slices.Insert(w.ids, at, id)
}

func (w *window) forget(n int) {
	w.floor = w.ids[n-1]
	w.ids = w.ids[:copy(w.ids, w.ids[n:])]
}

// trim shrinks the window after a quiet time: repetitions come soon after a reconnect, and
// only of what was sent last.
func (w *window) trim() {
	const chatter = 4 // pongs and the like
	if w.quiet <= chatter && len(w.ids) > windowQuiet {
		w.forget(len(w.ids) - windowQuiet)
		w.ids = slices.Clone(w.ids)
	}
	w.quiet = 0
}

// recentIDs are the last packets that we sent, by the id that the server would complain of.
type recentIDs struct {
	ids  [16]int64
	next uint8
}

func (r *recentIDs) add(id int64) {
	r.ids[r.next%uint8(len(r.ids))] = id
	r.next++
}

func (r *recentIDs) has(id int64) bool { return id != 0 && slices.Contains(r.ids[:], id) }
