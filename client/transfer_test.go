package client_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

// TestDownloadThatCannotGoOnSaysWhy: what is there of a file is found, but the rest is refused.
func TestDownloadThatCannotGoOnSaysWhy(t *testing.T) {
	const block = 512 << 10
	w := newWorld()
	streams(w, func(_ context.Context, r *v1.DownloadRequest, send func(*v1.DownloadReply) error) error {
		if r.GetOffset() != 0 {
			return fleet.Errorf(fleet.CodeNotFound, "MESSAGE_UNKNOWN", "message: is gone")
		}
		start := &v1.DownloadStart{Size: 3 * block, FileId: 42}
		return errors.Join(send(&v1.DownloadReply{Content: &v1.DownloadReply_Start{Start: start}}),
			send(&v1.DownloadReply{Content: &v1.DownloadReply_Chunk{Chunk: make([]byte, block)}}))
	})
	path := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(path+".42.partial", make([]byte, block), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := dial(t, w.node(t)).Account("a").DownloadToFile(t.Context(), client.FileOf("me", 1), path, client.DownloadOptions{})
	if !errors.Is(err, client.Reason("MESSAGE_UNKNOWN")) {
		t.Errorf("got %v", err)
	}
}

// TestDownloadChecksWhatItIsGiven: a stream that says nothing or ends early is no file.
func TestDownloadChecksWhatItIsGiven(t *testing.T) {
	for name, c := range map[string]struct {
		start  *v1.DownloadStart
		reason client.Reason
	}{
		"nothing": {nil, client.ReasonReply},
		"early":   {&v1.DownloadStart{Size: 9, FileId: 42}, client.ReasonReply},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			streams(w, func(_ context.Context, _ *v1.DownloadRequest, send func(*v1.DownloadReply) error) error {
				if c.start == nil {
					return nil
				}
				return errors.Join(send(&v1.DownloadReply{Content: &v1.DownloadReply_Start{Start: c.start}}),
					send(&v1.DownloadReply{Content: &v1.DownloadReply_Chunk{Chunk: []byte("short")}}))
			})
			_, err := dial(t, w.node(t)).Account("a").DownloadToFile(t.Context(), client.FileOf("me", 1), filepath.Join(t.TempDir(), "f"), client.DownloadOptions{})
			var typed *client.Error
			if !errors.As(err, &typed) || typed.Reason != c.reason {
				t.Errorf("got %T: %v", err, err)
			}
		})
	}
}
