// Package accountfile reads files that say how accounts should be, and compares accounts with
// them. It does no I/O of its own.
//
// # Usage
//
// A file holds one account or, divided by `---`, several:
//
//	id: support-1
//	labels: {team: support}
//	spec: {paused: false, proxy: "pool:de"}
//
// labels and spec are replaced as a whole where they are given, and left alone where they are not.
//
// # Errors
//
// Read reports every problem with the file's name and the line.
package accountfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

// Limits of a file.
const (
	maxBytes    = 16 << 20
	maxAccounts = 100_000
)

// Account is how one account should be.
type Account struct {
	// ID names it.
	ID string
	// Labels that it should have; nil = as they are.
	Labels map[string]string
	// Spec that it should have; nil = as it is.
	Spec *v1.AccountSpec
}

type document struct {
	ID     string             `yaml:"id"`
	Labels *map[string]string `yaml:"labels"`
	Spec   *spec              `yaml:"spec"`
}

type spec struct {
	App    string  `yaml:"app"`
	Proxy  proxy   `yaml:"proxy"`
	DC     int32   `yaml:"dc"`
	Paused bool    `yaml:"paused"`
	Device *device `yaml:"device"`
	PFS    bool    `yaml:"pfs"`
	// Disconnected is for paused accounts: without waiting for running calls.
	Disconnected bool `yaml:"disconnected"`
}

// proxy is text: a link or pool:NAME. In a file it may also be the fields of a proxy.
type proxy string

type device struct {
	DeviceModel    string `yaml:"device_model"`
	SystemVersion  string `yaml:"system_version"`
	AppVersion     string `yaml:"app_version"`
	SystemLangCode string `yaml:"system_lang_code"`
	LangPack       string `yaml:"lang_pack"`
	LangCode       string `yaml:"lang_code"`
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *proxy) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		*p = proxy(n.Value)
		return nil
	}
	var f struct{ Kind, Host, Port, User, Password, Secret string }
	if err := n.Decode(&f); err != nil {
		return err
	}
	parsed, err := proxies.FromFields(proxies.Fields(f))
	if err != nil {
		return fmt.Errorf("line %d: spec.proxy: %w", n.Line, err)
	}
	*p = proxy(parsed.Link())
	return nil
}

// Problem is what is wrong with a file.
type Problem struct{ err error }

func (p *Problem) Error() string { return p.err.Error() }
func (p *Problem) Unwrap() error { return p.err }

func problem(name string, line int, format string, args ...any) error {
	return &Problem{fmt.Errorf("%s: line %d: %s", name, line, fmt.Sprintf(format, args...))}
}

// Read reads all documents; name is how errors call the file.
func Read(name string, r io.Reader) ([]Account, error) {
	limited := &io.LimitedReader{R: r, N: maxBytes + 1}
	dec := yaml.NewDecoder(limited)
	dec.KnownFields(true)
	var accounts []Account
	lines := map[string]int{}
	for {
		var node located
		err := dec.Decode(&node)
		switch {
		case limited.N == 0:
			return nil, &Problem{fmt.Errorf("%s: is longer than %d MiB", name, maxBytes>>20)}
		case errors.Is(err, io.EOF):
			return accounts, nil
		case err != nil:
			return nil, &Problem{fmt.Errorf("%s: %w", name, plain(err))}
		case node.line == 0:
			continue // an empty document
		case node.ID == "":
			return nil, problem(name, node.line, "id is missing")
		}
		if err := fleet.AccountID(node.ID).Validate(); err != nil {
			return nil, problem(name, node.line, "%v", err)
		}
		if before, ok := lines[node.ID]; ok {
			return nil, problem(name, node.line, "account %s is there already, on line %d", node.ID, before)
		}
		if len(accounts) == maxAccounts {
			return nil, problem(name, node.line, "more than %d accounts", maxAccounts)
		}
		lines[node.ID] = node.line
		accounts = append(accounts, node.account())
	}
}

func (d document) account() Account {
	a := Account{ID: d.ID}
	if d.Labels != nil {
		a.Labels = map[string]string{}
		for k, v := range *d.Labels {
			a.Labels[k] = v
		}
	}
	if s := d.Spec; s != nil {
		a.Spec = &v1.AccountSpec{App: s.App, Proxy: string(s.Proxy), Dc: s.DC, Paused: s.Paused, Pfs: s.PFS, Disconnected: s.Disconnected}
		if d := s.Device; d != nil {
			a.Spec.Device = &v1.AppDevice{
				DeviceModel: d.DeviceModel, SystemVersion: d.SystemVersion, AppVersion: d.AppVersion,
				SystemLangCode: d.SystemLangCode, LangPack: d.LangPack, LangCode: d.LangCode,
			}
		}
	}
	return a
}

// located is a document with its first line.
type located struct {
	document
	line int
}

// keys are the known ones of each mapping.
var keys = map[string]map[string]bool{
	"":     {"id": true, "labels": true, "spec": true},
	"spec": {"app": true, "proxy": true, "dc": true, "paused": true, "device": true, "pfs": true, "disconnected": true},
	"device": {
		"device_model": true, "system_version": true, "app_version": true, "system_lang_code": true, "lang_pack": true, "lang_code": true,
	},
	"proxy": {"kind": true, "host": true, "port": true, "user": true, "password": true, "secret": true},
}

