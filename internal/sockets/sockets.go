// Package sockets keeps the open sockets of a process, so that losing ownership can close all
// of them at once and directly, not through mailboxes.
//
// # Concurrency
//
// A Set may be used by any goroutine.
package sockets

import "sync"

// Aborter is a socket that can be closed without sending what is queued.
type Aborter interface{ Abort() error }

// Set is a set of open sockets. The zero Set is ready.
type Set struct {
	mu   sync.Mutex
	open map[Aborter]struct{}
}

// Add puts a socket into the set.
func (s *Set) Add(a Aborter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[Aborter]struct{}{}
	}
	s.open[a] = struct{}{}
}

// Remove takes a socket out; one that is not in the set is ignored.
func (s *Set) Remove(a Aborter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, a)
}

// AbortAll closes every socket of the set and returns their number. They stay in the set until
// their owners remove them.
func (s *Set) AbortAll() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.open {
		_ = a.Abort() // an error here means that it is closed already
	}
	return len(s.open)
}

// Len is the number of open sockets.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
