package chatcli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newUpload(g *cli) *cobra.Command {
	var name, resume string
	cmd := &cobra.Command{
		Use:   "upload ACCOUNT FILE",
		Short: "Upload a file that is sent later",
		Long: `Upload a file, or standard input for -. Telegram keeps it for some minutes to hours; with -o json
the output is what SendFile of the API takes. To upload and send at once, use send --file.

An upload goes on by itself when the node restarts or the account moves. With --resume NAME, so does a later
upload of the same file under that name, within an hour; other files and those below 10 MiB begin anew.`,
		Example: "  orchestrator upload support-1 film.mp4 -o json\n  orchestrator upload support-1 film.mp4 --resume film\n  tar c docs | orchestrator upload support-1 - --name docs.tar",
		Args:    g.Args("ACCOUNT", "FILE"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			file, err := upload(cmd, a, args[0], client.UploadOptions{Name: name, Resume: resume})
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
	cmd.Flags().StringVar(&resume, "resume", "", "name under which an upload that broke off goes on")
	return cmd
}

// upload uploads a file of this machine, or standard input for -, with a bar.
func upload(cmd *cobra.Command, a *client.Account, path string, o client.UploadOptions) (*client.UploadedFile, error) {
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
