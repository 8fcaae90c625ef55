package files

import (
	"fmt"
	"os"
)

// extent is a piece of content; off is noBytes for one of zeros.
type extent struct {
	off  int64
	size int
}

const noBytes = -1

// arena keeps contents in a temporary file, made when it is first needed. Pieces that are given
// back are used again for others of their size.
type arena struct {
	dir  string
	file *os.File
	end  int64
	free map[int][]int64 // by size
}

func (a *arena) put(data []byte) (extent, error) {
	if zeros(data) {
		return extent{noBytes, len(data)}, nil
	}
	if a.file == nil {
		f, err := os.CreateTemp(a.dir, "simulator-files-")
		if err != nil {
			return extent{}, fmt.Errorf("keep files: %w", err)
		}
		_ = os.Remove(f.Name()) // its name is not needed, its bytes live as long as it is open
		a.file = f
	}
	off := a.end
	if free := a.free[len(data)]; len(free) > 0 {
		off = free[len(free)-1]
		a.free[len(data)] = free[:len(free)-1]
	} else {
		a.end += int64(len(data))
	}
	if _, err := a.file.WriteAt(data, off); err != nil {
		return extent{}, fmt.Errorf("keep a part: %w", err)
	}
	return extent{off, len(data)}, nil
}

func (a *arena) release(e extent) {
	if e.off == noBytes {
		return
	}
	if a.free == nil {
		a.free = map[int][]int64{}
	}
	a.free[e.size] = append(a.free[e.size], e.off)
}

// read fills p from the piece's byte at on.
func (a *arena) read(e extent, at int, p []byte) error {
	if e.off == noBytes {
		clear(p)
		return nil
	}
	if _, err := a.file.ReadAt(p, e.off+int64(at)); err != nil {
		return fmt.Errorf("read a part: %w", err)
	}
	return nil
}

func (a *arena) close() error {
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

func zeros(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// blob is the content of a file: pieces of one size, the last one perhaps shorter.
type blob struct {
	pieces []extent
	size   int64
}

func (a *arena) store(data []byte) (blob, error) {
	b := blob{size: int64(len(data))}
	for len(data) > 0 {
		n := min(len(data), maxPart)
		e, err := a.put(data[:n])
		if err != nil {
			return blob{}, err
		}
		b.pieces = append(b.pieces, e)
		data = data[n:]
	}
	return b, nil
}

// slice reads up to limit bytes from offset on; fewer at the end, none behind it.
func (a *arena) slice(b blob, offset int64, limit int) ([]byte, error) {
	if offset >= b.size {
		return nil, nil
	}
	out := make([]byte, min(int64(limit), b.size-offset))
	step := int64(b.pieces[0].size)
	for done := 0; done < len(out); {
		at := offset + int64(done)
		e := b.pieces[at/step]
		within := int(at % step)
		n := min(len(out)-done, e.size-within)
		if err := a.read(e, within, out[done:done+n]); err != nil {
			return nil, err
		}
		done += n
	}
	return out, nil
}
