package fleetcli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/sessionstore/formats"
)

const formatHelp = `
Formats: own (portable: with peers and update state), telethon, pyrogram, pyrogram-old (before
2.0), gramjs, mtcute, gotd (its JSON file), tdata (folder of Telegram Desktop, or a zip of it).`

const conflictWarning = "warning: two clients that are connected with one session end it for both (406 AUTH_KEY_DUPLICATED)"

func newSessions(g *CLI) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "Import, export and save sessions, also those of other clients",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for orchestrator session", args[0]), "see `orchestrator session --help` for the commands"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSessionImport(g), newSessionExport(g), newSessionSave(g))
	return cmd
}

func newSessionSave(g *CLI) *cobra.Command {
	t := &targets{}
	cmd := &cobra.Command{
		Use:     "save [ACCOUNT...]",
		Short:   "Store sessions and peers now, which otherwise happens within half a minute",
		Example: "  orchestrator session save support-1",
		Args:    func(_ *cobra.Command, args []string) error { return t.check(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			ids, err := t.choose(cmd, c, args)
			if err != nil {
				return err
			}
			saved := make([]bool, len(ids))
			failed := g.each(cmd, ids, func(i int, id string) error {
				err := c.Account(id).SaveSession(cmd.Context())
				saved[i] = err == nil
				return err
			})
			for i, ok := range saved {
				if ok {
					failed = errors.Join(failed, g.printOutcome(cmd.OutOrStdout(), ids[i], "saved"))
				}
			}
			return failed
		},
	}
	t.flags(cmd)
	return TakesRequestID(cmd)
}

// exporting is what `session export` was asked for.
type exporting struct {
	options           client.ExportOptions
	out, passcodeFile string
	show              bool
}

func newSessionExport(g *CLI) *cobra.Command {
	e := &exporting{}
	cmd := &cobra.Command{
		Use:   "export ACCOUNT",
		Short: "Give an account's session out, for another client or fleet",
		Long: `Give an account's session out, for another client or fleet. Whoever has it is signed in: it goes
to a file of mode 0600, or to a pipe; a terminal shows it only with --show.

The account must be paused, because Telegram ends a session that two clients use at a time; do not
resume it while the other client runs.` + "\n" + formatHelp,
		Example: `  orchestrator account pause support-1
  orchestrator session export support-1 --out support-1.session
  orchestrator session export support-1 --format telethon | program-that-uses-it`,
		Args: g.Args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, g, args[0]) },
	}
	cmd.Flags().StringVar(&e.options.Format, "format", "own", "format to write")
	cmd.Flags().StringVar(&e.out, "out", "", "file to write, mode 0600; for tdata a folder, or a file that ends in .zip")
	cmd.Flags().BoolVar(&e.options.WhileOnline, "while-online", false, "export although the account may be connected")
	cmd.Flags().BoolVar(&e.show, "show", false, "show the secret on a terminal")
	cmd.Flags().StringVar(&e.passcodeFile, "passcode-file", "", "file with the local passcode that a tdata folder is to get")
	return cmd
}

func (e *exporting) run(cmd *cobra.Command, g *CLI, account string) error {
	if _, err := formats.Parse(e.options.Format); err != nil {
		return err
	}
	switch {
	case e.out == "" && !e.show && isTerminalOut(cmd.OutOrStdout()):
		return usageError{errors.New("the session is a secret and would be shown on the screen"), "give --out FILE, or --show if nobody else can see it"}
	case e.out != "":
		if _, err := os.Lstat(e.out); err == nil {
			return usageError{fmt.Errorf("--out: %s exists and is not overwritten", e.out), "choose another name"}
		}
	}
	var err error
	if e.options.Passcode, err = readPasscode(e.passcodeFile); err != nil {
		return err
	}
	c, err := g.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	s, notes, err := c.Account(account).ExportSession(cmd.Context(), e.options)
	if err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s: %s\n", n.GetField(), n.GetText())
	}
	if e.options.WhileOnline {
		fmt.Fprintln(cmd.ErrOrStderr(), conflictWarning)
	}
	if e.out == "" {
		return e.print(cmd.OutOrStdout(), g, account, s, notes)
	}
	if err := e.write(s); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return g.printOutcome(cmd.OutOrStdout(), account, "exported to "+e.out)
}

// print writes a session to standard output, alone or as a document.
func (e *exporting) print(w io.Writer, g *CLI, account string, s client.Session, notes []*client.SessionNote) error {
	if g.Format() == "table" {
		data := s.Data
		if s.Format != client.TData {
			data = append(bytes.Clone(data), '\n')
		}
		_, err := w.Write(data)
		return err
	}
	doc := struct {
		Account string   `json:"account"`
		Format  string   `json:"format"`
		Session string   `json:"session"`
		Notes   []string `json:"notes,omitempty"`
	}{Account: account, Format: s.Format, Session: string(s.Data), Notes: noteTexts(notes)}
	if s.Format == client.TData {
		doc.Session = base64.StdEncoding.EncodeToString(s.Data)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	return g.PrintJSON(w, b)
}

// write makes the file or folder; what exists is never overwritten.
func (e *exporting) write(s client.Session) error {
	if s.Format != client.TData || strings.HasSuffix(e.out, ".zip") {
		data := s.Data
		if s.Format != client.TData {
			data = append(bytes.Clone(data), '\n')
		}
		return writeSecret(e.out, data)
	}
	folder, err := formats.OpenFolder(s.Data)
	if err != nil {
		return err
	}
	return fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := filepath.Join(e.out, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(path, 0o700)
		}
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		return writeSecret(path, data)
	})
}

// writeSecret makes a file that only its owner may read.
func writeSecret(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func isTerminalOut(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readPasscode reads a passcode from a file, without its line end.
func readPasscode(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--passcode-file: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func noteTexts(notes []*client.SessionNote) []string {
	var out []string
	for _, n := range notes {
		out = append(out, n.GetField()+": "+n.GetText())
	}
	return out
}
