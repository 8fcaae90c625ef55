package entropy

import (
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"testing"
)

// source counts what is read of it.
type source struct {
	mu    sync.Mutex
	bytes int
	err   error
}

func (c *source) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.bytes += len(b)
	return rand.Read(b)
}

// TestNothingIsGivenTwice to many readers at once.
func TestNothingIsGivenTwice(t *testing.T) {
	s := &Stretched{Source: &source{}}
	var mu sync.Mutex
	seen := map[[16]byte]bool{{}: true}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				var b [16]byte
				if n, err := s.Read(b[:]); n != len(b) || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
				mu.Lock()
				if seen[b] {
					t.Errorf("%x came again", b)
				}
				seen[b] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// TestSeedsAreRenewed after each stretch, and for a read that is longer.
func TestSeedsAreRenewed(t *testing.T) {
	from := &source{}
	s := &Stretched{Source: from}
	const reads = 4
	for range reads {
		if _, err := s.Read(make([]byte, stretch+1)); err != nil {
			t.Fatal(err)
		}
	}
	if from.bytes != reads*32 {
		t.Errorf("%d bytes were read of the source for %d stretches, want %d", from.bytes, reads, reads*32)
	}
}

func TestErrorsOfTheSourceAreTold(t *testing.T) {
	broken := errors.New("broken")
	from := &source{err: broken}
	s := &Stretched{Source: from}
	if n, err := s.Read(make([]byte, 8)); n != 0 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	from.err = nil
	if n, err := s.Read(make([]byte, 8)); n != 8 || err != nil {
		t.Errorf("after the fault: %d, %v", n, err)
	}
}

func BenchmarkPadding(b *testing.B) {
	for name, from := range map[string]io.Reader{"source": rand.Reader, "stretched": &Stretched{Source: rand.Reader}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var piece [140]byte
			for b.Loop() {
				if _, err := from.Read(piece[:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
