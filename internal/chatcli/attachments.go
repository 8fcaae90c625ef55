package chatcli

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// kinds are as what files can be sent.
var kinds = map[string]client.MediaKind{
	"photo": client.AsPhoto, "document": client.AsDocument, "video": client.AsVideo, "audio": client.AsAudio,
	"voice": client.AsVoice, "animation": client.AsAnimation, "video-note": client.AsVideoNote,
}

func kindOf(name string) (client.MediaKind, error) {
	kind, known := kinds[name]
	if name != "" && !known {
		return kind, fleetcli.Usage(fmt.Errorf("--as: is no kind of file (got %q)", name), "give photo, document, video, audio, voice, animation or video-note")
	}
	return kind, nil
}

// local is a file of this machine that shows how far its upload is; end ends that.
func local(cmd *cobra.Command, path string) (file client.OutgoingFile, end func()) {
	b := newBar(cmd.ErrOrStderr(), filepath.Base(path))
	return client.Local(path).Progress(func(sent, size int64) {
		if b.show(sent, size); sent == size {
			b.end()
		}
	}), b.end
}

// attachments are the flags of send that name files.
type attachments struct {
	paths   []string
	as      string
	spoiler bool
}

func (f *attachments) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.paths, "file", nil, "file to send, with TEXT as its caption; 2 to 10 of them are one album")
	cmd.Flags().StringVar(&f.as, "as", "", "send files as photo, document, video, audio, voice, animation or video-note (default: by the file)")
	cmd.Flags().BoolVar(&f.spoiler, "spoiler", false, "hide files until they are tapped")
}

// send uploads the files and sends them.
func (f *attachments) send(g *cli, cmd *cobra.Command, a *client.Account, peer string, caption client.Content, opts []client.SendOption) error {
	kind, err := kindOf(f.as)
	if err != nil {
		return err
	}
	var files []client.OutgoingFile
	for _, path := range f.paths {
		file, end := local(cmd, path)
		defer end()
		if file = file.As(kind); f.spoiler {
			file = file.Spoiler()
		}
		files = append(files, file)
	}
	if len(files) > 1 {
		sent, err := a.SendAlbum(cmd.Context(), peer, files, caption, opts...)
		if err != nil {
			return err
		}
		repeatedNote(cmd, sent.Repeated)
		reply := &v1.SendAlbumReply{Messages: sent.Messages, Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}
		return g.Print(cmd.OutOrStdout(), reply, func() fleetcli.Table { return messageTable(sent.Messages...) })
	}
	sent, err := a.SendFile(cmd.Context(), peer, files[0], caption, opts...)
	if err != nil {
		return err
	}
	return g.printSent(cmd, sent)
}

// attachment is the flags that name one file: of this machine, of a message, or of the web.
type attachment struct {
	path, photo, of, url string
	as                   string
	spoiler              bool
}

func (f *attachment) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "file", "", "file of this machine, with TEXT as its caption")
	cmd.Flags().StringVar(&f.photo, "photo", "", "picture of this machine, as a photo")
	cmd.Flags().StringVar(&f.of, "file-of", "", "PEER:ID, the file of a message")
	cmd.Flags().StringVar(&f.url, "file-url", "", "link of a file that Telegram fetches")
	cmd.Flags().StringVar(&f.as, "as", "", "as what it is shown: photo, document, video, audio, voice, animation or video-note (default: by the file)")
	cmd.Flags().BoolVar(&f.spoiler, "spoiler", false, "hide it until it is tapped")
	cmd.MarkFlagsMutuallyExclusive("file", "photo", "file-of", "file-url")
	cmd.MarkFlagsMutuallyExclusive("photo", "as")
}

func (f *attachment) given() bool { return f.path+f.photo+f.of+f.url != "" }

// file is the one that the flags name; end ends what shows its upload.
func (f *attachment) file(cmd *cobra.Command) (file client.OutgoingFile, end func(), err error) {
	kind, err := kindOf(f.as)
	if err != nil {
		return file, nil, err
	}
	end = func() {}
	switch {
	case f.photo != "":
		file, end = local(cmd, f.photo)
		kind = client.AsPhoto
	case f.path != "":
		file, end = local(cmd, f.path)
	case f.url != "":
		file = client.FromURL(f.url)
	default:
		if file, err = storedFile(f.of); err != nil {
			return file, nil, err
		}
	}
	if file = file.As(kind); f.spoiler {
		file = file.Spoiler()
	}
	return file, end, nil
}

// storedFile is the file of a message, PEER:ID.
func storedFile(of string) (client.OutgoingFile, error) {
	i := strings.LastIndexByte(of, ':')
	if i <= 0 {
		return client.OutgoingFile{}, fleetcli.Usage(fmt.Errorf("--file-of: must be PEER:ID (got %q)", of), "for example --file-of me:17")
	}
	ref, err := fileRef(of[:i], of[i+1:])
	return client.Stored(ref), err
}

func fileRef(peer, what string) (client.FileRef, error) {
	if photo, ok := strings.CutPrefix(what, "photo"); ok {
		id, err := int64(0), error(nil)
		if photo != "" {
			id, err = strconv.ParseInt(strings.TrimPrefix(photo, ":"), 10, 64)
		}
		if err != nil {
			return client.FileRef{}, fleetcli.Usage(fmt.Errorf("MESSAGE: must be photo:ID with a number (got %q)", what), "list them with `orchestrator photos`")
		}
		return client.ProfilePhotoOf(peer, id), nil
	}
	id, err := strconv.ParseInt(what, 10, 32)
	if err != nil {
		return client.FileRef{}, fleetcli.Usage(fmt.Errorf("MESSAGE: must be the id of a message, or photo (got %q)", what), "read ids with `orchestrator history`")
	}
	return client.FileOf(peer, int32(id)), nil
}
