package dcs

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxFile bounds a DC file; the built-in lists take 3 KiB.
const maxFile = 1 << 20

// FieldError says what is wrong with one field of a DC file.
type FieldError struct {
	Field   string // "dcs[0].addr"
	Problem string
	Value   string
	Next    string // what to do
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s: %s (got %s); %s", e.Field, e.Problem, e.Value, e.Next)
}

// file is the JSON form of a List.
type file struct {
	Test       bool     `json:"test"`
	DCs        []option `json:"dcs"`
	PublicKeys []string `json:"public_keys"`
}

type option struct {
	ID        int    `json:"id"`
	Addr      string `json:"addr"`
	IPv6      bool   `json:"ipv6,omitempty"`
	MediaOnly bool   `json:"media_only"`
	CDN       bool   `json:"cdn,omitempty"`
	Static    bool   `json:"static,omitempty"`
	TCPOOnly  bool   `json:"tcpo_only,omitempty"`
}

// Load reads a list from the JSON file that Write and `orchestrator simulate` make. All problems are reported at once.
func Load(path string) (List, error) {
	f, err := os.Open(path)
	if err != nil {
		return List{}, fmt.Errorf("load DC list: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return List{}, fmt.Errorf("load DC list: %w", err)
	}
	if len(data) > maxFile {
		return List{}, fmt.Errorf("load DC list %s: larger than %d bytes; is it the right file?", path, maxFile)
	}
	l, err := Parse(data)
	if err != nil {
		return List{}, fmt.Errorf("load DC list %s: %w", path, err)
	}
	return l, nil
}

// Parse reads a list from the text of a DC file.
func Parse(data []byte) (List, error) {
	var in file
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return List{}, jsonError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return List{}, &FieldError{"file", "has text after its JSON object", "more than one value", "remove what follows"}
	}
	l := List{Test: in.Test}
	var problems []error
	for i, o := range in.DCs {
		ipv6, errs := o.check(fmt.Sprintf("dcs[%d]", i))
		problems = append(problems, errs...)
		l.Options = append(l.Options, Option{ID: o.ID, Addr: o.Addr, IPv6: o.IPv6 || ipv6, MediaOnly: o.MediaOnly,
			CDN: o.CDN, Static: o.Static, TCPOOnly: o.TCPOOnly})
	}
	if len(in.DCs) == 0 {
		problems = append(problems, &FieldError{"dcs", "is empty", "no DC", "list at least one DC with id and addr"})
	}
	for i, text := range in.PublicKeys {
		k, err := parseKey(text)
		if err != nil {
			problems = append(problems, &FieldError{fmt.Sprintf("public_keys[%d]", i), err.Error(), quote(text),
				"give a key of 2048 bits in PEM, as in -----BEGIN RSA PUBLIC KEY-----"})
			continue
		}
		l.Keys = append(l.Keys, k)
	}
	if len(in.PublicKeys) == 0 {
		problems = append(problems, &FieldError{"public_keys", "is empty", "no key", "list the servers' RSA keys in PEM"})
	}
	if len(problems) > 0 {
		return List{}, errors.Join(problems...)
	}
	return l, nil
}

// check returns whether the address is IPv6, and what is wrong with the entry.
func (o option) check(field string) (ipv6 bool, problems []error) {
	if o.ID < 1 || o.ID > 999 {
		problems = append(problems, &FieldError{field + ".id", "is no DC number", strconv.Itoa(o.ID),
			"give the number without the additions for test or media, 1 to 999"})
	}
	host, port, err := net.SplitHostPort(o.Addr)
	if err == nil && host == "" {
		err = errors.New("the host is missing")
	}
	if err == nil {
		if n, perr := strconv.ParseUint(port, 10, 16); perr != nil || n == 0 {
			err = errors.New("the port is no number from 1 to 65535")
		}
	}
	if err != nil {
		return false, append(problems, &FieldError{field + ".addr", "is no host:port", quote(o.Addr), `give it like "127.0.0.1:443"`})
	}
	return strings.Contains(host, ":"), problems
}

func jsonError(err error) error {
	var te *json.UnmarshalTypeError
	var se *json.SyntaxError
	switch {
	case errors.As(err, &te):
		return &FieldError{te.Field, "has the wrong type", te.Value, "give a " + te.Type.String()}
	case errors.As(err, &se):
		return &FieldError{"file", "is no JSON: " + se.Error(), fmt.Sprintf("byte %d", se.Offset), "let `orchestrator simulate` write it again"}
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		name := strings.TrimPrefix(err.Error(), "json: unknown field ")
		return &FieldError{strings.Trim(name, `"`), "is no known field", name, "remove it or correct its name"}
	default:
		return &FieldError{"file", "is no JSON: " + err.Error(), "an incomplete object", "let `orchestrator simulate` write it again"}
	}
}

// parseKey reads one RSA key of 2048 bits in PEM, PKCS #1 or PKIX.
func parseKey(text string) (*rsa.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is no PEM block")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("holds more than one PEM block")
	}
	key, err := x509.ParsePKCS1PublicKey(block.Bytes)
	if err != nil {
		k, perr := x509.ParsePKIXPublicKey(block.Bytes)
		rk, ok := k.(*rsa.PublicKey)
		if perr != nil || !ok {
			return nil, errors.New("is no RSA public key")
		}
		key = rk
	}
	if key.N.BitLen() != 2048 {
		return nil, fmt.Errorf("has %d bits", key.N.BitLen())
	}
	return key, nil
}

// quote shortens a value for an error message.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

// Write stores the list as a file that Load reads. The file appears whole or not at all.
func (l List) Write(path string) error {
	out := file{Test: l.Test, DCs: []option{}, PublicKeys: []string{}}
	for _, o := range l.Options {
		out.DCs = append(out.DCs, option(o))
	}
	for _, k := range l.Keys {
		block := &pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(k)}
		out.PublicKeys = append(out.PublicKeys, string(pem.EncodeToMemory(block)))
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("write DC list: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write DC list: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(append(data, '\n'))
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write DC list %s: %w", path, err)
	}
	return nil
}
