package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
)

// chunkSize is how much of a file one message of a stream has.
const chunkSize = 256 << 10

// ReasonInterrupted says that a stream broke and its source cannot be read again.
const ReasonInterrupted Reason = "STREAM_INTERRUPTED"

// UploadOptions describe a file to upload.
type UploadOptions struct {
	// Name is its name; "file" when empty.
	Name string
	// Size is its length in bytes; 0 when it is not known. With a size, limits are checked before
	// anything is sent.
	Size int64
	// FileID is the number of the file at Telegram, positive; 0 = drawn.
	FileID int64
	// Photo has format and dimensions checked before anything is sent.
	Photo bool
	// Progress is told how many bytes the node has taken; they are a little ahead of Telegram's. It is
	// called by the uploading goroutine.
	Progress func(sent int64)
}

// Upload uploads a file from a stream (upload.saveFilePart, upload.saveBigFilePart), in bounded memory.
// A stream that is an io.Seeker and breaks goes on where Telegram has it, at the same node or another
// one; one that is none ends with ReasonInterrupted. Telegram keeps the file for some minutes to hours.
func (a *Account) Upload(ctx context.Context, r io.Reader, o UploadOptions) (*UploadedFile, error) {
	u := &uploading{account: a, source: r, options: o}
	repeat := once
	if s, ok := r.(io.Seeker); ok {
		at, err := s.Seek(0, io.SeekCurrent)
		if err == nil { // pipes have the method, too
			u.seeker, u.begin, u.name, repeat = s, at, rand.Text(), repeatable
		}
	}
	var file *UploadedFile
	err := a.client.do(ctx, repeat, func(ctx context.Context, n *node) (err error) {
		file, err = u.attempt(ctx, n)
		return err
	})
	if u.failed != nil {
		return nil, u.failed
	}
	return file, err
}

// UploadFile uploads a file of this machine; its name and size are used unless o has others.
func (a *Account) UploadFile(ctx context.Context, path string, o UploadOptions) (*UploadedFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return a.Upload(ctx, struct{ io.Reader }{f}, o)
	}
	if info.Size() == 0 {
		return nil, invalid("Telegram keeps no empty files", "%s: has no bytes", path)
	}
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	if o.Size == 0 {
		o.Size = info.Size()
	}
	return a.Upload(ctx, f, o)
}

// uploading is one Upload over its streams.
type uploading struct {
	account *Account
	source  io.Reader
	seeker  io.Seeker // nil: it can be read once
	begin   int64     // where the file begins in the source
	options UploadOptions
	name    string // under which it can go on
	tries   int
	read    bool  // something of the source was read
	failed  error // of the source, which no other try mends
}

// attempt sends the file by one stream.
func (u *uploading) attempt(ctx context.Context, n *node) (*UploadedFile, error) {
	offset, err := u.resume(ctx, n)
	if err != nil {
		return nil, err
	}
	u.tries++
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := n.Media.Upload(ctx)
	if err != nil {
		return nil, err
	}
	start := &v1.UploadStart{Name: u.options.Name, Upload: u.name, Offset: offset, FileId: u.options.FileID}
	if u.options.Size != 0 {
		start.Size = &u.options.Size
	}
	if u.options.Photo {
		start.Kind = AsPhoto
	}
	err = stream.Send(&v1.UploadRequest{Account: u.account.id, Content: &v1.UploadRequest_Start{Start: start}})
	if err == nil {
		err = u.chunks(stream.Send, offset)
	}
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: the node's answer says why
		return nil, err
	}
	reply, err := stream.CloseAndReceive()
	if err != nil {
		return nil, err
	}
	return reply.GetFile(), nil
}

// resume moves the source to where the file goes on.
func (u *uploading) resume(ctx context.Context, n *node) (int64, error) {
	if !u.read {
		return 0, nil
	}
	if u.seeker == nil {
		return 0, &Error{
			Code: fleet.CodeAborted, Reason: ReasonInterrupted, Message: "upload: the stream broke, and its source cannot be read again",
			Remedy: "upload it again, from an io.Seeker such as a file",
		}
	}
	reply, err := n.Media.GetUpload(ctx, &v1.GetUploadRequest{Account: u.account.id, Upload: u.name})
	if err != nil {
		return 0, err
	}
	if _, err := u.seeker.Seek(u.begin+reply.GetOffset(), io.SeekStart); err != nil {
		u.failed = fmt.Errorf("upload: seek in the source: %w", err)
		return 0, &Error{Code: fleet.CodeAborted, Reason: ReasonInterrupted, Message: u.failed.Error()}
	}
	return reply.GetOffset(), nil
}

// chunks sends the bytes of the source; the rest is at offset of the file.
func (u *uploading) chunks(send func(*v1.UploadRequest) error, offset int64) error {
	buf := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(u.source, buf)
		u.read = true
		if n > 0 {
			if err := send(&v1.UploadRequest{Content: &v1.UploadRequest_Chunk{Chunk: buf[:n]}}); err != nil {
				return err
			}
			offset += int64(n)
			if u.options.Progress != nil {
				u.options.Progress(offset)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			u.failed = fmt.Errorf("upload: read the source: %w", err)
			return &Error{Code: fleet.CodeAborted, Reason: ReasonInterrupted, Message: u.failed.Error()}
		}
	}
}
