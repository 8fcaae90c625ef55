package client

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/transfer"
	"github.com/telefleet/orchestrator/fleet"
)

// ReasonInterrupted says that a stream broke and its source cannot be read again.
const ReasonInterrupted Reason = transfer.ReasonInterrupted

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
	// Resume is a name of the caller's choice, at most 64 bytes, under which a later upload of the same
	// file from an io.Seeker goes on where Telegram has it, also one by another process, within an hour.
	// A file with other bytes (CRC-32C) and files below 10 MiB begin anew. Empty: one is drawn, and only this upload goes on.
	Resume string
	// Progress is told how many bytes the node has taken; they are a little ahead of Telegram's. It is
	// called by the uploading goroutine.
	Progress func(sent int64)
}

// Upload uploads a file from a stream (upload.saveFilePart, upload.saveBigFilePart), in bounded memory.
// A stream that is an io.Seeker and breaks goes on where Telegram has it, at the same node, also after a
// restart, or at another one; one that is none ends with ReasonInterrupted. It is tried again as long as
// WithRetry says since it last got on. Telegram keeps the file for some minutes to hours.
func (a *Account) Upload(ctx context.Context, r io.Reader, o UploadOptions) (*UploadedFile, error) {
	start := &v1.UploadStart{Name: o.Name, FileId: o.FileID, Upload: o.Resume}
	if o.Size != 0 {
		start.Size = &o.Size
	}
	if o.Photo {
		start.Kind = AsPhoto
	}
	if _, ok := r.(io.Seeker); !ok && o.Resume != "" {
		return nil, invalid("give a file, or no name", "resume: needs a source that is an io.Seeker (got a %T)", r)
	}
	up := &transfer.Upload{Account: a.id, Source: r, Start: start, Progress: o.Progress}
	return up.Run(ctx, a.client.calls)
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

// DownloadOptions change how a file is read.
type DownloadOptions struct {
	// Thumb is the size of a photo or the thumbnail of a document, as Telegram names it (m, x, y, …);
	// empty = the largest one, the whole file.
	Thumb string
	// Offset is where to begin, in bytes.
	Offset int64
	// Progress is told how many bytes of how many are there. It is called by the reading goroutine.
	Progress func(done, size int64)
	// Interrupted is told why the stream is opened again; for logs.
	Interrupted func(error)
}

// Download is a file that is being read. It implements io.ReadCloser; one goroutine uses it.
type Download struct {
	// Size is the whole file's length in bytes.
	Size int64
	// Name and MimeType may be empty.
	Name, MimeType string
	// FileID is Telegram's number of it.
	FileID int64

	reader *transfer.Reader
}

// Read implements io.Reader. io.EOF comes only behind the last byte of the whole file.
func (d *Download) Read(p []byte) (int, error) {
	n, err := d.reader.Read(p)
	return n, typed(err)
}

// Close ends the reading. It may be called more than once.
func (d *Download) Close() error { return d.reader.Close() }

// Download begins to read a file (upload.getFile, upload.getCdnFile). When the connection breaks or the
// node stops, it goes on where it was, at any node, for as long as ctx lasts. The caller closes it.
func (a *Account) Download(ctx context.Context, file FileRef, o DownloadOptions) (*Download, error) {
	r, err := a.download(file, o).Open(ctx)
	if err != nil {
		return nil, typed(err)
	}
	return downloaded(r), nil
}

// DownloadToFile reads a file into one of this machine: into path with the file's number and .partial
// added, which is renamed when it is complete. After an error that file is left, and the next call goes
// on with it.
func (a *Account) DownloadToFile(ctx context.Context, file FileRef, path string, o DownloadOptions) (*Download, error) {
	r, err := a.download(file, o).ToFile(ctx, path)
	if err != nil {
		return nil, typed(err)
	}
	return downloaded(r), nil
}

func (a *Account) download(file FileRef, o DownloadOptions) *transfer.Download {
	return &transfer.Download{
		Caller: a.client.calls, Progress: o.Progress, Interrupted: o.Interrupted,
		Request: &v1.DownloadRequest{Account: a.id, File: file.ref, Thumb: o.Thumb, Offset: o.Offset},
	}
}

func downloaded(r *transfer.Reader) *Download {
	return &Download{
		Size: r.Start.GetSize(), Name: r.Start.GetName(), MimeType: r.Start.GetMimeType(), FileID: r.Start.GetFileId(), reader: r,
	}
}

// typed gives an error of a transfer as one of this package.
func typed(err error) error {
	var own *Error
	var of *fleet.Error
	if !errors.As(err, &own) && errors.As(err, &of) {
		return ofFleet(of)
	}
	return err
}
