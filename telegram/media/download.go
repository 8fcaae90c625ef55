package media

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Location is where a file lies at Telegram.
type Location struct {
	// Input names the file. Its file reference may have expired: see DownloadOptions.Refresh.
	Input tg.InputFileLocationClass
	// DC is where it lies; 0 = the home DC, which tells where if it is another one.
	DC int
	// Size is its length in bytes, or SizeUnknown.
	Size int64
}

// DownloadOptions change how a file is read.
type DownloadOptions struct {
	// Offset is where to begin, in bytes; a multiple of DownloadBlock.
	Offset int64
	// Parallel is how many parts are asked for at once; 0 = DefaultParallel.
	Parallel int
	// Refresh finds the location again after its file reference has expired; nil: that is an error.
	Refresh func(context.Context) (Location, error)
}

// DownloadBlock is what offsets of downloads are multiples of: a part of PartSize never crosses a
// MiB then.
const DownloadBlock = PartSize

// maxRefreshes bounds how often one part is asked for with a new file reference.
const maxRefreshes = 3

// Download reads a file (upload.getFile on its DC, upload.getCdnFile where Telegram sends us to a
// CDN, with every hash checked) and gives it to write piece by piece, in order; write may keep
// nothing. At most Parallel parts are in memory. A file of another length than its location says is
// an error.
func Download(ctx context.Context, env telegram.Env, from Location, o DownloadOptions, write func([]byte) error) error {
	if o.Offset < 0 || o.Offset%DownloadBlock != 0 {
		return fleet.Errorf(fleet.CodeInvalidArgument, "OFFSET_INVALID", "offset: must be a multiple of %d (got %d)", DownloadBlock, o.Offset).
			WithRemedy("begin at a multiple and drop what you have already")
	}
	if from.Size != SizeUnknown && o.Offset >= from.Size {
		if o.Offset == from.Size {
			return nil
		}
		return fleet.Errorf(fleet.CodeOutOfRange, "OFFSET_INVALID", "offset: is behind the end of the file of %d bytes (got %d)", from.Size, o.Offset).
			WithRemedy("begin anew: it is another file")
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if from.Size == SizeUnknown {
		o.Parallel = 1 // nobody knows which parts there are
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &download{env: env, from: from, refresh: o.Refresh}
	defer d.running.Wait()
	defer cancel()
	return d.run(ctx, o, write)
}

// download is one Download.
type download struct {
	env     telegram.Env
	refresh func(context.Context) (Location, error)
	running sync.WaitGroup

	mu      sync.Mutex
	from    Location
	version int // of from
	cdn     *cdn
}

type piece struct {
	data []byte
	err  error
}

// run keeps parts on their way in a ring and takes the oldest.
func (d *download) run(ctx context.Context, o DownloadOptions, write func([]byte) error) error {
	size := d.from.Size
	next, at := o.Offset, o.Offset
	var ring []chan piece
	for {
		for len(ring) < o.Parallel && (size == SizeUnknown || next < size) {
			ring = append(ring, d.start(ctx, next))
			next += PartSize
		}
		if len(ring) == 0 {
			return nil
		}
		var got piece
		select {
		case got = <-ring[0]:
		case <-ctx.Done():
			return ctx.Err()
		}
		ring = ring[1:]
		if got.err != nil {
			return got.err
		}
		last := size == SizeUnknown && len(got.data) < PartSize
		if size != SizeUnknown && int64(len(got.data)) != min(PartSize, size-at) {
			return fleet.Errorf(fleet.CodeAborted, "FILE_SIZE_WRONG", "file: has %d bytes at %d where %d were announced",
				len(got.data), at, min(PartSize, size-at)).WithRemedy("begin anew: the file may have changed")
		}
		if len(got.data) > 0 {
			if err := write(got.data); err != nil {
				return err
			}
		}
		if at += int64(len(got.data)); last {
			return nil
		}
	}
}

func (d *download) start(ctx context.Context, offset int64) chan piece {
	out := make(chan piece, 1)
	d.running.Go(func() {
		data, err := d.part(ctx, offset)
		out <- piece{data, err}
	})
	return out
}

// part reads one part, wherever it is.
func (d *download) part(ctx context.Context, offset int64) ([]byte, error) {
	for tries := 0; ; tries++ {
		d.mu.Lock()
		from, version, cdn := d.from, d.version, d.cdn
		d.mu.Unlock()
		if cdn != nil {
			data, err := cdn.part(ctx, offset)
			if !isReason(err, "FILE_TOKEN_INVALID", "REQUEST_TOKEN_INVALID") || tries >= maxRefreshes {
				return data, err
			}
			d.leave(cdn) // the file's own DC gives a new token
			continue
		}
		data, redirect, err := d.master(ctx, from, offset)
		switch {
		case redirect != nil:
			d.follow(from, redirect)
		case err == nil:
			return data, nil
		case !expired(err) || d.refresh == nil || tries >= maxRefreshes:
			return nil, err
		default:
			if err := d.renew(ctx, version); err != nil {
				return nil, err
			}
		}
	}
}

func isReason(err error, reasons ...string) bool {
	var own *fleet.Error
	if !errors.As(err, &own) {
		return false
	}
	for _, r := range reasons {
		if own.Reason == r {
			return true
		}
	}
	return false
}

// expired reports whether a file reference is no longer good (FILE_REFERENCE_EXPIRED, _EMPTY,
// _INVALID, FILE_REFERENCE_0_EXPIRED).
func expired(err error) bool {
	var own *fleet.Error
	return errors.As(err, &own) && strings.HasPrefix(own.Reason, "FILE_REFERENCE_")
}

// renew finds the file's location again, unless another part has done so.
func (d *download) renew(ctx context.Context, version int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.version != version {
		return nil
	}
	from, err := d.refresh(ctx)
	if err != nil {
		return fmt.Errorf("refresh the file's reference: %w", err)
	}
	if from.Size != d.from.Size {
		return fleet.Errorf(fleet.CodeAborted, "FILE_CHANGED", "file: has %d bytes now, %d before", from.Size, d.from.Size).
			WithRemedy("begin anew: the message has another file")
	}
	d.from, d.version = from, version+1
	return nil
}

// follow goes to a CDN, unless another part has done so.
func (d *download) follow(from Location, to *tg.UploadFileCDNRedirect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cdn == nil {
		d.cdn = newCDN(d.env, from, to)
	}
}

func (d *download) leave(c *cdn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cdn == c {
		d.cdn = nil
	}
}

// master asks the file's own DC.
func (d *download) master(ctx context.Context, from Location, offset int64) ([]byte, *tg.UploadFileCDNRedirect, error) {
	req := &tg.UploadGetFileRequest{CDNSupported: true, Location: from.Input, Offset: offset, Limit: PartSize}
	var got fileAnswer
	if err := d.env.InvokeOn(ctx, from.DC, req, &got); err != nil {
		return nil, nil, telegram.TypedError(req.TypeName(), err)
	}
	return got.data, got.redirect, nil
}

// fileAnswer reads upload.File. The bytes are those of the answer, not a copy.
type fileAnswer struct {
	data     []byte
	redirect *tg.UploadFileCDNRedirect
}

// Decode implements bin.Decoder.
func (a *fileAnswer) Decode(b *bin.Buffer) error {
	id, err := b.PeekID()
	if err != nil {
		return err
	}
	if id == tg.UploadFileCDNRedirectTypeID {
		a.redirect = &tg.UploadFileCDNRedirect{}
		return a.redirect.Decode(b)
	}
	if err := b.ConsumeID(tg.UploadFileTypeID); err != nil {
		return err
	}
	if _, err := tg.DecodeStorageFileType(b); err != nil {
		return err
	}
	if _, err := b.Int(); err != nil { // mtime
		return err
	}
	a.data, err = bytesOf(b)
	return err
}

// bytesOf takes TL bytes out of a buffer without copying them.
func bytesOf(b *bin.Buffer) ([]byte, error) {
	in := b.Buf
	if len(in) == 0 {
		return nil, errCut
	}
	n, at := int(in[0]), shortLength
	if n == 0xfe {
		if len(in) < longLength {
			return nil, errCut
		}
		n, at = int(in[1])|int(in[2])<<8|int(in[3])<<16, longLength
	}
	end := at + n
	if n == 0xff || end > len(in) {
		return nil, errCut
	}
	b.Buf = in[min(len(in), (end+3)/4*4):]
	return in[at:end:end], nil
}

var errCut = errors.New("bytes: are cut off")
