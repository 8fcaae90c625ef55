package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
)

// downloadBlock is what offsets of downloads are multiples of.
const downloadBlock = 512 << 10

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

	next func() ([]byte, error, bool)
	stop func()
	rest []byte
	err  error
}

// Read implements io.Reader. io.EOF comes only behind the last byte of the whole file.
func (d *Download) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		data, err, more := d.next()
		switch {
		case !more:
			d.err = io.EOF
		case err != nil:
			d.err = err
		}
		d.rest = data
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// Close ends the reading. It may be called more than once.
func (d *Download) Close() error {
	d.stop()
	d.rest, d.err = nil, os.ErrClosed
	return nil
}

// Download begins to read a file (upload.getFile, upload.getCdnFile). When the connection breaks or the
// node stops, it goes on where it was, at any node, for as long as ctx lasts. The caller closes it.
func (a *Account) Download(ctx context.Context, file FileRef, o DownloadOptions) (*Download, error) {
	d := &Download{}
	r := &reading{account: a, file: file.ref, options: o, at: o.Offset, download: d}
	d.next, d.stop = iter.Pull2(r.chunks(ctx))
	data, err, more := d.next()
	if err != nil || !more {
		d.stop()
		return nil, err
	}
	d.rest = data
	return d, nil
}

// DownloadToFile reads a file into one of this machine: into path with the file's number and .partial
// added, which is renamed when it is complete. After an error that file is left, and the next call goes
// on with it.
func (a *Account) DownloadToFile(ctx context.Context, file FileRef, path string, o DownloadOptions) (*Download, error) {
	d, err := a.Download(ctx, file, o)
	if err != nil {
		return nil, err
	}
	defer func() { d.Close() }()
	partial := fmt.Sprintf("%s.%d.partial", path, d.FileID)
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() >= downloadBlock && o.Offset == 0 {
		d.Close()
		if o.Offset = min(info.Size(), d.Size) / downloadBlock * downloadBlock; o.Offset == d.Size {
			o.Offset -= downloadBlock // the last block again, so that there is something to read
		}
		if d, err = a.Download(ctx, file, o); err != nil {
			return nil, err
		}
	}
	if _, err := f.Seek(o.Offset, io.SeekStart); err != nil {
		return nil, err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, d, make([]byte, chunkSize)); err != nil {
		return nil, err
	}
	err = errors.Join(f.Truncate(d.Size), f.Sync(), f.Close())
	if err != nil {
		return nil, err
	}
	return d, os.Rename(partial, path)
}

// reading is one Download over its streams.
type reading struct {
	account  *Account
	file     *v1.FileRef
	options  DownloadOptions
	download *Download
	at       int64 // of the file, read so far
	skip     int64 // bytes of the present stream that were read before
	started  bool
}

// chunks yields the pieces of the file, an empty one first, once it is known which file it is.
func (r *reading) chunks(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, stop := r.account.client.bind(ctx)
		defer stop()
		stopped := false
		var failed error
		f := &feed[v1.DownloadReply]{
			client: r.account.client, ends: true, interrupted: r.options.Interrupted,
			open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.DownloadReply], error) {
				from := r.at / downloadBlock * downloadBlock
				r.skip = r.at - from
				return n.Media.Download(ctx, &v1.DownloadRequest{Account: r.account.id, File: r.file, Thumb: r.options.Thumb, Offset: from})
			},
			take: func(reply *v1.DownloadReply) bool {
				if start := reply.GetStart(); start != nil {
					if failed = r.begin(start); failed != nil {
						return false
					}
					if r.started {
						return true
					}
					r.started = true
					stopped = !yield(nil, nil)
					return !stopped
				}
				data := reply.GetChunk()
				known := min(r.skip, int64(len(data)))
				data, r.skip = data[known:], r.skip-known
				if r.at += int64(len(data)); r.options.Progress != nil {
					r.options.Progress(r.at, r.download.Size)
				}
				stopped = len(data) > 0 && !yield(data, nil)
				return !stopped
			},
		}
		err := f.run(ctx)
		switch {
		case stopped:
			return
		case failed != nil:
			err = failed
		case err == nil && r.at != r.download.Size:
			err = badReply("download: ended after %d of %d bytes", r.at, r.download.Size)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// begin looks whether a stream is of the file that is being read.
func (r *reading) begin(start *v1.DownloadStart) error {
	d := r.download
	if !r.started {
		d.Size, d.Name, d.MimeType, d.FileID = start.GetSize(), start.GetName(), start.GetMimeType(), start.GetFileId()
		return nil
	}
	if d.FileID != start.GetFileId() || d.Size != start.GetSize() {
		return &Error{
			Code: fleet.CodeAborted, Reason: "FILE_CHANGED", Message: "download: the message has another file now",
			Remedy: "begin anew",
		}
	}
	return nil
}
