package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// saver is an account whose Telegram keeps every part.
type saver struct {
	telegram.Env
	mu    sync.Mutex
	parts int
}

func (*saver) Account() fleet.AccountID { return "a" }

func (s *saver) Invoke(_ context.Context, _ bin.Encoder, out bin.Decoder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts++
	var b bin.Buffer
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

func (u *uploads) savedOf(t *testing.T, env telegram.Env, name string) int64 {
	t.Helper()
	reply, err := u.get(t.Context(), env, &v1.GetUploadRequest{Account: "a", Upload: name})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetOffset()
}

func TestUploadGoesOnUnderItsName(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	u, env := newUploads(func() time.Time { return now }), &saver{}
	broken := errors.New("stream broke")
	if _, err := u.upload(t.Context(), env, begin("x", big, 0), gives(5<<20, broken)); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	at := u.savedOf(t, env, "x")
	if at == 0 || at > 5<<20 {
		t.Fatalf("goes on at %d", at)
	}
	var own *fleet.Error
	if _, err := u.upload(t.Context(), env, begin("x", big, at+512<<10), gives(1, io.EOF)); !errors.As(err, &own) || own.Reason != "UPLOAD_OFFSET" {
		t.Errorf("from another place: %v", err)
	}
	if _, err := u.upload(t.Context(), env, begin("x", big+1, at), gives(1, io.EOF)); !errors.As(err, &own) || own.Reason != "UPLOAD_OFFSET" {
		t.Errorf("another file under its name: %v", err)
	}
	before := env.parts
	reply, err := u.upload(t.Context(), env, begin("x", big, at), gives(big-int(at), io.EOF))
	if err != nil || reply.GetFile().GetSize() != big || env.parts-before != int(big-at)/(512<<10) {
		t.Errorf("%v, %v, %d parts", reply, err, env.parts-before)
	}
	if len(u.kept) != 0 || u.savedOf(t, env, "x") != 0 {
		t.Errorf("%d uploads are kept after the end", len(u.kept))
	}
	// It is not kept for ever.
	if _, err := u.upload(t.Context(), env, begin("y", big, 0), gives(5<<20, broken)); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	now = now.Add(keptFor + time.Second)
	if at := u.savedOf(t, env, "y"); at != 0 {
		t.Errorf("goes on at %d after %s", at, keptFor)
	}
}

// TestNewerStreamEndsTheOlder: a stream whose caller is gone, and which nobody has told so, is not
// waited for.
func TestNewerStreamEndsTheOlder(t *testing.T) {
	u, env := newUploads(time.Now), &saver{}
	waits, interrupted := make(chan struct{}), make(chan struct{})
	ctx := methods.WithInterrupt(t.Context(), func() { close(interrupted) })
	ended := make(chan error, 1)
	go func() {
		sent := false
		_, err := u.upload(ctx, env, begin("x", big, 0), func() (*v1.UploadRequest, error) {
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
	if _, err := u.upload(ctx, env, begin("x", big, 0), gives(big, io.EOF)); err != nil {
		t.Errorf("the newer one: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the older one succeeded")
	}
}

func TestTooManyUploadsForgetTheOldest(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	u, env := newUploads(func() time.Time { return now }), &saver{}
	broken := errors.New("stream broke")
	for i := range maxKept + 2 {
		now = now.Add(time.Second)
		if _, err := u.upload(t.Context(), env, begin(fmt.Sprint(i), big, 0), gives(1<<20, broken)); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	if len(u.kept) > maxKept || u.savedOf(t, env, "0") != 0 || u.savedOf(t, env, fmt.Sprint(maxKept+1)) == 0 {
		t.Errorf("%d uploads are kept", len(u.kept))
	}
}
