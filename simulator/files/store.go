package files

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// Config says how a Store behaves. Now and Rand are needed.
type Config struct {
	Dir  string           // for the temporary file; empty = the system's
	Now  func() time.Time // for lives and dates
	Rand func() int64     // of ids, hashes and tokens

	UploadLife    time.Duration // of parts that nobody uses. Default 1 h
	ReferenceLife time.Duration // of a file reference. Default 1 h
	// CDN is the DC to which large files are redirected; nil or 0 = none. CDNFrom is from which
	// size on in bytes. Default 1 MiB.
	CDN     func() int
	CDNFrom int64
}

// Who makes a call: a user (0 before a login) on a DC.
type Who struct {
	User    int64
	DC      int
	Premium bool
}

// Store keeps files.
type Store struct {
	cfg     Config
	arena   arena
	uploads map[uploadKey]*upload
	files   map[int64]*File
	profile map[int64][]*File // by user, newest first
	tokens  map[string]*cdnFile
	epoch   uint32 // of file references
	secret  []byte
	tamper  bool
}

// New makes an empty Store.
func New(cfg Config) *Store {
	setDefault(&cfg.UploadLife, time.Hour)
	setDefault(&cfg.ReferenceLife, time.Hour)
	setDefault(&cfg.CDNFrom, 1<<20)
	if cfg.CDN == nil {
		cfg.CDN = func() int { return 0 }
	}
	s := &Store{
		cfg: cfg, arena: arena{dir: cfg.Dir}, uploads: map[uploadKey]*upload{}, files: map[int64]*File{},
		profile: map[int64][]*File{}, tokens: map[string]*cdnFile{},
	}
	s.secret = s.random(16)
	return s
}

func setDefault[T ~int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Close gives the disk back.
func (s *Store) Close() error { return s.arena.close() }

// File is a photo or document.
type File struct {
	ID   int64
	DC   int // where it lies
	Mime string
	// Attributes are those of a document.
	Attributes []tg.DocumentAttributeClass
	// Sizes are those of a photo, smallest first; nil for documents.
	Sizes []Size
	Date  int

	hash int64
	blob blob // of a document
}

// Size is one size of a photo.
type Size struct {
	Type string // "m", "x", …
	W, H int
	blob blob
}

// Bytes is how long the content is: of a photo, its largest size.
func (f *File) Bytes() int64 { return f.content("").size }

func (f *File) photo() bool { return f.Sizes != nil }

// content is the blob of a thumbnail or size; the whole file without one.
func (f *File) content(size string) blob {
	if !f.photo() {
		return f.blob
	}
	for _, s := range f.Sizes {
		if s.Type == size {
			return s.blob
		}
	}
	return f.Sizes[len(f.Sizes)-1].blob
}

func (f *File) hasSize(size string) bool {
	if !f.photo() {
		return size == ""
	}
	for _, s := range f.Sizes {
		if s.Type == size {
			return true
		}
	}
	return false
}

func (s *Store) add(f *File) *File {
	f.ID, f.hash = s.cfg.Rand()&(1<<62-1)|1, s.cfg.Rand()|1
	f.Date = int(s.cfg.Now().Unix())
	s.files[f.ID] = f
	return f
}

// Find returns a file by its id; nil for none.
func (s *Store) Find(id int64) *File { return s.files[id] }

// Content reads a whole file, for tests.
func (s *Store) Content(id int64) ([]byte, error) {
	f := s.files[id]
	if f == nil {
		return nil, fmt.Errorf("no file %d", id)
	}
	b := f.content("")
	return s.arena.slice(b, 0, int(b.size))
}

// Uploads is how many uploads hold parts, for tests.
func (s *Store) Uploads() int { return len(s.uploads) }

// ExpireReferences makes every file reference given so far expired.
func (s *Store) ExpireReferences() { s.epoch++ }

// Anybody as a viewer makes a file reference that is good for all.
const Anybody = 0

const referenceSize = 1 + 4 + 8 + 8

// reference makes a file reference for one viewer.
func (s *Store) reference(f *File, viewer int64) []byte {
	ref := make([]byte, 0, referenceSize)
	ref = append(ref, 1)
	ref = binary.BigEndian.AppendUint32(ref, s.epoch)
	ref = binary.BigEndian.AppendUint64(ref, uint64(s.cfg.Now().Add(s.cfg.ReferenceLife).Unix()))
	return append(ref, s.sign(f, viewer, ref)...)
}

func (s *Store) sign(f *File, viewer int64, head []byte) []byte {
	mac := hmac.New(sha256.New, s.secret)
	_ = binary.Write(mac, binary.BigEndian, []int64{f.ID, viewer})
	mac.Write(head)
	return mac.Sum(nil)[:8]
}

func (s *Store) checkReference(f *File, viewer int64, ref []byte) error {
	const signed = referenceSize - 8
	switch {
	case len(ref) == 0:
		return refuse("FILE_REFERENCE_EMPTY")
	case len(ref) != referenceSize || !hmac.Equal(ref[signed:], s.sign(f, viewer, ref[:signed])) && !hmac.Equal(ref[signed:], s.sign(f, Anybody, ref[:signed])):
		return refuse("FILE_REFERENCE_INVALID")
	case binary.BigEndian.Uint32(ref[1:]) != s.epoch, s.cfg.Now().Unix() >= int64(binary.BigEndian.Uint64(ref[5:])):
		return refuse("FILE_REFERENCE_EXPIRED")
	}
	return nil
}

// known finds a file that a caller names.
func (s *Store) known(who Who, id, hash int64, ref []byte, photo bool) (*File, error) {
	f := s.files[id]
	if f == nil || f.hash != hash || f.photo() != photo {
		return nil, refuse("FILE_ID_INVALID")
	}
	return f, s.checkReference(f, who.User, ref)
}

func refuse(name string) error { return tgerr.New(400, name) }

func (s *Store) random(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.BigEndian.AppendUint64(b, uint64(s.cfg.Rand()))
	}
	return b[:n]
}
