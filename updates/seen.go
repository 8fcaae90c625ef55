package updates

// seen remembers the last event ids, as hashes in a ring that grows on demand. The positions
// keep out nearly all repeats; the ring is for the few that they cannot: records appended
// before a crash whose positions were not, and what came before a box was known.
//
// A longer ring has marks, so that it is searched only for what may be in it: two generations of
// bits (Bloom filters), each of as many ids as the ring takes.
type seen struct {
	ring  []uint64
	next  int
	max   int
	marks *marks // nil for a short ring
}

// marks are the bits of two generations of ids, the younger one first.
type marks struct {
	of    [2][]uint64
	noted int // ids in the younger one
}

const (
	unmarked  = 64 // a shorter ring is searched at once
	bitsAnID  = 8
	wordBits  = 64
	secondBit = 32 // where in the hash the second bit's number begins
)

// hashID is FNV-1a, 64 bits.
func hashID(id string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * prime
	}
	return h
}

func (s *seen) has(h uint64) bool {
	if m := s.marks; m != nil && !marked(m.of[0], h) && !marked(m.of[1], h) {
		return false
	}
	for _, v := range s.ring {
		if v == h {
			return true
		}
	}
	return false
}

func (s *seen) add(h uint64) {
	s.note(h)
	if len(s.ring) < s.max {
		s.ring = append(s.ring, h)
		return
	}
	s.ring[s.next] = h
	s.next = (s.next + 1) % len(s.ring)
}

// note marks an id that is about to enter the ring.
func (s *seen) note(h uint64) {
	if s.marks == nil {
		if len(s.ring) < unmarked {
			return
		}
		words := (s.max*bitsAnID + wordBits - 1) / wordBits
		s.marks = &marks{of: [2][]uint64{make([]uint64, words), make([]uint64, words)}, noted: len(s.ring)}
		for _, old := range s.ring {
			mark(s.marks.of[0], old)
		}
	}
	m := s.marks
	if m.noted >= s.max {
		m.of[0], m.of[1], m.noted = m.of[1], m.of[0], 0
		clear(m.of[0])
	}
	mark(m.of[0], h)
	m.noted++
}

func mark(bits []uint64, h uint64) {
	n := uint64(len(bits)) * wordBits
	for _, v := range [2]uint64{h % n, h >> secondBit % n} {
		bits[v/wordBits] |= 1 << (v % wordBits)
	}
}

func marked(bits []uint64, h uint64) bool {
	n := uint64(len(bits)) * wordBits
	a, b := h%n, h>>secondBit%n
	return bits[a/wordBits]&(1<<(a%wordBits)) != 0 && bits[b/wordBits]&(1<<(b%wordBits)) != 0
}
