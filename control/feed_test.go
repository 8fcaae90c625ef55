package control

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
)

// takesParts answers parts of files, and counts them.
func takesParts(n *atomic.Int64) func(context.Context, bin.Encoder) (bin.Encoder, error) {
	return func(context.Context, bin.Encoder) (bin.Encoder, error) {
		n.Add(1)
		return &tg.BoolTrue{}, nil
	}
}

func uploads(t *testing.T, url string, opts ...connect.ClientOption) *connect.ClientStreamForClientSimple[v1.UploadRequest, v1.UploadReply] {
	t.Helper()
	stream, err := orchestratorv1connect.NewMediaServiceClient(http.DefaultClient, url, opts...).Upload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func started(account string) *v1.UploadRequest {
	return &v1.UploadRequest{Account: account, Content: &v1.UploadRequest_Start{Start: &v1.UploadStart{Name: "a.bin"}}}
}

func piece(n int) *v1.UploadRequest {
	return &v1.UploadRequest{Content: &v1.UploadRequest_Chunk{Chunk: make([]byte, n)}}
}

// TestClientStreamGoesToTheOwner: the first message names the account, and the rest follows it.
func TestClientStreamGoesToTheOwner(t *testing.T) {
	w := newTown(t, "n1", "n2")
	var here, there atomic.Int64
	w.nodes["n1"].on(takesParts(&here))
	w.nodes["n2"].on(takesParts(&there))
	w.move("a", "n2")
	w.open()
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "gRPC-Web": {connect.WithGRPCWeb()}, "JSON": {connect.WithProtoJSON()}} {
		for _, node := range []string{"n1", "n2"} {
			there.Store(0)
			s := uploads(t, w.nodes[node].url, opts...)
			for _, m := range []*v1.UploadRequest{started("a"), piece(300 << 10), piece(300 << 10)} {
				if err := s.Send(m); err != nil {
					t.Fatal(err)
				}
			}
			reply, err := s.CloseAndReceive()
			if err != nil || reply.GetFile().GetSize() != 600<<10 || reply.GetFile().GetParts() != 2 {
				t.Errorf("%s at %s: %v, %v", name, node, reply, err)
			}
			if here.Load() != 0 || there.Load() != 2 {
				t.Errorf("%s at %s: %d parts were saved there, %d here", name, node, there.Load(), here.Load())
			}
		}
	}
}

func TestBadClientStreamsAreRefused(t *testing.T) {
	h := newHouse(t)
	var n atomic.Int64
	h.envs["a"].on = takesParts(&n)
	url, _ := h.start()
	for name, c := range map[string]struct {
		send   []*v1.UploadRequest
		reason string
	}{
		"nothing":           {nil, "REQUEST_INVALID"},
		"no account":        {[]*v1.UploadRequest{started("")}, "ACCOUNT_ID_INVALID"},
		"unknown account":   {[]*v1.UploadRequest{started("b")}, "ACCOUNT_UNKNOWN"},
		"no start":          {[]*v1.UploadRequest{{Account: "a", Content: piece(1).GetContent()}}, "FIELD_INVALID"},
		"two starts":        {[]*v1.UploadRequest{started("a"), started("a")}, "FIELD_INVALID"},
		"long chunk":        {[]*v1.UploadRequest{started("a"), piece(1<<20 + 1)}, "FIELD_INVALID"},
		"no bytes":          {[]*v1.UploadRequest{started("a")}, "FILE_EMPTY"},
		"offset, no upload": {[]*v1.UploadRequest{{Account: "a", Content: &v1.UploadRequest_Start{Start: &v1.UploadStart{Offset: 5}}}}, "FIELD_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			s := uploads(t, url)
			for _, m := range c.send {
				if s.Send(m) != nil {
					break // refused already
				}
			}
			_, err := s.CloseAndReceive()
			if got := reasonOf(t, err); got != c.reason {
				t.Errorf("got %v (%s), want %s", err, got, c.reason)
			}
		})
	}
	if n.Load() != 0 {
		t.Errorf("%d parts were saved", n.Load())
	}
}

func reasonOf(t *testing.T, err error) string {
	t.Helper()
	var answer *connect.Error
	if !errors.As(err, &answer) {
		t.Fatalf("got %v", err)
	}
	return fromConnect(answer).Reason
}

// TestClientStreamEndsWithTheServer: a stream whose caller is silent does not hold up the end.
func TestClientStreamEndsWithTheServer(t *testing.T) {
	h := newHouse(t)
	var n atomic.Int64
	h.envs["a"].on = takesParts(&n)
	url, srv := h.start()
	s := uploads(t, url)
	for _, m := range []*v1.UploadRequest{started("a"), piece(1 << 20), piece(1 << 20)} {
		if err := s.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := s.CloseAndReceive(); err == nil {
		t.Error("the upload succeeded")
	}
}

// TestStalledUploadGivesWay: a stream whose caller says nothing more ends when another one goes on with
// its upload.
func TestStalledUploadGivesWay(t *testing.T) {
	h := newHouse(t)
	taken, once := make(chan struct{}), sync.Once{}
	h.envs["a"].on = func(context.Context, bin.Encoder) (bin.Encoder, error) {
		once.Do(func() { close(taken) })
		return &tg.BoolTrue{}, nil
	}
	url, _ := h.start()
	size := int64(11 << 20)
	named := func() *v1.UploadRequest {
		return &v1.UploadRequest{Account: "a", Content: &v1.UploadRequest_Start{Start: &v1.UploadStart{Name: "a.bin", Upload: "x", Size: &size}}}
	}
	stalled := uploads(t, url)
	for _, m := range []*v1.UploadRequest{named(), piece(1 << 20)} {
		if err := stalled.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	<-taken // it is known by its name
	s := uploads(t, url)
	if err := s.Send(named()); err != nil {
		t.Fatal(err)
	}
	for range 11 {
		if err := s.Send(piece(1 << 20)); err != nil {
			t.Fatal(err)
		}
	}
	if reply, err := s.CloseAndReceive(); err != nil || reply.GetFile().GetSize() != size {
		t.Errorf("%v, %v", reply, err)
	}
	if _, err := stalled.CloseAndReceive(); err == nil {
		t.Error("the stalled one succeeded")
	}
}
