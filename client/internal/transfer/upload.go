package transfer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/nodes"
	"github.com/telefleet/orchestrator/client/internal/retry"
	"github.com/telefleet/orchestrator/fleet"
)

// chunkSize is how much of a file one message of a stream has.
const chunkSize = 256 << 10

// ReasonInterrupted says that a stream broke and its source cannot be read again.
const ReasonInterrupted = "STREAM_INTERRUPTED"

// Upload is one upload over its streams.
type Upload struct {
	// Account is the id of who uploads.
	Account string
	// Source is read to its end. One that is an io.Seeker is read again where the upload goes on.
	Source io.Reader
	// Start says what is uploaded; Offset of it is the room's, and Upload where it is empty.
	Start *v1.UploadStart
	// Progress is told how many bytes the node has taken; may be nil.
	Progress func(sent int64)

	seeker  io.Seeker // nil: it can be read once
	begin   int64     // where the file begins in the source
	resumes bool      // an earlier upload may have begun under the name
	read    bool      // something of the source was read
	most    int64     // bytes that a node has taken
	failed  error     // of the source, which no other try mends
}

// Run uploads.
func (u *Upload) Run(ctx context.Context, c *retry.Caller) (file *v1.UploadedFile, err error) {
	repeat := retry.Once
	if s, ok := u.Source.(io.Seeker); ok {
		at, err := s.Seek(0, io.SeekCurrent)
		if err == nil { // pipes have the method, too
			u.seeker, u.begin, repeat = s, at, retry.Repeatable
		}
	}
	if u.resumes = u.Start.GetUpload() != ""; !u.resumes && u.seeker != nil {
		u.Start.Upload = rand.Text()
	}
	err = c.Move(ctx, repeat, func(ctx context.Context, n *nodes.Node, moved func()) (err error) {
		file, err = u.attempt(ctx, n, moved)
		return err
	})
	if u.failed != nil {
		return nil, u.failed
	}
	return file, err
}

// attempt sends the file by one stream.
func (u *Upload) attempt(ctx context.Context, n *nodes.Node, moved func()) (*v1.UploadedFile, error) {
	offset, err := u.resume(ctx, n)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := n.Media.Upload(ctx)
	if err != nil {
		return nil, err
	}
	u.Start.Offset = offset
	err = stream.Send(&v1.UploadRequest{Account: u.Account, Content: &v1.UploadRequest_Start{Start: u.Start}})
	if err == nil {
		err = u.chunks(stream.Send, offset, moved)
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
func (u *Upload) resume(ctx context.Context, n *nodes.Node) (int64, error) {
	if !u.read && !u.resumes {
		return 0, nil
	}
	if u.seeker == nil {
		return 0, interrupted("upload: the stream broke, and its source cannot be read again").
			WithRemedy("upload it again, from an io.Seeker such as a file")
	}
	reply, err := n.Media.GetUpload(ctx, &v1.GetUploadRequest{Account: u.Account, Upload: u.Start.GetUpload()})
	if err != nil {
		return 0, err
	}
	offset := reply.GetOffset()
	if !u.read && offset > 0 {
		same, err := u.same(offset, reply.Crc32C)
		if err != nil {
			return 0, u.fail("read the source", err)
		}
		if !same {
			offset = 0
		}
	}
	if _, err := u.seeker.Seek(u.begin+offset, io.SeekStart); err != nil {
		return 0, u.fail("seek in the source", err)
	}
	return offset, nil
}

// same reports whether the source begins with what an earlier upload under the name has sent.
func (u *Upload) same(offset int64, want *uint32) (bool, error) {
	if want == nil {
		return false, nil
	}
	if _, err := u.seeker.Seek(u.begin, io.SeekStart); err != nil {
		return false, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.Copy(sum, io.LimitReader(u.Source, offset))
	return n == offset && sum.Sum32() == *want, err
}

// chunks sends the bytes of the source; the rest is at offset of the file.
func (u *Upload) chunks(send func(*v1.UploadRequest) error, offset int64, moved func()) error {
	buf := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(u.Source, buf)
		u.read = true
		if n > 0 {
			if err := send(&v1.UploadRequest{Content: &v1.UploadRequest_Chunk{Chunk: buf[:n]}}); err != nil {
				return err
			}
			if offset += int64(n); offset > u.most {
				u.most = offset
				moved()
			}
			if u.Progress != nil {
				u.Progress(offset)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return u.fail("read the source", err)
		}
	}
}

// fail remembers an error of the source, and ends the tries.
func (u *Upload) fail(doing string, err error) error {
	u.failed = fmt.Errorf("upload: %s: %w", doing, err)
	return interrupted(u.failed.Error())
}

func interrupted(message string) *fleet.Error {
	return fleet.Errorf(fleet.CodeAborted, ReasonInterrupted, "%s", message)
}
