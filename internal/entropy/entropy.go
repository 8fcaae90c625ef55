// Package entropy stretches randomness: every packet takes some hundred bytes for its padding, and the
// kernel takes longer to make them than the packet takes to be encrypted.
//
// # Usage
//
//	random := &entropy.Stretched{Source: rand.Reader}
//
// It is for what is sent openly or need only be unforeseeable: padding, session ids, ping ids. Keys are
// made of the source itself.
//
// # Concurrency
//
// Stretched is safe for concurrent use if its source is.
//
// # Errors
//
// Those of the source.
package entropy

import (
	"io"
	"math/rand/v2"
	"sync"
)

// stretch is how many bytes are made of a seed of 32.
const stretch = 1 << 20

// Stretched gives the output of generators (ChaCha8, cryptographically strong) that are seeded by a
// source, again after each MiB.
type Stretched struct {
	Source     io.Reader
	generators sync.Pool // of *generator
}

type generator struct {
	*rand.ChaCha8
	left int
}

// Read fills b, or returns the error of the source.
func (s *Stretched) Read(b []byte) (int, error) {
	g, ok := s.generators.Get().(*generator)
	if !ok || g.left < len(b) {
		var seed [32]byte
		if _, err := io.ReadFull(s.Source, seed[:]); err != nil {
			return 0, err
		}
		g = &generator{rand.NewChaCha8(seed), max(stretch, len(b))}
	}
	g.left -= len(b)
	_, _ = g.ChaCha8.Read(b) // it never fails
	s.generators.Put(g)
	return len(b), nil
}
