package media

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/gotd/td/tg"
	"golang.org/x/sync/errgroup"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// SizeUnknown is the size of a stream whose end nobody knows yet.
const SizeUnknown = -1

// castagnoli is the polynomial of sums, which processors have instructions for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// DefaultParallel is how many parts of one file are on their way at once.
const DefaultParallel = 4

// File is an uploaded file that no message has yet. Telegram keeps it for some minutes to hours; it
// belongs to the account that uploaded it.
type File struct {
	ID    int64
	Parts int
	Size  int64 // bytes
	Name  string
	// MD5 is in hexadecimal; files of 10 MiB and more have none.
	MD5 string
	Info
}

// Big reports whether the file was saved by upload.saveBigFilePart.
func (f File) Big() bool { return f.Size >= bigFrom }

// Input is the file as an argument of calls.
func (f File) Input() tg.InputFileClass {
	if f.Big() {
		return &tg.InputFileBig{ID: f.ID, Parts: f.Parts, Name: f.Name}
	}
	return &tg.InputFile{ID: f.ID, Parts: f.Parts, Name: f.Name, MD5Checksum: f.MD5}
}

// UploadOptions describe a file to upload.
type UploadOptions struct {
	// Name is the file's name; "file" when empty.
	Name string
	// Size is how many bytes follow, or SizeUnknown. A stream of another length is refused.
	Size int64
	// ID is Telegram's number of the file, positive; 0 = drawn. Of two files with one number the later
	// one takes the place of the other.
	ID int64
	// Photo says that it is to be sent as a photo: its format and dimensions are then checked
	// before anything is sent.
	Photo bool
	// Parallel is how many parts are on their way at once; 0 = DefaultParallel.
	Parallel int
	// Progress is told how many bytes Telegram has so far. It must not block.
	Progress func(saved int64)
}

// Upload is a file on its way. It outlives a stream that breaks: what Telegram has is not sent
// again.
type Upload struct {
	opts UploadOptions
	id   int64
	info Info
	sum  hash.Hash

	mu    sync.Mutex
	sums  []uint32 // CRC-32C of the bytes up to the end of each part that was read; nil: not known any more
	parts []bool   // saved
	first int      // parts saved without a hole
	saved int64
	small bool // known to be no big file
}

// Place is where an upload stands: what has to be remembered to go on with it in another process.
type Place struct {
	// ID is Telegram's number of the file.
	ID int64 `json:"id"`
	// Parts is how many Telegram has without a hole.
	Parts int `json:"parts"`
	// Sum is the CRC-32C (Castagnoli) of the bytes in them; nil when it is not known.
	Sum *uint32 `json:"sum,omitempty"`
	// Info is what was seen of the file in its first part.
	Info Info `json:"info"`
}

