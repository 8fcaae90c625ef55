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
	"github.com/telefleet/orchestrator/telegram/media"
)

// Limits of uploads.
const (
	maxName   = 255 // bytes
	maxUpload = 64  // bytes of the name that a caller gives an upload
	maxChunk  = 1 << 20

	// keptFor is how long an upload without a stream can go on: about as long as Telegram surely keeps
	// its parts.
	keptFor = time.Hour
)

// uploads are those that run and have a name. Where each of them stands is noted with the account, so
// that another stream goes on with it: after a break, a restart of the node, or on another node.
type uploads struct {
	now     func() time.Time
	mu      sync.Mutex
	running map[uploadKey]*stream
}

type uploadKey struct {
	account fleet.AccountID
	name    string
}

// stream feeds an upload. Only one does at a time: a newer one ends the older one.
type stream struct {
	end  func()
	done chan struct{} // closed when it has ended
}

func newUploads(now func() time.Time) *uploads {
	return &uploads{now: now, running: map[uploadKey]*stream{}}
}

func (u *uploads) get(ctx context.Context, host *methods.Host, req *v1.GetUploadRequest) (*v1.GetUploadReply, error) {
	if req.GetUpload() == "" {
		return nil, convert.Invalid("upload", "give the name that start.upload had", "is missing")
	}
	env, err := host.Env(ctx, fleet.AccountID(req.GetAccount()))
	if err != nil {
		return nil, err
	}
	k, err := u.keeper(ctx, host, uploadKey{env.Account(), req.GetUpload()})
	if err != nil {
		return nil, err
	}
	return k.reply(), nil
}

func (u *uploads) upload(ctx context.Context, host *methods.Host, first *v1.UploadRequest, next func() (*v1.UploadRequest, error)) (*v1.UploadReply, error) {
	env, err := host.Env(ctx, fleet.AccountID(first.GetAccount()))
	if err != nil {
		return nil, err
	}
	start := first.GetStart()
	if err := checkStart(start); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	key := uploadKey{env.Account(), start.GetUpload()}
	leave, err := u.enter(ctx, key, func() { cancel(); methods.Interrupt(ctx) })
	if err != nil {
		return nil, err
	}
	defer leave()
	k, err := u.keeper(ctx, host, key)
	if err != nil {
		return nil, err
	}
	up, err := k.begin(start)
	if err != nil {
		return nil, err
	}
	keep := k.keep(ctx, up)
	file, err := up.Send(ctx, env, &chunks{next: next})
	keep(err == nil)
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

// enter makes this the one stream that feeds the upload, once the older one has ended.
func (u *uploads) enter(ctx context.Context, key uploadKey, end func()) (leave func(), err error) {
	if key.name == "" {
		return func() {}, nil
	}
	for {
		u.mu.Lock()
		older := u.running[key]
		if older == nil {
			mine := &stream{end: end, done: make(chan struct{})}
			u.running[key] = mine
			u.mu.Unlock()
			return func() {
				u.mu.Lock()
				delete(u.running, key)
				u.mu.Unlock()
				close(mine.done)
			}, nil
		}
		older.end()
		u.mu.Unlock()
		select {
		case <-older.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func optionsOf(start *v1.UploadStart) media.UploadOptions {
	o := media.UploadOptions{ID: start.GetFileId(), Name: start.GetName(), Size: media.SizeUnknown, Photo: start.GetKind() == v1.MediaKind_MEDIA_KIND_PHOTO}
	if start.Size != nil {
		o.Size = start.GetSize()
	}
	return o
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
