// Package seen remembers what an iterator has told its caller, so that a stream that is opened again
// tells nothing twice.
//
// # Usage
//
//	known := seen.NewMirror(id, tell)   // of a watch: tells differences only
//	repeated := seen.NewWindow(size).Repeated(account, id)   // of events
//
// # Concurrency
//
// A value belongs to one goroutine.
//
// # Errors
//
// Nothing fails.
package seen

import "google.golang.org/protobuf/proto"

// Kind is what happened to a watched resource.
type Kind uint8

// The kinds of changes; package client says what they mean.
const (
	Added Kind = iota + 1
	Modified
	Deleted
	Synced
)

// String names the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Added:
		return "added"
	case Modified:
		return "modified"
	case Deleted:
		return "deleted"
	case Synced:
		return "synced"
	}
	return "unknown"
}

// Mirror is what a watcher was told, so that a watch that begins anew tells only differences.
type Mirror[T proto.Message] struct {
	id   func(T) string
	tell func(Kind, T) bool

	known  map[string]T
	fresh  map[string]bool // told since Restart; nil outside the first part of a watch
	synced bool
}

// NewMirror makes an empty Mirror. tell is told of each change and says whether it wants more.
func NewMirror[T proto.Message](id func(T) string, tell func(Kind, T) bool) *Mirror[T] {
	return &Mirror[T]{id: id, tell: tell, known: map[string]T{}}
}

// Restart begins the first part of a watch: all that exists is told.
func (m *Mirror[T]) Restart() { m.fresh = map[string]bool{} }

// Put takes a resource that exists.
func (m *Mirror[T]) Put(resource T) bool {
	id := m.id(resource)
	if m.fresh != nil {
		m.fresh[id] = true
	}
	kind := Added
	if before, ok := m.known[id]; ok {
		if proto.Equal(before, resource) {
			return true
		}
		kind = Modified
	}
	m.known[id] = resource
	return m.tell(kind, resource)
}

// Drop takes a resource that is gone.
func (m *Mirror[T]) Drop(resource T) bool {
	id := m.id(resource)
	delete(m.fresh, id)
	if _, ok := m.known[id]; !ok {
		return true
	}
	delete(m.known, id)
	return m.tell(Deleted, resource)
}

// Sync ends the first part: what was known and not told is gone.
func (m *Mirror[T]) Sync() bool {
	if m.fresh != nil {
		for id, resource := range m.known {
			if !m.fresh[id] && !m.Drop(resource) {
				return false
			}
		}
		m.fresh = nil
	}
	if m.synced {
		return true
	}
	m.synced = true
	var none T
	return m.tell(Synced, none)
}
