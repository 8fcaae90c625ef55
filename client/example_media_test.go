package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
)

// demoFiles is demo with a node that sends and reads files.
func demoFiles() (*client.Client, func()) {
	w := newWorld()
	on(w, func(_ context.Context, r *v1.SendFileRequest) (*v1.SendFileReply, error) {
		return &v1.SendFileReply{Message: &v1.Message{Id: 7, Text: r.GetMessage().GetText(), Media: &v1.Media{Kind: "photo"}}}, nil
	})
	on(w, func(_ context.Context, r *v1.SendAlbumRequest) (*v1.SendAlbumReply, error) {
		out := &v1.SendAlbumReply{}
		for i, item := range r.GetItems() {
			out.Messages = append(out.Messages, &v1.Message{Id: int32(8 + i), Text: item.GetCaption().GetText()})
		}
		return out, nil
	})
	streams(w, func(_ context.Context, r *v1.DownloadRequest, send func(*v1.DownloadReply) error) error {
		start := &v1.DownloadStart{Size: 5, Name: "hello.txt", MimeType: "text/plain", FileId: 42}
		return errors.Join(send(&v1.DownloadReply{Content: &v1.DownloadReply_Start{Start: start}}),
			send(&v1.DownloadReply{Content: &v1.DownloadReply_Chunk{Chunk: []byte("hello")}}))
	})
	var done cleanups
	c, err := client.New([]string{w.node(&done).url})
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		c.Close()
		for _, f := range done.list {
			f()
		}
	}
}

func ExampleAccount_SendFile() {
	c, stop := demoFiles()
	defer stop()
	ctx := context.Background()

	// client.Local("view.jpg") uploads a file first; this one Telegram has already.
	view := client.Stored(client.FileOf("@bob", 17)).Spoiler()
	sent, err := c.Account("alice").SendFile(ctx, "@carol", view, client.Text("the view"), client.Silent())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Message.GetId(), sent.Message.GetMedia().GetKind(), sent.Message.GetText())
	// Output: 7 photo the view
}

func ExampleAccount_SendAlbum() {
	c, stop := demoFiles()
	defer stop()
	ctx := context.Background()

	album, err := c.Account("alice").SendAlbum(ctx, "@carol", []client.OutgoingFile{
		client.FromURL("https://example.org/1.jpg").As(client.AsPhoto).Caption(client.Text("one")),
		client.FromURL("https://example.org/2.jpg").As(client.AsPhoto),
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range album.Messages {
		fmt.Printf("%d %q\n", m.GetId(), m.GetText())
	}
	// Output:
	// 8 "one"
	// 9 ""
}

func ExampleAccount_Download() {
	c, stop := demoFiles()
	defer stop()
	ctx := context.Background()

	d, err := c.Account("alice").Download(ctx, client.FileOf("@bob", 17), client.DownloadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	data, err := io.ReadAll(d)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Name, d.Size, string(data))
	// Output: hello.txt 5 hello
}

func ExampleAccount_DownloadToFile() {
	c, stop := demoFiles()
	defer stop()
	ctx := context.Background()

	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	// When it breaks off, the next call goes on with what is there.
	path := filepath.Join(dir, "hello.txt")
	if _, err := c.Account("alice").DownloadToFile(ctx, client.FileOf("@bob", 17), path, client.DownloadOptions{}); err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(data))
	// Output: hello
}
