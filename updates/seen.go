package updates

import "hash/fnv"

// seen remembers the last event ids, as hashes in a ring that grows on demand. The positions
// keep out nearly all repeats; the ring is for the few that they cannot: records appended
// before a crash whose positions were not, and what came before a box was known.
type seen struct {
	ring []uint64
	next int
	max  int
}

func hashID(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	return h.Sum64()
}

func (s *seen) has(id string) bool {
	h := hashID(id)
	for _, v := range s.ring {
		if v == h {
			return true
		}
	}
	return false
}

func (s *seen) add(id string) {
	h := hashID(id)
	if len(s.ring) < s.max {
		s.ring = append(s.ring, h)
		return
	}
	s.ring[s.next] = h
	s.next = (s.next + 1) % len(s.ring)
}
