package files

import (
	"crypto/sha256"
	"fmt"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// Limits of reading (core.telegram.org/api/files, "Downloading files").
const (
	readBlock    = 4 << 10
	preciseBlock = 1 << 10
	maxRead      = 1 << 20
	// hashed is how much of a file one hash is of.
	hashed = 128 << 10
	// hashesAtOnce are given in one answer.
	hashesAtOnce = 16
)

// checkRange refuses what upload.getFile would.
func checkRange(offset int64, limit int, precise bool) error {
	block := int64(readBlock)
	if precise {
		block = preciseBlock
	}
	switch {
	case offset < 0 || offset%block != 0:
		return refuse("OFFSET_INVALID")
	case limit <= 0 || limit > maxRead || int64(limit)%block != 0 || !precise && maxRead%limit != 0:
		return refuse("LIMIT_INVALID")
	case offset/maxRead != (offset+int64(limit)-1)/maxRead:
		return refuse("LIMIT_INVALID")
	}
	return nil
}

// GetFile answers upload.getFile for documents and photos.
func (s *Store) GetFile(who Who, q *tg.UploadGetFileRequest) (tg.UploadFileClass, error) {
	if err := checkRange(q.Offset, q.Limit, q.Precise); err != nil {
		return nil, err
	}
	f, size, err := s.located(who, q.Location)
	if err != nil {
		return nil, err
	}
	content := f.content(size)
	if q.CDNSupported && s.cfg.CDN() != 0 && content.size >= s.cfg.CDNFrom {
		return s.redirect(f, content)
	}
	return s.part(f, content, q.Offset, q.Limit)
}

// GetPeerPhoto answers upload.getFile for a profile photo of a user (inputPeerPhotoFileLocation).
func (s *Store) GetPeerPhoto(who Who, user int64, q *tg.UploadGetFileRequest, photoID int64, big bool) (tg.UploadFileClass, error) {
	if err := checkRange(q.Offset, q.Limit, q.Precise); err != nil {
		return nil, err
	}
	for _, f := range s.profile[user] {
		if f.ID != photoID {
			continue
		}
		if f.DC != who.DC {
			return nil, migrate(f.DC)
		}
		size := f.Sizes[0].Type
		if big {
			size = f.Sizes[len(f.Sizes)-1].Type
		}
		return s.part(f, f.content(size), q.Offset, q.Limit)
	}
	return nil, refuse("LOCATION_INVALID")
}

func (s *Store) part(f *File, content blob, offset int64, limit int) (tg.UploadFileClass, error) {
	data, err := s.arena.slice(content, offset, limit)
	if err != nil {
		return nil, err
	}
	out := &tg.UploadFile{Type: &tg.StorageFilePartial{}, Mtime: f.Date, Bytes: data}
	if f.Mime == "image/jpeg" {
		out.Type = &tg.StorageFileJpeg{}
	}
	return out, nil
}

// located finds the file that a location names, on the DC that has it.
func (s *Store) located(who Who, in tg.InputFileLocationClass) (*File, string, error) {
	var f *File
	var size string
	var err error
	switch in := in.(type) {
	case *tg.InputDocumentFileLocation:
		f, err = s.known(who, in.ID, in.AccessHash, in.FileReference, false)
		size = in.ThumbSize
	case *tg.InputPhotoFileLocation:
		f, err = s.known(who, in.ID, in.AccessHash, in.FileReference, true)
		size = in.ThumbSize
	default:
		return nil, "", refuse("LOCATION_INVALID")
	}
	switch {
	case err != nil:
		return nil, "", err
	case !f.hasSize(size):
		return nil, "", refuse("LOCATION_INVALID")
	case f.DC != who.DC:
		return nil, "", migrate(f.DC)
	}
	return f, size, nil
}

func migrate(dc int) error { return tgerr.New(303, fmt.Sprintf("FILE_MIGRATE_%d", dc)) }

// GetHashes answers upload.getFileHashes.
func (s *Store) GetHashes(who Who, q *tg.UploadGetFileHashesRequest) ([]tg.FileHash, error) {
	f, size, err := s.located(who, q.Location)
	if err != nil {
		return nil, err
	}
	return s.hashes(f.content(size), q.Offset)
}

// hashes gives some hashes of a content, from the one on that offset lies in.
func (s *Store) hashes(b blob, offset int64) ([]tg.FileHash, error) {
	if offset < 0 {
		return nil, refuse("OFFSET_INVALID")
	}
	var out []tg.FileHash
	for at := offset / hashed * hashed; at < b.size && len(out) < hashesAtOnce; at += hashed {
		data, err := s.arena.slice(b, at, hashed)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		out = append(out, tg.FileHash{Offset: at, Limit: len(data), Hash: sum[:]})
	}
	return out, nil
}
