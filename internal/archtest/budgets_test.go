package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

const (
	maxFileLines    = 500
	hardFileLines   = 800
	hardFuncLines   = 80
	maxPackageFiles = 25
	maxPackageLines = 4000
	maxInterface    = 5
)

// longFiles may pass maxFileLines, never hardFileLines; each says why.
var longFiles = map[string]string{}

func TestBudgets(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	count, lines := map[string]int{}, map[string]int{}
	for _, f := range files {
		if f.test || f.generated {
			continue
		}
		count[f.dir]++
		lines[f.dir] += f.lines
		if f.lines > hardFileLines || f.lines > maxFileLines && longFiles[f.path] == "" {
			t.Errorf("%s has %d lines: at most %d", f.path, f.lines, maxFileLines)
		}
		checkDeclarations(t, f)
	}
	for dir, n := range count {
		if n > maxPackageFiles {
			t.Errorf("%s has %d files: at most %d", dir, n, maxPackageFiles)
		}
		if lines[dir] > maxPackageLines {
			t.Errorf("%s has %d lines: at most %d", dir, lines[dir], maxPackageLines)
		}
	}
}

func checkDeclarations(t *testing.T, f file) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body == nil {
				return true
			}
			size := f.fset.Position(n.End()).Line - f.fset.Position(n.Pos()).Line
			if size > hardFuncLines {
				t.Errorf("%s: %s has %d lines: at most %d", f.path, n.Name.Name, size, hardFuncLines)
			}
		case *ast.TypeSpec:
			if it, ok := n.Type.(*ast.InterfaceType); ok && it.Methods.NumFields() > maxInterface {
				t.Errorf("%s: interface %s has %d methods: at most %d", f.path, n.Name.Name, it.Methods.NumFields(), maxInterface)
			}
		}
		return true
	})
}

func TestTestsDoNotSleep(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.test || hasImport(f, "testing/synctest") || strings.Contains(f.text, "bubble(t, ") || strings.Contains(f.text, "bubbleWith(t, ") || under(f.dir, "internal/archtest") {
			continue // bubble of actors is a synctest bubble
		}
		if strings.Contains(f.text, "time.Sleep(") {
			t.Errorf("%s sleeps: wait for an event, or use a synctest bubble", f.path)
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string][]string{}
	seen := map[string]bool{}
	for _, f := range files {
		if f.test || f.generated {
			continue
		}
		seen[f.dir] = true
		if f.ast.Doc != nil {
			comments[f.dir] = append(comments[f.dir], f.path)
		}
	}
	for dir := range seen {
		if len(comments[dir]) != 1 {
			t.Errorf("%s has %d package comments (%v): exactly one", dir, len(comments[dir]), comments[dir])
		}
	}
}

func hasImport(f file, imp string) bool {
	for _, i := range f.imports {
		if i == imp {
			return true
		}
	}
	return false
}
