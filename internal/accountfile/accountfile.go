// Package accountfile reads files that say how accounts should be, and compares accounts with
// them. It does no I/O of its own.
//
// # Usage
//
// A file holds one account or, divided by `---`, several:
//
//	id: support-1
//	labels: {team: support}
//	spec: {paused: false}
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
	"regexp"
	"sort"
	"strconv"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
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
	App    string `yaml:"app"`
	Proxy  string `yaml:"proxy"`
	DC     int32  `yaml:"dc"`
	Paused bool   `yaml:"paused"`
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
		a.Spec = &v1.AccountSpec{App: s.App, Proxy: s.Proxy, Dc: s.DC, Paused: s.Paused}
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
	"spec": {"app": true, "proxy": true, "dc": true, "paused": true},
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
			if path == "spec" {
				of = "spec (it has app, proxy, dc, paused)"
			}
			return fmt.Errorf("line %d: %s: unknown key of %s", key.Line, key.Value, of)
		}
		if path == "" && key.Value == "spec" && value.Kind == yaml.MappingNode {
			if err := known(value, "spec"); err != nil {
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
		{"spec.proxy", quoted(now.GetProxy(), now.GetProxy() != ""), quoted(s.GetProxy(), s.GetProxy() != "")},
		{"spec.dc", strconv.Itoa(int(now.GetDc())), strconv.Itoa(int(s.GetDc()))},
		{"spec.paused", strconv.FormatBool(now.GetPaused()), strconv.FormatBool(s.GetPaused())},
	} {
		if f.From != f.To {
			changes = append(changes, f)
		}
	}
	return changes
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
