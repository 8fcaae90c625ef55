package media

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

// Limits of uploads.
const (
	maxName   = 255 // bytes
	maxUpload = 64  // bytes of the name that a caller gives an upload
	maxChunk  = 1 << 20

	// maxKept uploads are remembered, the one that has rested longest is forgotten first.
	maxKept = 256
	// keptFor is how long an upload without a stream can go on.
	keptFor = time.Hour
)

// uploads remembers those that have a name, so that they go on when their stream breaks.
type uploads struct {
	now  func() time.Time
	mu   sync.Mutex
	kept map[uploadKey]*upload
}

type uploadKey struct {
	account fleet.AccountID
	name    string
}

// upload is one of them. Only one stream feeds it at a time: a newer one ends the older one.
type upload struct {
	*media.Upload
	start *v1.UploadStart
	// end makes its stream end; only under the lock, and while it runs.
	end    func()
	done   chan struct{} // closed when its stream has ended
	rested time.Time
}

func newUploads(now func() time.Time) *uploads {
	return &uploads{now: now, kept: map[uploadKey]*upload{}}
}

func (u *uploads) get(_ context.Context, env telegram.Env, req *v1.GetUploadRequest) (*v1.GetUploadReply, error) {
	if req.GetUpload() == "" {
		return nil, convert.Invalid("upload", "give the name that start.upload had", "is missing")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	reply := &v1.GetUploadReply{}
	if one := u.kept[uploadKey{env.Account(), req.GetUpload()}]; one != nil && !u.gone(one) {
		reply.Offset = one.Saved()
	}
	return reply, nil
}

func (u *uploads) upload(ctx context.Context, env telegram.Env, first *v1.UploadRequest, next func() (*v1.UploadRequest, error)) (*v1.UploadReply, error) {
	start := first.GetStart()
	if err := checkStart(start); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	key := uploadKey{env.Account(), start.GetUpload()}
	one, err := u.take(ctx, key, start, func() { cancel(); methods.Interrupt(ctx) })
	if err != nil {
		return nil, err
	}
	file, err := one.Send(ctx, env, &chunks{next: next})
	u.rest(key, one, err == nil)
	if err != nil {
		return nil, err
	}
	return &v1.UploadReply{File: &v1.UploadedFile{
		Id: file.ID, Parts: int32(file.Parts), Size: file.Size, Name: file.Name, Md5: file.MD5, MimeType: file.Mime,
		Width: int32(file.Width), Height: int32(file.Height), Duration: file.Duration,
	}}, nil
}

func checkStart(start *v1.UploadStart) error {
	switch {
	case start == nil:
		return convert.Invalid("start", "announce the file in the first message", "is missing")
	case len(start.GetName()) > maxName:
		return convert.Invalid("start.name", "shorten it", "must have at most %d bytes (got %d)", maxName, len(start.GetName()))
	case len(start.GetUpload()) > maxUpload:
		return convert.Invalid("start.upload", "shorten it", "must have at most %d bytes (got %d)", maxUpload, len(start.GetUpload()))
	case start.Size != nil && start.GetSize() < 0:
		return convert.Invalid("start.size", "leave it out when it is not known", "must not be negative (got %d)", start.GetSize())
	case start.GetFileId() < 0:
		return convert.Invalid("start.file_id", "leave it out to have one drawn", "must not be negative (got %d)", start.GetFileId())
	case start.GetOffset() != 0 && start.GetUpload() == "":
		return convert.Invalid("start.offset", "begin at 0: an upload without a name cannot go on", "must be 0 without start.upload (got %d)", start.GetOffset())
	}
	return nil
}

// take begins an upload, or goes on with the one that has its name.
func (u *uploads) take(ctx context.Context, key uploadKey, start *v1.UploadStart, end func()) (*upload, error) {
	fresh := &upload{Upload: media.NewUpload(optionsOf(start)), start: start, end: end, done: make(chan struct{})}
	if key.name == "" {
		return fresh, nil
	}
	u.mu.Lock()
	was := u.kept[key]
	if was != nil && !was.ended() {
		was.end()
	}
	u.mu.Unlock()
	if was != nil {
		select {
		case <-was.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	at := int64(0)
	if was != nil && !u.gone(was) && sameFile(was.start, start) {
		if at = was.Saved(); at == start.GetOffset() && at > 0 {
			fresh.Upload = was.Upload
		}
	}
	if start.GetOffset() != 0 && start.GetOffset() != at {
		return nil, fleet.Errorf(fleet.CodeAborted, "UPLOAD_OFFSET", "start.offset: the upload goes on at %d (got %d)", at, start.GetOffset()).
			WithRemedy("ask GetUpload, and send the file from there")
	}
	u.forget()
	u.kept[key] = fresh
	return fresh, nil
}

func optionsOf(start *v1.UploadStart) media.UploadOptions {
	o := media.UploadOptions{ID: start.GetFileId(), Name: start.GetName(), Size: media.SizeUnknown, Photo: start.GetKind() == v1.MediaKind_MEDIA_KIND_PHOTO}
	if start.Size != nil {
		o.Size = start.GetSize()
	}
	return o
}

func sameFile(a, b *v1.UploadStart) bool {
	return a.GetName() == b.GetName() && a.GetSize() == b.GetSize() && (a.Size == nil) == (b.Size == nil) && a.GetKind() == b.GetKind() && a.GetFileId() == b.GetFileId()
}

// rest notes the end of an upload's stream.
func (u *uploads) rest(key uploadKey, one *upload, complete bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	one.rested = u.now()
	close(one.done)
	if complete && u.kept[key] == one {
		delete(u.kept, key)
	}
}

// ended reports whether no stream feeds it.
func (one *upload) ended() bool {
	select {
	case <-one.done:
		return true
	default:
		return false
	}
}

func (u *uploads) gone(one *upload) bool {
	return !one.rested.IsZero() && u.now().Sub(one.rested) > keptFor
}

// forget makes room: what has rested too long goes, and of too many the one that has rested longest.
func (u *uploads) forget() {
	for len(u.kept) > 0 {
		var oldest uploadKey
		var found *upload
		for key, one := range u.kept {
			if u.gone(one) {
				delete(u.kept, key)
				continue
			}
			if !one.rested.IsZero() && (found == nil || one.rested.Before(found.rested)) {
				oldest, found = key, one
			}
		}
		if found == nil || len(u.kept) < maxKept {
			return
		}
		delete(u.kept, oldest)
	}
}

// chunks is the bytes of a stream's messages.
type chunks struct {
	next func() (*v1.UploadRequest, error)
	rest []byte
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		req, err := c.next()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		if _, ok := req.GetContent().(*v1.UploadRequest_Chunk); !ok {
			return 0, convert.Invalid("chunk", "send only chunks behind the first message", "is missing")
		}
		if c.rest = req.GetChunk(); len(c.rest) > maxChunk {
			return 0, convert.Invalid("chunk", "send smaller ones", "must have at most %d bytes (got %d)", maxChunk, len(c.rest))
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
