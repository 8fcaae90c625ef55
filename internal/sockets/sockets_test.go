package sockets

import "testing"

type socket struct{ aborted int }

func (s *socket) Abort() error { s.aborted++; return nil }

func TestAbortAllReachesEveryOpenSocketAndNoOther(t *testing.T) {
	var set Set
	a, b, removed := &socket{}, &socket{}, &socket{}
	set.Add(a)
	set.Add(b)
	set.Add(removed)
	set.Remove(removed)
	if n := set.AbortAll(); n != 2 || set.Len() != 2 {
		t.Errorf("AbortAll = %d with %d open, want 2", n, set.Len())
	}
	if a.aborted != 1 || b.aborted != 1 || removed.aborted != 0 {
		t.Errorf("aborted %d, %d, %d; want 1, 1, 0", a.aborted, b.aborted, removed.aborted)
	}
}
