package media

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// cdn reads a file from a CDN DC, which others run: what it gives is decrypted and compared with the
// hashes that Telegram's own DC gave (core.telegram.org/cdn).
type cdn struct {
	env  telegram.Env
	from Location // where the hashes come from
	to   *tg.UploadFileCDNRedirect

	mu     sync.Mutex
	hashes map[int64]tg.FileHash // by offset
}

func newCDN(env telegram.Env, from Location, to *tg.UploadFileCDNRedirect) *cdn {
	c := &cdn{env: env, from: from, to: to, hashes: map[int64]tg.FileHash{}}
	c.learn(to.FileHashes)
	return c
}

func (c *cdn) learn(hashes []tg.FileHash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range hashes {
		c.hashes[h.Offset] = h
	}
}

// maxReuploads bounds how often one part makes Telegram give the file to the CDN.
const maxReuploads = 3

func (c *cdn) part(ctx context.Context, offset int64) ([]byte, error) {
	for tries := 0; ; tries++ {
		req := &tg.UploadGetCDNFileRequest{FileToken: c.to.FileToken, Offset: offset, Limit: PartSize}
		var got cdnAnswer
		if err := c.env.InvokeOn(ctx, c.to.DCID, req, &got); err != nil {
			return nil, telegram.TypedError(req.TypeName(), err)
		}
		if got.needed == nil {
			if err := c.decrypt(got.data, offset); err != nil {
				return nil, err
			}
			return got.data, c.verify(ctx, got.data, offset)
		}
		if tries >= maxReuploads {
			return nil, fleet.Errorf(fleet.CodeUnavailable, "CDN_FILE_MISSING", "CDN DC %d: does not get the file", c.to.DCID).WithRemedy("try again later")
		}
		if err := c.reupload(ctx, got.needed); err != nil {
			return nil, err
		}
	}
}

// reupload has Telegram give the file to the CDN.
func (c *cdn) reupload(ctx context.Context, token []byte) error {
	req := &tg.UploadReuploadCDNFileRequest{FileToken: c.to.FileToken, RequestToken: token}
	return c.ask(ctx, req, req.TypeName())
}

// ask makes a call on the file's own DC that is answered by hashes.
func (c *cdn) ask(ctx context.Context, req bin.Encoder, name string) error {
	var hashes tg.FileHashVector
	if err := c.env.InvokeOn(ctx, c.from.DC, req, &hashes); err != nil {
		return telegram.TypedError(name, err)
	}
	c.learn(hashes.Elems)
	return nil
}

// decrypt undoes AES-256-CTR: the last four bytes of the initial vector count blocks of 16 bytes from
// the beginning of the file.
func (c *cdn) decrypt(data []byte, offset int64) error {
	block, err := aes.NewCipher(c.to.EncryptionKey)
	if err != nil || len(c.to.EncryptionIv) != aes.BlockSize {
		return fleet.Errorf(fleet.CodeInternal, "CDN_KEY_INVALID", "CDN redirect: key of %d and vector of %d bytes", len(c.to.EncryptionKey), len(c.to.EncryptionIv)).
			WithRemedy("try again later")
	}
	iv := [aes.BlockSize]byte(c.to.EncryptionIv)
	binary.BigEndian.PutUint32(iv[12:], uint32(offset/aes.BlockSize))
	cipher.NewCTR(block, iv[:]).XORKeyStream(data, data)
	return nil
}

// verify compares every byte of a part with its hash.
func (c *cdn) verify(ctx context.Context, data []byte, offset int64) error {
	for done := 0; done < len(data); {
		at := offset + int64(done)
		h, err := c.hash(ctx, at)
		if err != nil {
			return err
		}
		if h.Limit <= 0 || done+h.Limit > len(data) {
			return c.corrupt(at, "it gave %d bytes where a hash is of %d", len(data)-done, h.Limit)
		}
		sum := sha256.Sum256(data[done : done+h.Limit])
		if subtle.ConstantTimeCompare(sum[:], h.Hash) != 1 {
			return c.corrupt(at, "its bytes have another hash")
		}
		done += h.Limit
	}
	return nil
}

func (c *cdn) corrupt(at int64, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeDataLoss, "CDN_FILE_CORRUPT", "CDN DC %d, byte %d: %s", c.to.DCID, at, fmt.Sprintf(format, args...)).
		WithRemedy("nothing of it was kept: try again later")
}

// hash is the hash of the piece that begins at an offset.
func (c *cdn) hash(ctx context.Context, at int64) (tg.FileHash, error) {
	for asked := false; ; asked = true {
		c.mu.Lock()
		h, ok := c.hashes[at]
		c.mu.Unlock()
		if ok {
			return h, nil
		}
		if asked {
			return h, c.corrupt(at, "Telegram has no hash of a piece that begins there")
		}
		req := &tg.UploadGetCDNFileHashesRequest{FileToken: c.to.FileToken, Offset: at}
		if err := c.ask(ctx, req, req.TypeName()); err != nil {
			return h, err
		}
	}
}

// cdnAnswer reads upload.CdnFile; needed is the token of cdnFileReuploadNeeded.
type cdnAnswer struct{ data, needed []byte }

// Decode implements bin.Decoder.
func (a *cdnAnswer) Decode(b *bin.Buffer) error {
	id, err := b.ID()
	if err != nil {
		return err
	}
	switch id {
	case tg.UploadCDNFileTypeID:
		a.data, err = bytesOf(b)
	case tg.UploadCDNFileReuploadNeededTypeID:
		if a.needed, err = bytesOf(b); len(a.needed) == 0 && err == nil {
			err = errCut
		}
	default:
		err = bin.NewUnexpectedID(id)
	}
	return err
}