// UnmarshalYAML implements yaml.Unmarshaler; KnownFields does not reach into Node.Decode.
func (l *located) UnmarshalYAML(n *yaml.Node) error {
	if n.Tag == "!!null" {
		return nil
	}
	l.line = n.Line
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: must be an account with id, labels and spec", n.Line)
	}
	if err := known(n, ""); err != nil {
		return err
	}
	return n.Decode(&l.document)
}

func known(n *yaml.Node, path string) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !keys[path][key.Value] {
			of := "an account (it has id, labels, spec)"
			if path != "" {
				of = path + " (it has " + strings.Join(slices.Sorted(maps.Keys(keys[path])), ", ") + ")"
			}
			return fmt.Errorf("line %d: %s: unknown key of %s", key.Line, key.Value, of)
		}
		if inner := key.Value; value.Kind == yaml.MappingNode && (path == "" && inner == "spec" || path == "spec" && keys[inner] != nil) {
			if err := known(value, inner); err != nil {
				return err
			}
		}
	}
	return nil
}

var wrongType = regexp.MustCompile("^line (\\d+): cannot unmarshal \\S+ `(.*)` into (\\S+)$")

// plain strips the parser's words.
func plain(err error) error {
	var types *yaml.TypeError
	if errors.As(err, &types) && len(types.Errors) > 0 {
		if m := wrongType.FindStringSubmatch(types.Errors[0]); m != nil {
			kinds := map[string]string{"int32": "a whole number", "bool": "true or false", "string": "a text"}
			kind := kinds[m[3]]
			if kind == "" {
				kind = "a mapping"
			}
			return fmt.Errorf("line %s: must be %s (got %q)", m[1], kind, m[2])
		}
		return errors.New(types.Errors[0])
	}
	return err
}

// Change is one field that differs; an empty side is absent.
type Change struct {
	// Field is its path, such as labels.team or spec.paused.
	Field string
	// From and To are its values now and as they should be.
	From, To string
}

// Compare gives what must change for an account to be as it should be; have is nil when it does
// not exist.
func (a Account) Compare(have *v1.Account) []Change {
	var changes []Change
	if a.Labels != nil {
		names := map[string]bool{}
		for k := range a.Labels {
			names[k] = true
		}
		for k := range have.GetLabels() {
			names[k] = true
		}
		for k := range names {
			from, had := have.GetLabels()[k]
			to, wanted := a.Labels[k]
			if had != wanted || from != to {
				changes = append(changes, Change{"labels." + k, quoted(from, had), quoted(to, wanted)})
			}
		}
		sort.Slice(changes, func(i, j int) bool { return changes[i].Field < changes[j].Field })
	}
	if a.Spec == nil || proto.Equal(a.Spec, have.GetSpec()) {
		return changes
	}
	s, now := a.Spec, have.GetSpec()
	for _, f := range []Change{
		{"spec.app", quoted(now.GetApp(), now.GetApp() != ""), quoted(s.GetApp(), s.GetApp() != "")},
		{"spec.proxy", quoted(now.GetProxy(), now.GetProxy() != ""), quoted(shown(s.GetProxy()), s.GetProxy() != "")},
		{"spec.dc", strconv.Itoa(int(now.GetDc())), strconv.Itoa(int(s.GetDc()))},
		{"spec.device", deviceText(now.GetDevice()), deviceText(s.GetDevice())},
		{"spec.pfs", strconv.FormatBool(now.GetPfs()), strconv.FormatBool(s.GetPfs())},
		{"spec.paused", strconv.FormatBool(now.GetPaused()), strconv.FormatBool(s.GetPaused())},
		{"spec.disconnected", strconv.FormatBool(now.GetDisconnected()), strconv.FormatBool(s.GetDisconnected())},
	} {
		if f.From != f.To {
			changes = append(changes, f)
		}
	}
	if shown(s.GetProxy()) != s.GetProxy() && shown(s.GetProxy()) == now.GetProxy() {
		changes = append(changes, Change{Field: "spec.proxy", To: "its secrets, which cannot be compared, are set again"})
	}
	return changes
}

func deviceText(d *v1.AppDevice) string {
	var parts []string
	for _, s := range []string{
		d.GetDeviceModel(), d.GetSystemVersion(), d.GetAppVersion(), d.GetSystemLangCode(), d.GetLangPack(), d.GetLangCode(),
	} {
		parts = append(parts, strconv.Quote(s))
	}
	if d == nil {
		return ""
	}
	return strings.Join(parts, " ")
}

// shown is a proxy without its secrets.
func shown(text string) string {
	if strings.HasPrefix(text, "pool:") {
		return text
	}
	p, err := proxies.Parse(text)
	if err != nil {
		return "a link that cannot be read"
	}
	return p.String()
}

func quoted(s string, present bool) string {
	if !present {
		return ""
	}
	return strconv.Quote(s)
}

// Paths are what an update of the account must name.
func (a Account) Paths() []string {
	var paths []string
	if a.Labels != nil {
		paths = append(paths, "labels")
	}
	if a.Spec != nil {
		paths = append(paths, "spec")
	}
	return paths
}
