package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/faultproxy"
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// partsSeen counts how often each part of a big file came to the simulator.
type partsSeen struct {
	mu    sync.Mutex
	times map[int]int
}

func (p *partsSeen) look(call *mtserver.Call) (int, string) {
	var part tg.UploadSaveBigFilePartRequest
	if call.Constructor() == tg.UploadSaveBigFilePartRequestTypeID && part.Decode(&bin.Buffer{Buf: call.Body}) == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.times[part.FilePart]++
	}
	return 0, ""
}

// TestUploadGoesOnAfterItsNodeIsKilled: kill -9 in the middle of a file. The SDK's call goes on by itself at the
// restarted node, behind what the killed one has noted, and the file at Telegram is whole.
func TestUploadGoesOnAfterItsNodeIsKilled(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	f := newNode(t, dcFile)
	node := f.serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	former := node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE).GetStatus().GetNode()
	seen := &partsSeen{times: map[int]int{}}
	sim.Faults().SetRPCHook(seen.look)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	proxy, err := faultproxy.Start(ctx, strings.TrimPrefix(node.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	sdk, err := client.New([]string{"http://" + proxy.Addr()}, client.WithRetry(2*patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sdk.Close)

	const size, killAt, noted = 24<<20 + 7, 14 << 20, 8 << 20
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{24}).Read(data) // never fails
	killed := make(chan struct{})
	again := int64(-1) // where it went on
	options := client.UploadOptions{Name: "big.bin", Size: size, Resume: "the film", Progress: func(sent int64) {
		select {
		case <-killed:
			if again < 0 {
				again = sent
			}
			return
		default:
		}
		if sent < killAt {
			return
		}
		media := orchestratorv1connect.NewMediaServiceClient(http.DefaultClient, node.url)
		for { // the node notes it soon
			reply, err := media.GetUpload(ctx, &v1.GetUploadRequest{Account: "anna", Upload: "the film"})
			if err != nil {
				t.Errorf("ask the node: %v", err)
				break
			}
			if reply.GetOffset() >= noted {
				break
			}
		}
		node.kill()
		close(killed)
	}}
	type outcome struct {
		file *client.UploadedFile
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		file, err := sdk.Account("anna").Upload(ctx, bytes.NewReader(data), options)
		done <- outcome{file, err}
	}()
	select {
	case <-killed:
	case o := <-done:
		t.Fatalf("the upload ended before the kill: %v, %v", o.file, o.err)
	}
	node = f.serve()
	node.awaitOnlineAgain("anna", former)
	proxy.Retarget(strings.TrimPrefix(node.url, "http://"))
	o := <-done
	if o.err != nil {
		t.Fatal(o.err)
	}
	if again <= noted {
		t.Errorf("it went on at %d, though %d had been noted", again, noted)
	}
	seen.mu.Lock()
	for index := range noted / (512 << 10) {
		if n := seen.times[index]; n != 1 {
			t.Errorf("part %d was sent %d times", index, n)
		}
	}
	seen.mu.Unlock()
	sent, err := sdk.Account("anna").SendFile(ctx, "me", client.Uploaded(o.file), nil)
	if err != nil {
		t.Fatal(err)
	}
	var content []byte
	sim.Files(func(s *files.Store) { content, err = s.Content(sent.Message.GetMedia().GetFileId()) })
	if err != nil || !bytes.Equal(content, data) {
		t.Errorf("Telegram has %d of %d bytes, or others: %v", len(content), size, err)
	}
	// What cannot be read again cannot go on under a name.
	var own *client.Error
	if _, err := sdk.Account("anna").Upload(ctx, struct{ io.Reader }{bytes.NewReader(data)}, options); !errors.As(err, &own) || own.Reason != client.ReasonOptions {
		t.Errorf("a source without Seek: %v", err)
	}
}
