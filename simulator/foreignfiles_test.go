package simulator_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/telegram/downloader"
	"github.com/gotd/td/telegram/uploader"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator"
)

// signedIn runs f as a user of a foreign client.
func signedIn(ctx context.Context, t *testing.T, sim *simulator.Simulator, u simulator.User, f func(context.Context, *telegram.Client) error) {
	t.Helper()
	client := foreignClient(t, sim, u.HomeDC, nil)
	err := client.Run(ctx, func(ctx context.Context) error {
		flow := auth.NewFlow(auth.Constant(u.Phone, "", codeOf(sim, u.Phone)), auth.SendCodeOptions{})
		if err := client.Auth().IfNecessary(ctx, flow); err != nil {
			return err
		}
		return f(ctx, client)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignClientMovesFiles has gotd's uploader and downloader move files of every size over the
// simulator, also by a client whose home is another DC.
func TestForeignClientMovesFiles(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1, 2}, Seed: 21})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Username: "annie", HomeDC: 2})
	bob := addUser(t, sim, simulator.UserSpec{Phone: "+15550002", FirstName: "Bob", Username: "bobby", HomeDC: 1})
	sent := map[string][]byte{}
	rng := rand.NewChaCha8([32]byte{1})
	signedIn(ctx, t, sim, ann, func(ctx context.Context, client *telegram.Client) error {
		api := client.API()
		found, err := api.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: "bobby"})
		if err != nil {
			return err
		}
		hash, _ := found.Users[0].(*tg.User).GetAccessHash()
		for i, size := range []int{1, 1 << 17, 512<<10 + 1, 10<<20 + 77} {
			data := make([]byte, size)
			_, _ = rng.Read(data) // never fails
			name := string(rune('a'+i)) + ".bin"
			file, err := uploader.NewUploader(api).FromBytes(ctx, name, data)
			if err != nil {
				return err
			}
			sent[name] = data
			if _, err = api.MessagesSendMedia(ctx, &tg.MessagesSendMediaRequest{
				Peer: &tg.InputPeerUser{UserID: bob.ID, AccessHash: hash}, Message: "caption", RandomID: int64(i + 1),
				Media: &tg.InputMediaUploadedDocument{File: file, MimeType: "application/octet-stream"},
			}); err != nil {
				return err
			}
		}
		return nil
	})
	signedIn(ctx, t, sim, bob, func(ctx context.Context, client *telegram.Client) error {
		api := client.API()
		found, err := api.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: "annie"})
		if err != nil {
			return err
		}
		hash, _ := found.Users[0].(*tg.User).GetAccessHash()
		history, err := api.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: &tg.InputPeerUser{UserID: ann.ID, AccessHash: hash}, Limit: 10})
		if err != nil {
			return err
		}
		messages := history.(*tg.MessagesMessages).Messages
		for _, m := range messages {
			doc := m.(*tg.Message).Media.(*tg.MessageMediaDocument).Document.(*tg.Document)
			name := doc.Attributes[0].(*tg.DocumentAttributeFilename).FileName
			var got bytes.Buffer
			if _, err := downloader.NewDownloader().Download(api, doc.AsInputDocumentFileLocation("")).Stream(ctx, &got); err != nil {
				return err
			}
			if !bytes.Equal(got.Bytes(), sent[name]) || doc.DCID != 2 {
				t.Errorf("%s of DC %d: %d bytes of %d", name, doc.DCID, got.Len(), len(sent[name]))
			}
			delete(sent, name)
		}
		return nil
	})
	if len(sent) != 0 {
		t.Errorf("%d files did not arrive", len(sent))
	}
}
