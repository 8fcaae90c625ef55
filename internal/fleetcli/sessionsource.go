package fleetcli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore/formats"
)

// Limits of what an import reads.
const (
	maxSource   = 256 << 20
	maxSession  = 3 << 20 // the API takes little more
	maxSessions = 100_000
)

// source is one session as it was given.
type source struct {
	// name says where it stands, for messages: a file, with a line where there are several.
	name string
	// account it is to become; empty: made from its auth key.
	account string
	labels  map[string]string
	session client.Session
	// err says why it cannot be a session.
	err error
}

// line is one line of a JSONL file.
type line struct {
	Account  string            `json:"account"`
	Session  string            `json:"session"`
	Format   string            `json:"format"`
	Passcode string            `json:"passcode"`
	Labels   map[string]string `json:"labels"`
}

// readSources reads a file, standard input, a tdata folder, or a folder of files and folders.
func readSources(cmd *cobra.Command, path string) ([]source, error) {
	if path == "-" {
		data, err := readAll(cmd.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return split("standard input", data)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && len(path) > 100: // rather a session than a path: not repeated
		return nil, usageError{errors.New("FILE: there is no such file"), "give sessions by file or, with -, by standard input: a command line can be read by others"}
	case err != nil:
		return nil, usageError{fmt.Errorf("FILE: %w", err), "give a file, a tdata folder, a folder of them, or - for standard input"}
	case info.IsDir():
		return readFolder(path)
	}
	return readFile(path)
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSource+1))
	if err == nil && len(data) > maxSource {
		err = fmt.Errorf("more than %d bytes", maxSource)
	}
	return data, err
}

func readFile(path string) ([]source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return split(path, data)
}

// readFolder reads a tdata folder, or each file and tdata folder in a folder; their names become
// those of the accounts where they can.
func readFolder(path string) ([]source, error) {
	if isTData(path) {
		packed, err := formats.PackFolder(os.DirFS(path))
		return []source{fit(source{name: path, session: client.Session{Data: packed, Format: client.TData}, err: err})}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var all []source
	for _, e := range entries {
		child := filepath.Join(path, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		read := readFile
		if e.IsDir() {
			read = readFolder
		}
		found, err := read(child)
		if err != nil {
			return nil, err
		}
		name := strings.ToLower(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
		if len(found) == 1 && found[0].account == "" && fleet.AccountID(name).Validate() == nil && !looksLikePhone(name) {
			found[0].account = name
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, usageError{fmt.Errorf("%s: there is no session in it", path), "give a tdata folder, or a folder with a file for each session"}
	}
	return all, nil
}

// isTData reports whether a folder is a tdata folder or holds one of that name.
func isTData(path string) bool {
	for _, pattern := range []string{"key_data?", "tdata/key_data?"} {
		if names, err := fs.Glob(os.DirFS(path), pattern); err == nil && len(names) > 0 {
			return true
		}
	}
	return false
}

// looksLikePhone keeps phone numbers, by which many name their session files, out of account ids.
func looksLikePhone(name string) bool {
	return len(name) >= 7 && strings.Trim(name, "0123456789-") == ""
}

// split finds the sessions in a file: one, or one a line, as it is or as a JSON object.
func split(name string, data []byte) ([]source, error) {
	f, err := formats.Detect(data)
	switch {
	case err != nil && bytes.IndexByte(data, 0) >= 0: // no text: it says what it is
		return []source{{name: name, err: err}}, nil
	case err == nil && f != formats.Own:
		return []source{fit(source{name: name, session: client.Session{Data: data}})}, nil
	}
	var all []source
	n := 0
	for text := range bytes.SplitSeq(data, []byte{'\n'}) {
		n++
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		s := source{name: fmt.Sprintf("%s:%d", name, n), session: client.Session{Data: text}}
		if text[0] == '{' {
			if err := s.fromJSON(text); err != nil {
				return nil, usageError{fmt.Errorf("%s: %w", s.name, err), `a line is {"session": "...", "account": "...", "format": "...", "labels": {}}; nothing was done`}
			}
		}
		if all = append(all, fit(s)); len(all) > maxSessions {
			return nil, usageError{fmt.Errorf("%s: more than %d sessions", name, maxSessions), "divide the file"}
		}
	}
	if len(all) == 0 { // the empty string stands for a fresh session
		all = []source{{name: name}}
	}
	if len(all) == 1 && n <= 2 {
		all[0].name = name
	}
	return all, nil
}

// fit refuses what the API would not take.
func fit(s source) source {
	if len(s.session.Data) > maxSession {
		s.err = fleet.Errorf(fleet.CodeInvalidArgument, "SESSION_INVALID", "session: at most %d bytes (got %d)", maxSession, len(s.session.Data)).
			WithRemedy("of a tdata folder give the few files that import needs, without caches; export an own string with fewer peers")
		s.session.Data = nil
	}
	return s
}

func (s *source) fromJSON(text []byte) error {
	var l line
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return errors.New("not a JSON object on one line")
		}
		return fmt.Errorf("JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if l.Session == "" {
		return errors.New("session: must be given")
	}
	if l.Account != "" {
		if err := fleet.AccountID(l.Account).Validate(); err != nil {
			return err
		}
	}
	s.account, s.labels = l.Account, l.Labels
	s.session = client.Session{Data: []byte(l.Session), Format: l.Format, Passcode: l.Passcode}
	return nil
}
