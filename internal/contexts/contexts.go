// Package contexts reads and writes the command line's file of clusters.
//
// # Usage
//
//	current: production
//	contexts:
//	  production:
//	    servers: [https://n1:8420, https://n2:8420]
//	    token_file: /home/me/.config/orchestrator/token
//	    ca_file: /home/me/.config/orchestrator/ca.crt
//
// # Errors
//
// An unknown key, and a current context that is not there, are errors.
package contexts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"go.yaml.in/yaml/v3"
)

// File is the whole file.
type File struct {
	// Current names the context that is used unless another one is chosen; may be empty.
	Current string `yaml:"current,omitempty"`
	// Contexts are the clusters by their names.
	Contexts map[string]Context `yaml:"contexts,omitempty"`
}

// Context is one cluster.
type Context struct {
	// Servers are the addresses of its nodes.
	Servers []string `yaml:"servers"`
	// TokenFile holds the API token; empty = none.
	TokenFile string `yaml:"token_file,omitempty"`
	// CAFile is the authority of the nodes' certificates; empty = the system's.
	CAFile string `yaml:"ca_file,omitempty"`
}

// Load reads a file; one that does not exist is empty.
func Load(path string) (File, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, nil
	}
	if err != nil {
		return File{}, fmt.Errorf("read contexts: %w", err)
	}
	var f File
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return File{}, fmt.Errorf("read contexts of %s: %w", path, err)
	}
	for name, c := range f.Contexts {
		if len(c.Servers) == 0 {
			return File{}, fmt.Errorf("read contexts of %s: contexts.%s.servers: at least one is needed", path, name)
		}
	}
	return f, nil
}

// Choose gives the context with this name, or the current one where name is empty; nil when there
// is neither.
func (f File) Choose(name string) (*Context, error) {
	if name == "" {
		name = f.Current
	}
	if name == "" {
		return nil, nil
	}
	c, ok := f.Contexts[name]
	if !ok {
		return nil, fmt.Errorf("there is no context %q (there are %v)", name, f.Names())
	}
	return &c, nil
}

// Names are the contexts' names in order.
func (f File) Names() []string {
	names := make([]string, 0, len(f.Contexts))
	for name := range f.Contexts {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Save writes the file, in one step.
func (f File) Save(path string) error {
	b, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("write contexts: %w", err)
	}
	next := path + ".new"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write contexts: %w", err)
	}
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return fmt.Errorf("write contexts: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write contexts: %w", err)
	}
	return nil
}
