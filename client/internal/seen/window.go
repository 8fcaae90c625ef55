package seen

// Window remembers the last events, to know repetitions.
type Window struct {
	known map[key]bool
	ring  []key
	next  int
}

type key struct{ account, id string }

// NewWindow makes a Window that remembers so many events; none when size is not positive.
func NewWindow(size int) *Window {
	return &Window{known: map[key]bool{}, ring: make([]key, max(size, 0))}
}

// Repeated reports whether the event was here before, and remembers it. One without id never was.
func (w *Window) Repeated(account, id string) bool {
	k := key{account, id}
	if id == "" || len(w.ring) == 0 {
		return false
	}
	if w.known[k] {
		return true
	}
	delete(w.known, w.ring[w.next])
	w.known[k], w.ring[w.next] = true, k
	w.next = (w.next + 1) % len(w.ring)
	return false
}
