package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/nodes"
	"github.com/telefleet/orchestrator/client/internal/retry"
	"github.com/telefleet/orchestrator/fleet"
)

// downloadBlock is what offsets of downloads are multiples of.
const downloadBlock = 512 << 10

// Download says what to read.
type Download struct {
	Caller *retry.Caller
	// Request names account, file and thumbnail; Offset is where to begin.
	Request *v1.DownloadRequest
	// Progress is told how many bytes of how many are there; may be nil.
	Progress func(done, size int64)
	// Interrupted is told why the stream is opened again; may be nil.
	Interrupted func(error)
}

// Open begins to read. The caller closes the reader.
func (d *Download) Open(ctx context.Context) (*Reader, error) {
	return d.openAt(ctx, d.Request.GetOffset())
}

func (d *Download) openAt(ctx context.Context, offset int64) (*Reader, error) {
	r := &reading{Download: d, at: offset}
	out := &Reader{}
	out.next, out.stop = iter.Pull2(r.chunks(ctx))
	data, err, more := out.next()
	if err != nil || !more {
		out.stop()
		return nil, err
	}
	out.rest, out.Start = data, r.start
	return out, nil
}

// ToFile reads into a file of this machine: into path with the file's number and .partial added, which is
// renamed when it is complete. What a former call left there is not read again. It returns a closed reader.
func (d *Download) ToFile(ctx context.Context, path string) (*Reader, error) {
	r, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	start, offset := r.Start, d.Request.GetOffset()
	partial := fmt.Sprintf("%s.%d.partial", path, start.GetFileId())
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() >= downloadBlock && offset == 0 {
		r.Close()
		if offset = min(info.Size(), start.GetSize()) / downloadBlock * downloadBlock; offset == start.GetSize() {
			offset -= downloadBlock // the last block again, so that there is something to read
		}
		rest, err := d.openAt(ctx, offset)
		if err != nil {
			return nil, err
		}
		r = rest
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, chunkSize)); err != nil {
		return nil, err
	}
	err = errors.Join(f.Truncate(start.GetSize()), f.Sync(), f.Close())
	if err != nil {
		return nil, err
	}
	return r, os.Rename(partial, path)
}

// Reader is a file that is being read. It implements io.ReadCloser.
type Reader struct {
	// Start says which file it is.
	Start *v1.DownloadStart

	next func() ([]byte, error, bool)
	stop func()
	rest []byte
	err  error
}

// Read implements io.Reader. io.EOF comes only behind the last byte of the whole file.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		data, err, more := r.next()
		switch {
		case !more:
			r.err = io.EOF
		case err != nil:
			r.err = err
		}
		r.rest = data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close ends the reading. It may be called more than once.
func (r *Reader) Close() error {
	r.stop()
	r.rest, r.err = nil, os.ErrClosed
	return nil
}

// reading is one Reader over its streams.
type reading struct {
	*Download
	at    int64             // of the file, read so far
	skip  int64             // bytes of the present stream that were read before
	start *v1.DownloadStart // of the first stream
}

// chunks yields the pieces of the file, an empty one first, once it is known which file it is.
func (r *reading) chunks(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		stopped := false
		var failed error
		f := &retry.Feed[v1.DownloadReply]{
			Caller: r.Caller, Ends: true, Interrupted: r.Interrupted,
			Open: r.open,
			Take: func(reply *v1.DownloadReply) bool {
				first := r.start == nil
				if start := reply.GetStart(); start != nil {
					failed = r.begin(start)
				}
				if failed != nil {
					return false
				}
				data := r.fresh(reply.GetChunk())
				stopped = (first || len(data) > 0) && !yield(data, nil)
				return !stopped
			},
		}
		err := f.Run(ctx)
		switch {
		case stopped:
			return
		case failed != nil:
			err = failed
		case err == nil && (r.start == nil || r.at != r.start.GetSize()):
			err = fleet.Errorf(fleet.CodeInternal, "REPLY_INVALID", "download: ended after %d of %d bytes", r.at, r.start.GetSize()).
				WithRemedy("use a client of the node's version")
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// open opens a stream where the former one ended.
func (r *reading) open(ctx context.Context, n *nodes.Node) (*connect.ServerStreamForClient[v1.DownloadReply], error) {
	from := r.at / downloadBlock * downloadBlock
	r.skip = r.at - from
	return n.Media.Download(ctx, &v1.DownloadRequest{
		Account: r.Request.GetAccount(), File: r.Request.GetFile(), Thumb: r.Request.GetThumb(), Offset: from,
	})
}

// begin looks whether a stream is of the file that is being read.
func (r *reading) begin(start *v1.DownloadStart) error {
	if r.start == nil {
		r.start = start
	}
	if r.start.GetFileId() != start.GetFileId() || r.start.GetSize() != start.GetSize() {
		return fleet.Errorf(fleet.CodeAborted, "FILE_CHANGED", "download: the message has another file now").WithRemedy("begin anew")
	}
	return nil
}

// fresh is what of a piece was not read before.
func (r *reading) fresh(data []byte) []byte {
	known := min(r.skip, int64(len(data)))
	r.skip -= known
	if r.at += int64(len(data)) - known; len(data) > 0 && r.Progress != nil {
		r.Progress(r.at, r.start.GetSize())
	}
	return data[known:]
}