// NewUpload makes an upload of which nothing is sent yet.
func NewUpload(o UploadOptions) *Upload {
	if o.Name == "" {
		o.Name = "file"
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	return &Upload{opts: o, id: o.ID}
}

// ContinueUpload makes an upload that goes on where another one with the same options stood.
func ContinueUpload(o UploadOptions, at Place) *Upload {
	u := NewUpload(o)
	u.id, u.info, u.first = at.ID, at.Info, at.Parts
	u.parts, u.saved = slices.Repeat([]bool{true}, at.Parts), int64(at.Parts)*PartSize
	if at.Sum != nil {
		u.sums = slices.Repeat([]uint32{*at.Sum}, at.Parts) // of which the last is asked for
	}
	return u
}

// Place is where the upload stands; false as long as a further Send would begin anew.
func (u *Upload) Place() (Place, bool) {
	if u.Saved() == 0 {
		return Place{}, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	at := Place{ID: u.id, Parts: u.first, Info: u.info}
	if len(u.sums) >= u.first {
		sum := u.sums[u.first-1]
		at.Sum = &sum
	}
	return at, true
}

// Saved is where a further Send must begin to read: a multiple of PartSize. Files below 10 MiB
// begin anew.
func (u *Upload) Saved() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.small || u.opts.Size != SizeUnknown && u.opts.Size < bigFrom {
		return 0
	}
	return int64(u.first) * PartSize
}

// Send reads the file from Saved on and saves its parts (upload.saveFilePart,
// upload.saveBigFilePart), as many at once as Parallel says. At most that many parts are in memory,
// and 10 MiB more while the size of a stream is unknown. After an error it may be called again.
func (u *Upload) Send(ctx context.Context, env telegram.Env, r io.Reader) (File, error) {
	if err := u.check(ctx, env); err != nil {
		return File{}, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(u.opts.Parallel)
	s := &sending{Upload: u, ctx: ctx, env: env, r: r, group: group}
	total, size, err := s.read(int(u.Saved() / PartSize))
	if failed := group.Wait(); failed != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = failed
	}
	if err != nil {
		return File{}, err
	}
	f := File{ID: u.id, Parts: total, Size: size, Name: u.opts.Name, Info: u.info}
	if !f.Big() {
		f.MD5 = hex.EncodeToString(u.sum.Sum(nil))
	}
	return f, nil
}

// check refuses what Telegram would not take, before anything is sent.
func (u *Upload) check(ctx context.Context, env telegram.Env) error {
	switch size := u.opts.Size; {
	case size == SizeUnknown:
	case size == 0:
		return empty()
	case size < 0:
		return fleet.Errorf(fleet.CodeInvalidArgument, "FILE_SIZE_INVALID", "size: must be positive, or -1 when unknown (got %d)", size).
			WithRemedy("give the number of bytes")
	default:
		if err := u.fits(ctx, env, partsOf(size)); err != nil {
			return err
		}
	}
	if u.id != 0 {
		return nil
	}
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("draw file id: %w", err)
	}
	u.id = int64(binary.LittleEndian.Uint64(b[:])>>1 | 1)
	return nil
}

func partsOf(size int64) int { return int((size + PartSize - 1) / PartSize) }

func empty() error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "FILE_EMPTY", "file: has no bytes").WithRemedy("Telegram keeps no empty files: send something else")
}

// fits checks the number of parts; whether the account has Premium is asked only where it matters.
func (u *Upload) fits(ctx context.Context, env telegram.Env, parts int) error {
	if parts <= maxParts {
		return nil
	}
	limit := maxPartsPremium
	if parts <= maxPartsPremium {
		me, err := telegram.GetMe(ctx, env)
		if err != nil {
			return err
		}
		if me.Premium {
			return nil
		}
		limit = maxParts
	}
	return fleet.Errorf(fleet.CodeInvalidArgument, "FILE_TOO_LARGE", "file: may have %d parts of %d bytes, %d bytes in all (got %d parts)",
		limit, PartSize, int64(limit)*PartSize, parts).
		WithRemedy("split the file; accounts with Telegram Premium may send twice as much")
}

// sending is one Send.
type sending struct {
	*Upload
	ctx   context.Context
	env   telegram.Env
	r     io.Reader
	group *errgroup.Group

	waiting []*part // of a stream that may still turn out to be small
	checked int     // parts up to which the limit is known to be kept
}

// read reads parts from the one of this number on and starts to save them.
func (s *sending) read(from int) (parts int, size int64, err error) {
	size = int64(from) * PartSize
	if from == 0 || s.sum == nil {
		s.sum = md5.New() // of no use unless from is 0
	}
	s.mu.Lock()
	s.sums = s.sums[:min(from, len(s.sums))]
	s.mu.Unlock()
	known := s.opts.Size != SizeUnknown
	var held *part // of a stream of unknown length, until it is known not to be the last
	for index := from; ; index++ {
		if s.ctx.Err() != nil {
			return 0, 0, s.ctx.Err()
		}
		p := newPart(index)
		if p.n, err = io.ReadFull(s.r, p.room()); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, 0, fmt.Errorf("read file: %w", err)
		}
		if p.n == 0 {
			p.recycle()
			break
		}
		size += int64(p.n)
		if err := s.took(p, size); err != nil {
			return 0, 0, err
		}
		if known {
			if size > s.opts.Size {
				break // told below
			}
			s.save(p, s.opts.Size >= bigFrom, partsOf(s.opts.Size))
		} else if held, err = s.hold(held, p, size); err != nil {
			return 0, 0, err
		}
		if p.n < PartSize {
			break
		}
	}
	if size == 0 {
		return 0, 0, empty()
	}
	if known && size != s.opts.Size {
		return 0, 0, fleet.Errorf(fleet.CodeInvalidArgument, "FILE_SIZE_WRONG", "file: has not the %d bytes announced (got %d)", s.opts.Size, size).
			WithRemedy("announce the exact size, or none")
	}
	if from > 0 && size < bigFrom {
		return 0, 0, fleet.Errorf(fleet.CodeInvalidArgument, "FILE_SIZE_WRONG", "file: is shorter than it was when the upload began (got %d bytes)", size).
			WithRemedy("upload it from the beginning")
	}
	total := partsOf(size)
	s.settle(held, size, total)
	return total, size, nil
}

