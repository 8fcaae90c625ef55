package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gotd/td/telegram/downloader"
	"github.com/gotd/td/telegram/uploader"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram/media"
)

// mover is a client that moves files, over its first connection.
type mover interface {
	api() *tg.Client
	upload(ctx context.Context, r io.Reader, size int64) (tg.InputFileClass, error)
	download(ctx context.Context, doc *tg.Document, w io.Writer) error
}

func (o *ours) api() *tg.Client { return tg.NewClient(o.envs[0]) }

func (o *ours) upload(ctx context.Context, r io.Reader, size int64) (tg.InputFileClass, error) {
	f, err := media.NewUpload(media.UploadOptions{Name: "bench", Size: size}).Send(ctx, o.envs[0], r)
	if err != nil {
		return nil, err
	}
	return f.Input(), nil
}

func (o *ours) download(ctx context.Context, doc *tg.Document, w io.Writer) error {
	from := media.Location{Input: doc.AsInputDocumentFileLocation(""), DC: doc.DCID, Size: doc.Size}
	return media.Download(ctx, o.envs[0], from, media.DownloadOptions{}, func(p []byte) error {
		_, err := w.Write(p)
		return err
	})
}

// gotd's uploader and downloader with the part size and parallelism of ours, else as they come.

func (g *gotd) api() *tg.Client { return g.clients[0] }

func (g *gotd) upload(ctx context.Context, r io.Reader, size int64) (tg.InputFileClass, error) {
	u := uploader.NewUploader(g.clients[0]).WithPartSize(media.PartSize).WithThreads(media.DefaultParallel)
	return u.Upload(ctx, uploader.NewUpload("bench", r, size))
}

func (g *gotd) download(ctx context.Context, doc *tg.Document, w io.Writer) error {
	d := downloader.NewDownloader().WithPartSize(media.PartSize)
	_, err := d.Download(g.clients[0], doc.AsInputDocumentFileLocation("")).WithThreads(media.DefaultParallel).Parallel(ctx, counting{w})
	return err
}

// counting is a writer at offsets that gotd writes parts to, in any order.
type counting struct{ w io.Writer }

func (c counting) WriteAt(p []byte, _ int64) (int, error) { return c.w.Write(p) }

const (
	mib        = 1 << 20
	fileSize   = 128 * mib
	fileWarmUp = 16 * mib
	// hugeSize is the most that an account without Premium can send.
	hugeSize = 4000 * media.PartSize
)

// source repeats random bytes, which nothing compresses, without making them.
type source struct {
	data []byte
	at   int
	left int64
}

func newSource(data []byte, size int64) *source { return &source{data: data, left: size} }

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), s.left)], s.data[s.at:])
	s.at, s.left = (s.at+n)%len(s.data), s.left-int64(n)
	return n, nil
}

// sink counts what is written to it, by several goroutines.
type sink struct{ n chan int64 }

func newSink() *sink { s := &sink{make(chan int64, 1)}; s.n <- 0; return s }

// Write implements io.Writer.
func (s *sink) Write(p []byte) (int, error) {
	s.n <- <-s.n + int64(len(p))
	return len(p), nil
}

func (s *sink) is(size int64) error {
	if n := <-s.n; n != size {
		return fmt.Errorf("%d bytes came, %d were sent", n, size)
	}
	return nil
}

// document makes a document of an uploaded file.
func document(ctx context.Context, m mover, file tg.InputFileClass) (*tg.Document, error) {
	got, err := m.api().MessagesUploadMedia(ctx, &tg.MessagesUploadMediaRequest{
		Peer: &tg.InputPeerSelf{}, Media: &tg.InputMediaUploadedDocument{File: file, MimeType: "application/octet-stream"},
	})
	if err != nil {
		return nil, err
	}
	shown, ok := got.(*tg.MessageMediaDocument)
	if !ok {
		return nil, fmt.Errorf("uploaded as a %T", got)
	}
	doc, ok := shown.Document.(*tg.Document)
	if !ok {
		return nil, fmt.Errorf("uploaded as a %T", shown.Document)
	}
	return doc, nil
}

// files measures one upload and one download.
func (t job) files(ctx context.Context, c client) (numbers, error) {
	m, ok := c.(mover)
	if !ok {
		return nil, errors.New("moves no files")
	}
	if err := t.resume(ctx, c); err != nil {
		return nil, err
	}
	data := make([]byte, 8*mib)
	if _, err := rand.Read(data); err != nil {
		return nil, err
	}
	if _, err := m.upload(ctx, newSource(data, fileWarmUp), fileWarmUp); err != nil {
		return nil, err
	}
	out := numbers{}
	var file tg.InputFileClass
	err := out.measure("upload", fileSize, func() (err error) {
		file, err = m.upload(ctx, newSource(data, fileSize), fileSize)
		return err
	})
	if err != nil {
		return nil, err
	}
	doc, err := document(ctx, m, file)
	if err != nil {
		return nil, err
	}
	got := newSink()
	err = out.measure("download", fileSize, func() error { return m.download(ctx, doc, got) })
	return out, errors.Join(err, got.is(fileSize))
}

// measure runs a transfer and notes its CPU in ms for each MB and its MB/s (of 10^6 bytes).
func (n numbers) measure(what string, size int64, run func() error) error {
	cpu, began := cpuTime(), time.Now()
	err := run()
	mb := float64(size) / 1e6
	n[what+"_cpu_ms_mb"] = float64((cpuTime() - cpu).Microseconds()) / 1000 / mb
	n[what+"_mb_s"] = mb / time.Since(began).Seconds()
	return err
}

// huge measures by how much memory grows at most while the largest file is uploaded and downloaded. It
// is of zeros, which take no room in the server; what a client holds does not depend on that.
func (t job) huge(ctx context.Context, c client) (numbers, error) {
	m, ok := c.(mover)
	if !ok {
		return nil, errors.New("moves no files")
	}
	if err := t.resume(ctx, c); err != nil {
		return nil, err
	}
	before := settled()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil { // the peak counts from here
		return nil, err
	}
	file, err := m.upload(ctx, newSource(make([]byte, mib), hugeSize), hugeSize)
	if err != nil {
		return nil, err
	}
	doc, err := document(ctx, m, file)
	if err != nil {
		return nil, err
	}
	got := newSink()
	if err := errors.Join(m.download(ctx, doc, got), got.is(hugeSize)); err != nil {
		return nil, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return numbers{"transfer_peak_mb": float64(kb<<10-before) / 1e6}, err
		}
	}
	return nil, errors.New("/proc/self/status has no VmHWM")
}
