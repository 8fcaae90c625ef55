package files

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/gotd/td/tg"
)

// Limits of Telegram (core.telegram.org/api/files, appConfig upload_max_fileparts_*).
const (
	maxPart      = 512 << 10
	maxParts     = 4000
	maxPartsPaid = 8000
	maxSmall     = 10 << 20 // a longer file must be saved as a big one
)

type uploadKey struct {
	user int64
	dc   int
	id   int64
}

// upload is a file of which parts have come.
type upload struct {
	parts   map[int]extent
	big     bool
	total   int // of a big one, once it is known
	whole   int // size of the parts of a big one that are not the last; 0 while none has come
	used    bool
	touched time.Time
}

func (w Who) maxParts() int {
	if w.Premium {
		return maxPartsPaid
	}
	return maxParts
}

// SavePart keeps a part of a file (upload.saveFilePart). Repeating one replaces it.
func (s *Store) SavePart(who Who, id int64, part int, data []byte) error {
	return s.save(who, id, part, 0, false, data)
}

// SaveBigPart keeps a part of a big file (upload.saveBigFilePart); total is -1 while unknown.
func (s *Store) SaveBigPart(who Who, id int64, part, total int, data []byte) error {
	return s.save(who, id, part, total, true, data)
}

func (s *Store) save(who Who, id int64, part, total int, big bool, data []byte) error {
	switch {
	case len(data) == 0:
		return refuse("FILE_PART_EMPTY")
	case len(data) > maxPart:
		return refuse("FILE_PART_TOO_BIG")
	case part < 0 || part >= who.maxParts():
		return refuse("FILE_PART_INVALID")
	case big && total != -1 && (total <= part || total > who.maxParts()):
		return refuse("FILE_PARTS_INVALID")
	case big && total != part+1 && !wholePart(len(data)):
		return refuse("FILE_PART_SIZE_INVALID")
	}
	s.expire()
	key := uploadKey{who.User, who.DC, id}
	u := s.uploads[key]
	if u == nil {
		u = &upload{parts: map[int]extent{}, big: big}
		s.uploads[key] = u
	}
	if u.big != big {
		return refuse("FILE_PART_INVALID")
	}
	if total > 0 {
		u.total = total
	}
	if big && total != part+1 {
		if u.whole != 0 && u.whole != len(data) {
			return refuse("FILE_PART_SIZE_CHANGED")
		}
		u.whole = len(data)
	}
	e, err := s.arena.put(data)
	if err != nil {
		return err
	}
	if old, ok := u.parts[part]; ok && !u.used {
		s.arena.release(old)
	}
	u.parts[part], u.touched = e, s.cfg.Now()
	return nil
}

// wholePart reports whether a part that is not the last may have this size.
func wholePart(size int) bool { return size%1024 == 0 && maxPart%size == 0 }

// expire forgets parts that nobody has used.
func (s *Store) expire() {
	now := s.cfg.Now()
	for key, u := range s.uploads {
		if now.Sub(u.touched) <= s.cfg.UploadLife {
			continue
		}
		if !u.used {
			for _, e := range u.parts {
				s.arena.release(e)
			}
		}
		delete(s.uploads, key)
	}
}

// Forget drops the parts of an upload, as Telegram may after some minutes.
func (s *Store) Forget(who Who, id int64, parts ...int) {
	if u := s.uploads[uploadKey{who.User, who.DC, id}]; u != nil {
		for _, part := range parts {
			delete(u.parts, part)
		}
	}
}

// assemble puts an uploaded file together.
func (s *Store) assemble(who Who, in tg.InputFileClass) (b blob, name string, err error) {
	var id int64
	var parts int
	var sum string
	big := false
	switch in := in.(type) {
	case *tg.InputFile:
		id, parts, name, sum = in.ID, in.Parts, in.Name, in.MD5Checksum
	case *tg.InputFileBig:
		id, parts, name, big = in.ID, in.Parts, in.Name, true
	default:
		return b, "", refuse("MEDIA_INVALID")
	}
	if parts <= 0 || parts > who.maxParts() {
		return b, "", refuse("FILE_PARTS_INVALID")
	}
	s.expire()
	u := s.uploads[uploadKey{who.User, who.DC, id}]
	if u == nil {
		return b, "", refuse("FILE_PART_0_MISSING")
	}
	if u.big != big || big && u.total != parts {
		return b, "", refuse("FILE_PARTS_INVALID")
	}
	for i := range parts {
		if _, ok := u.parts[i]; !ok {
			return b, "", refuse(fmt.Sprintf("FILE_PART_%d_MISSING", i))
		}
	}
	for i := range parts {
		e := u.parts[i]
		if i < parts-1 && !wholePart(e.size) || i > 0 && (e.size > b.pieces[0].size || i < parts-1 && e.size != b.pieces[0].size) {
			return blob{}, "", refuse("FILE_PART_LENGTH_INVALID")
		}
		b.pieces = append(b.pieces, e)
		b.size += int64(e.size)
	}
	if !big && b.size > maxSmall {
		return blob{}, "", refuse("FILE_PARTS_INVALID")
	}
	if sum != "" {
		if err := s.checkSum(b, sum); err != nil {
			return blob{}, "", err
		}
	}
	u.used = true
	return b, name, nil
}

func (s *Store) checkSum(b blob, want string) error {
	data, err := s.arena.slice(b, 0, int(b.size))
	if err != nil {
		return err
	}
	if got := md5.Sum(data); hex.EncodeToString(got[:]) != want {
		return refuse("MD5_CHECKSUM_INVALID")
	}
	return nil
}