// summed adds a part that was read to the sum of those before it.
func (s *sending) summed(p *part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.index != len(s.sums) {
		return // the sum of those before it is not known
	}
	var sum uint32
	if p.index > 0 {
		sum = s.sums[p.index-1]
	}
	s.sums = append(s.sums, crc32.Update(sum, castagnoli, p.data()))
}

// took looks at a part that was read.
func (s *sending) took(p *part, size int64) error {
	s.summed(p)
	if p.index == 0 {
		info := Inspect(s.opts.Name, p.data(), s.opts.Size)
		s.mu.Lock()
		s.info = info
		s.mu.Unlock()
		if s.opts.Photo {
			if err := s.info.checkPhoto(s.opts.Size); err != nil {
				return err
			}
		}
	}
	if s.opts.Photo && size > maxPhoto {
		return photoTooLarge(size)
	}
	if size < bigFrom && (s.opts.Size == SizeUnknown || s.opts.Size < bigFrom) {
		s.sum.Write(p.data())
	}
	if s.opts.Size == SizeUnknown && p.index >= maxParts && p.index >= s.checked {
		s.checked = maxPartsPremium
		return s.fits(s.ctx, s.env, p.index+1)
	}
	return nil
}

// hold keeps parts of a stream of unknown length back: all of them until it is known to be big, then
// the last one, whose query must tell the number of parts.
func (s *sending) hold(held, p *part, size int64) (*part, error) {
	if size < bigFrom {
		s.waiting = append(s.waiting, p)
		return nil, nil
	}
	for _, early := range s.waiting {
		s.save(early, true, -1)
	}
	s.waiting = nil
	if held != nil {
		s.save(held, true, -1)
	}
	return p, s.ctx.Err()
}

// settle saves what was held back, once the end of the stream is known.
func (s *sending) settle(held *part, size int64, total int) {
	if held != nil {
		s.save(held, true, total)
	}
	if len(s.waiting) > 0 {
		s.mu.Lock()
		s.small = true
		s.mu.Unlock()
	}
	for _, p := range s.waiting {
		s.save(p, size >= bigFrom, total)
	}
}

// save sends one part; it waits while as many as allowed are on their way.
func (s *sending) save(p *part, big bool, total int) {
	p.seal(s.id, big, total)
	s.group.Go(func() error {
		var ok tg.BoolBox
		err := telegram.TypedError(p.TypeName(), s.env.Invoke(s.ctx, p, &ok))
		if err != nil {
			return err
		}
		if _, is := ok.Bool.(*tg.BoolTrue); !is {
			return fleet.Errorf(fleet.CodeUnavailable, "FILE_PART_REFUSED", "part %d: Telegram did not keep it", p.index).WithRemedy("upload the file again")
		}
		s.done(p)
		p.recycle()
		return nil
	})
}

// done notes a part that Telegram has.
func (u *Upload) done(p *part) {
	u.mu.Lock()
	for len(u.parts) <= p.index {
		u.parts = append(u.parts, false)
	}
	if !u.parts[p.index] {
		u.parts[p.index] = true
		u.saved += int64(p.n)
	}
	for u.first < len(u.parts) && u.parts[u.first] {
		u.first++
	}
	saved := u.saved
	u.mu.Unlock()
	if u.opts.Progress != nil {
		u.opts.Progress(saved)
	}
}
