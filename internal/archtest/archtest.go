// Package archtest holds the rules of the house as tests: which room may import which,
// how large a file, a function, a package or an interface may grow, and what tests may
// not do. Its tests read the tree; Methods reads the table of methods for a test elsewhere.
//
// # Usage
//
// A failing rule names the file and the rule. Either the code moves, or the rule's table
// changes together with docs/ARCHITECTURE.md and, where a decision changed, docs/adr.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

const module = "github.com/telefleet/orchestrator"

// file is one parsed Go file of the tree.
type file struct {
	path      string // slash-separated, relative to the root
	dir       string
	test      bool
	generated bool
	imports   []string
	lines     int
	ast       *ast.File
	fset      *token.FileSet
	text      string
}

// load parses every Go file below root that belongs to the product.
func load(root string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "tools" || rel == "bin" || rel == "data" || (strings.HasPrefix(d.Name(), ".") && rel != ".") || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		f, err := parse(p, rel)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func parse(p, rel string) (file, error) {
	text, err := readFile(p)
	if err != nil {
		return file{}, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, rel, text, parser.ParseComments)
	if err != nil {
		return file{}, err
	}
	f := file{
		path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"),
		generated: ast.IsGenerated(parsed), lines: strings.Count(text, "\n"), ast: parsed, fset: fset, text: text,
	}
	for _, imp := range parsed.Imports {
		f.imports = append(f.imports, strings.Trim(imp.Path.Value, `"`))
	}
	return f, nil
}

// under reports whether the slash-separated dir is root or lies below it.
func under(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// ours gives the room (path below the module) of an import path, and whether it is ours.
func ours(imp string) (string, bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}
