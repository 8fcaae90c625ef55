package media

import (
	"context"
	"crypto/cipher"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"golang.org/x/crypto/chacha20poly1305"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// saver is an account whose Telegram keeps every part.
type saver struct {
	telegram.Env
	mu    sync.Mutex
	parts int
	files map[int64]bool
}

func (*saver) Account() fleet.AccountID { return "a" }

func (s *saver) Invoke(_ context.Context, in bin.Encoder, out bin.Decoder) error {
	var b bin.Buffer
	if err := in.Encode(&b); err != nil {
		return err
	}
	var part tg.UploadSaveBigFilePartRequest
	if err := part.Decode(&b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[int64]bool{}
	}
	s.files[part.FileID] = true
	s.parts++
	b.Reset()
	if err := (&tg.BoolTrue{}).Encode(&b); err != nil {
		return err
	}
	return out.Decode(&b)
}

func begin(name string, size, offset int64) *v1.UploadRequest {
	start := &v1.UploadStart{Name: "a.bin", Upload: name, Offset: offset}
	if size > 0 {
		start.Size = &size
	}
	return &v1.UploadRequest{Account: "a", Content: &v1.UploadRequest_Start{Start: start}}
}

// gives is a stream of n bytes that ends by err.
func gives(n int, err error) func() (*v1.UploadRequest, error) {
	return func() (*v1.UploadRequest, error) {
		if n == 0 {
			return nil, err
		}
		size := min(n, maxChunk)
		n -= size
		return &v1.UploadRequest{Content: &v1.UploadRequest_Chunk{Chunk: make([]byte, size)}}, nil
	}
}

const big = 12 << 20

// node is one that runs account a under a token, with what all nodes share.
type node struct {
	*uploads
	*saver
	host *methods.Host
}

func newNode(t *testing.T, store requests.Store, token fleet.FencingToken, now func() time.Time) *node {
	t.Helper()
	ledger, err := requests.New(requests.Config{
		Store: store,
		Keys: func(context.Context, fleet.AccountID) (cipher.AEAD, error) {
			return chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
		},
		Token: func(context.Context, fleet.AccountID) (fleet.FencingToken, error) { return token, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{uploads: newUploads(now), saver: &saver{}}
	n.host = &methods.Host{Requests: ledger, Env: func(context.Context, fleet.AccountID) (telegram.Env, error) { return n.saver, nil }}
	return n
}

func (n *node) savedOf(t *testing.T, name string) int64 {
	t.Helper()
	reply, err := n.get(t.Context(), n.host, &v1.GetUploadRequest{Account: "a", Upload: name})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetOffset()
}

// TestUploadGoesOnUnderItsName: at another node, too, and after a restart, which forgets what was in memory.
func TestUploadGoesOnUnderItsName(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	now := func() time.Time { return at }
	store := requests.NewMemory(0)
	first := newNode(t, store, 1, now)
	broken := errors.New("stream broke")
	if _, err := first.upload(t.Context(), first.host, begin("x", big, 0), gives(5<<20, broken)); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	n := newNode(t, store, 2, now)
	from := n.savedOf(t, "x")
	if from == 0 || from > 5<<20 || n.savedOf(t, "y") != 0 {
		t.Fatalf("goes on at %d", from)
	}
	var own *fleet.Error
	for what, start := range map[string]*v1.UploadRequest{
		"further on": begin("x", big, from+512<<10), "within a part": begin("x", big, from-1), "another file": begin("x", big+1, from), "another name": begin("y", big, from),
	} {
		if _, err := n.upload(t.Context(), n.host, start, gives(1, io.EOF)); !errors.As(err, &own) || own.Reason != "UPLOAD_OFFSET" {
			t.Errorf("%s: %v", what, err)
		}
	}
	reply, err := n.upload(t.Context(), n.host, begin("x", big, from), gives(big-int(from), io.EOF))
	if err != nil || reply.GetFile().GetSize() != big || reply.GetFile().GetParts() != big/(512<<10) || n.parts != int(big-from)/(512<<10) {
		t.Errorf("%v, %v, %d parts", reply, err, n.parts)
	}
	if ids := fileIDs(first.saver, n.saver); len(ids) != 1 || !ids[reply.GetFile().GetId()] {
		t.Errorf("the parts are of files %v, the reply of %d", ids, reply.GetFile().GetId())
	}
	if n.savedOf(t, "x") != 0 {
		t.Error("the upload is kept after its end")
	}
	// It is not kept for ever.
	if _, err := n.upload(t.Context(), n.host, begin("y", big, 0), gives(5<<20, broken)); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if n.savedOf(t, "y") == 0 {
		t.Error("it is not kept at all")
	}
	at = at.Add(keptFor + time.Second)
	if at := n.savedOf(t, "y"); at != 0 {
		t.Errorf("goes on at %d after %s", at, keptFor)
	}
}

// TestKilledNodeHasNotedWhatWasSaved: the note is written while the upload runs, not at its end.
func TestKilledNodeHasNotedWhatWasSaved(t *testing.T) {
	store := requests.NewMemory(0)
	killed, n := newNode(t, store, 1, time.Now), newNode(t, store, 2, time.Now)
	ctx, kill := context.WithCancel(t.Context())
	ended, blocked := make(chan error, 1), make(chan struct{})
	give := gives(11<<20, nil)
	go func() {
		left := 11
		_, err := killed.upload(ctx, killed.host, begin("x", big, 0), func() (*v1.UploadRequest, error) {
			if left == 0 {
				close(blocked)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			left--
			return give()
		})
		ended <- err
	}()
	<-blocked
	for n.savedOf(t, "x") != 11<<20 { // the last parts, and then their note, are on their way
		runtime.Gosched()
	}
	kill()
	if err := <-ended; err == nil {
		t.Error("the killed upload succeeded")
	}
	if _, err := n.upload(t.Context(), n.host, begin("x", big, 11<<20), gives(1<<20, io.EOF)); err != nil || n.parts != 2 {
		t.Errorf("%v, %d parts", err, n.parts)
	}
}

// TestShrunkenFileIsRefused: what follows is not the file that began.
func TestShrunkenFileIsRefused(t *testing.T) {
	store := requests.NewMemory(0)
	n := newNode(t, store, 1, time.Now)
	broken := errors.New("stream broke")
	if _, err := n.upload(t.Context(), n.host, begin("x", 0, 0), gives(12<<20, broken)); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if n.savedOf(t, "x") < 5<<20 {
		t.Fatalf("goes on at %d", n.savedOf(t, "x"))
	}
	var own *fleet.Error
	if _, err := n.upload(t.Context(), n.host, begin("x", 0, 5<<20), gives(1<<20, io.EOF)); !errors.As(err, &own) || own.Reason != "FILE_SIZE_WRONG" {
		t.Errorf("got %v", err)
	}
}

// TestNewerStreamEndsTheOlder: a stream whose caller is gone, and which nobody has told so, is not
// waited for.
func TestNewerStreamEndsTheOlder(t *testing.T) {
	n := newNode(t, requests.NewMemory(0), 1, time.Now)
	waits, interrupted := make(chan struct{}), make(chan struct{})
	ctx := methods.WithInterrupt(t.Context(), func() { close(interrupted) })
	ended := make(chan error, 1)
	go func() {
		sent := false
		_, err := n.upload(ctx, n.host, begin("x", big, 0), func() (*v1.UploadRequest, error) {
			if !sent {
				sent = true
				return gives(1, io.EOF)()
			}
			close(waits)
			<-interrupted
			return nil, context.Canceled
		})
		ended <- err
	}()
	<-waits
	if _, err := n.upload(ctx, n.host, begin("x", big, 0), gives(big, io.EOF)); err != nil {
		t.Errorf("the newer one: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the older one succeeded")
	}
	if len(n.running) != 0 {
		t.Errorf("%d streams are left", len(n.running))
	}
}

// TestUploadNeedsNoStoreOfRequests: on a server that keeps none, and without a name, it cannot go on.
func TestUploadNeedsNoStoreOfRequests(t *testing.T) {
	n := newNode(t, requests.NewMemory(0), 1, time.Now)
	n.host.Requests = nil
	if _, err := n.upload(t.Context(), n.host, begin("x", big, 0), gives(big, io.EOF)); err != nil {
		t.Error(err)
	}
	if n.savedOf(t, "x") != 0 {
		t.Error("it is kept")
	}
}

// fileIDs are the files that parts were saved of.
func fileIDs(all ...*saver) map[int64]bool {
	ids := map[int64]bool{}
	for _, s := range all {
		for id := range s.files {
			ids[id] = true
		}
	}
	return ids
}
