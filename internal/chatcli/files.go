package chatcli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newUpload(g *cli) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "upload ACCOUNT FILE",
		Short: "Upload a file that is sent later",
		Long: `Upload a file, or standard input for -. Telegram keeps it for some minutes to hours; with -o json
the output is what SendFile of the API takes. To upload and send at once, use send --file.`,
		Example: "  orchestrator upload support-1 film.mp4 -o json\n  tar c docs | orchestrator upload support-1 - --name docs.tar",
		Args:    g.Args("ACCOUNT", "FILE"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			file, err := upload(cmd, a, args[0], name)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), file, func() fleetcli.Table {
				return fleetcli.Table{Header: []string{"NAME", "SIZE", "TYPE", "PARTS"}, Rows: [][]string{{
					oneLine(file.GetName(), 60), strconv.FormatInt(file.GetSize(), 10), file.GetMimeType(), strconv.Itoa(int(file.GetParts())),
				}}}
			})
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the file (default: its own)")
	return cmd
}

// upload uploads a file of this machine, or standard input for -, with a bar.
func upload(cmd *cobra.Command, a *client.Account, path, name string) (*client.UploadedFile, error) {
	o := client.UploadOptions{Name: name}
	shown, size := "standard input", int64(0)
	if path != "-" {
		shown = filepath.Base(path)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	b := newBar(cmd.ErrOrStderr(), shown)
	defer b.end()
	o.Progress = func(n int64) { b.show(n, size) }
	if path == "-" {
		return a.Upload(cmd.Context(), struct{ io.Reader }{cmd.InOrStdin()}, o)
	}
	return a.UploadFile(cmd.Context(), path, o)
}

// kinds are as what files can be sent.
var kinds = map[string]client.MediaKind{
	"photo": client.AsPhoto, "document": client.AsDocument, "video": client.AsVideo, "audio": client.AsAudio,
	"voice": client.AsVoice, "animation": client.AsAnimation, "video-note": client.AsVideoNote,
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
	kind, known := kinds[f.as]
	if f.as != "" && !known {
		return fleetcli.Failure(fmt.Errorf("--as: is no kind of file (got %q)", f.as), "give photo, document, video, audio, voice, animation or video-note")
	}
	var files []client.OutgoingFile
	for _, path := range f.paths {
		b := newBar(cmd.ErrOrStderr(), filepath.Base(path))
		defer b.end()
		file := client.Local(path).As(kind).Progress(func(sent, size int64) {
			if b.show(sent, size); sent == size {
				b.end()
			}
		})
		if f.spoiler {
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

func newDownload(g *cli) *cobra.Command {
	var thumb string
	var force bool
	cmd := &cobra.Command{
		Use:   "download ACCOUNT PEER MESSAGE [FILE]",
		Short: "Download the file of a message",
		Long: `Download the photo or document of a message into FILE (default: its own name, in this directory), or to
standard output for -. A download that broke off goes on when it is repeated. MESSAGE may be photo, for
the newest profile photo of PEER, or photo:ID.`,
		Example: "  orchestrator download support-1 @durov 17\n  orchestrator download support-1 @durov photo face.jpg",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 3 {
				return g.Args("ACCOUNT", "PEER", "MESSAGE")(cmd, args)
			}
			return g.Args("ACCOUNT", "PEER", "MESSAGE", "FILE")(cmd, args)
		},
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			ref, err := fileRef(args[0], args[1])
			if err != nil {
				return err
			}
			path := ""
			if len(args) > 2 {
				path = args[2]
			}
			return g.download(cmd, a, ref, path, thumb, force)
		}),
	}
	cmd.Flags().StringVar(&thumb, "thumb", "", "size of a photo or thumbnail: m, x, y, … (default: the whole file)")
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it is there")
	return cmd
}

func fileRef(peer, what string) (client.FileRef, error) {
	if photo, ok := strings.CutPrefix(what, "photo"); ok {
		id, err := int64(0), error(nil)
		if photo != "" {
			id, err = strconv.ParseInt(strings.TrimPrefix(photo, ":"), 10, 64)
		}
		if err != nil {
			return client.FileRef{}, fleetcli.Failure(fmt.Errorf("MESSAGE: must be photo:ID with a number (got %q)", what), "list them with `orchestrator photos`")
		}
		return client.ProfilePhotoOf(peer, id), nil
	}
	id, err := strconv.ParseInt(what, 10, 32)
	if err != nil {
		return client.FileRef{}, fleetcli.Failure(fmt.Errorf("MESSAGE: must be the id of a message, or photo (got %q)", what), "read ids with `orchestrator history`")
	}
	return client.FileOf(peer, int32(id)), nil
}

// download reads a file into path; empty: under its own name.
func (g *cli) download(cmd *cobra.Command, a *client.Account, ref client.FileRef, path, thumb string, force bool) error {
	b := newBar(cmd.ErrOrStderr(), "download")
	defer b.end()
	o := client.DownloadOptions{Thumb: thumb, Progress: b.show}
	if path == "-" || path == "" {
		d, err := a.Download(cmd.Context(), ref, o)
		if err != nil {
			return err
		}
		defer d.Close()
		if path == "-" {
			_, err := io.Copy(cmd.OutOrStdout(), d)
			return err
		}
		if path = filepath.Base(filepath.Clean("/" + d.Name)); d.Name == "" || path == "/" {
			path = strconv.FormatInt(d.FileID, 10)
		}
	}
	if _, err := os.Lstat(path); err == nil && !force {
		return fleetcli.Failure(fmt.Errorf("FILE: %s is there already", path), "give another name, or --force")
	}
	d, err := a.DownloadToFile(cmd.Context(), ref, path, o)
	if err != nil {
		return err
	}
	b.end()
	start := &v1.DownloadStart{Size: d.Size, Name: path, MimeType: d.MimeType, FileId: d.FileID}
	return g.Print(cmd.OutOrStdout(), start, func() fleetcli.Table {
		return fleetcli.Table{Header: []string{"FILE", "SIZE", "TYPE"}, Rows: [][]string{{path, strconv.FormatInt(d.Size, 10), d.MimeType}}}
	})
}

func newPhotos(g *cli) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "photos ACCOUNT PEER",
		Short:   "List the profile photos of a user or chat, newest first",
		Example: "  orchestrator photos support-1 @durov",
		Args:    g.Args("ACCOUNT", "PEER"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			photos, total, err := a.ProfilePhotos(cmd.Context(), args[0], 0, limit)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.GetProfilePhotosReply{Photos: photos, Total: int32(total)}, func() fleetcli.Table {
				t := fleetcli.Table{Header: []string{"ID", "DATE", "SIZE", "BYTES"}}
				for _, p := range photos {
					t.Rows = append(t.Rows, []string{
						strconv.FormatInt(p.GetId(), 10), p.GetDate().AsTime().Local().Format("2006-01-02 15:04:05"),
						fmt.Sprintf("%dx%d", p.GetWidth(), p.GetHeight()), strconv.FormatInt(p.GetSize(), 10),
					})
				}
				return t
			})
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most; 0 = all")
	return cmd
}
