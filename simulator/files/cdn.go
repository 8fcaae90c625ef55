package files

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/gotd/td/tg"
)

// cdnFile is a content that a CDN may hold, under a token.
type cdnFile struct {
	content  blob
	key, iv  []byte
	uploaded bool   // the CDN has it
	request  []byte // token by which the CDN asks for it
}

// redirect sends a caller to the CDN.
func (s *Store) redirect(f *File, content blob) (tg.UploadFileClass, error) {
	token := s.random(32)
	c := &cdnFile{content: content, key: s.random(32), iv: s.random(16)}
	s.tokens[string(token)] = c
	hashes, err := s.hashes(content, 0)
	if err != nil {
		return nil, err
	}
	return &tg.UploadFileCDNRedirect{DCID: s.cfg.CDN(), FileToken: token, EncryptionKey: c.key, EncryptionIv: c.iv, FileHashes: hashes}, nil
}

// ForgetTokens makes every file token given so far invalid.
func (s *Store) ForgetTokens() { clear(s.tokens) }

// Tamper makes the CDN give wrong bytes.
func (s *Store) Tamper(on bool) { s.tamper = on }

// GetCDNFile answers upload.getCdnFile: bytes as they were encrypted for the CDN.
func (s *Store) GetCDNFile(q *tg.UploadGetCDNFileRequest) (tg.UploadCDNFileClass, error) {
	if err := checkRange(q.Offset, q.Limit, false); err != nil {
		return nil, err
	}
	c := s.tokens[string(q.FileToken)]
	if c == nil {
		return nil, refuse("FILE_TOKEN_INVALID")
	}
	if !c.uploaded {
		if c.request == nil {
			c.request = s.random(16)
		}
		return &tg.UploadCDNFileReuploadNeeded{RequestToken: c.request}, nil
	}
	data, err := s.arena.slice(c.content, q.Offset, q.Limit)
	if err != nil {
		return nil, err
	}
	if s.tamper && len(data) > 0 {
		data[len(data)-1] ^= 1
	}
	if err := c.crypt(data, q.Offset); err != nil {
		return nil, err
	}
	return &tg.UploadCDNFile{Bytes: data}, nil
}

// crypt is AES-256-CTR whose counter begins at the offset in blocks of 16 bytes.
func (c *cdnFile) crypt(data []byte, offset int64) error {
	block, err := aes.NewCipher(c.key)
	if err != nil {
		return err
	}
	iv := append([]byte(nil), c.iv...)
	binary.BigEndian.PutUint32(iv[12:], uint32(offset/16))
	cipher.NewCTR(block, iv).XORKeyStream(data, data)
	return nil
}

// Reupload answers upload.reuploadCdnFile: the CDN gets the file.
func (s *Store) Reupload(q *tg.UploadReuploadCDNFileRequest) ([]tg.FileHash, error) {
	c := s.tokens[string(q.FileToken)]
	if c == nil {
		return nil, refuse("FILE_TOKEN_INVALID")
	}
	if c.request == nil || string(c.request) != string(q.RequestToken) {
		return nil, refuse("REQUEST_TOKEN_INVALID")
	}
	c.uploaded = true
	return s.hashes(c.content, 0)
}

// GetCDNHashes answers upload.getCdnFileHashes.
func (s *Store) GetCDNHashes(q *tg.UploadGetCDNFileHashesRequest) ([]tg.FileHash, error) {
	c := s.tokens[string(q.FileToken)]
	if c == nil {
		return nil, refuse("FILE_TOKEN_INVALID")
	}
	return s.hashes(c.content, q.Offset)
}
