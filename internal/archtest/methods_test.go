package archtest

import (
	"fmt"
	"go/ast"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// methodRows are the rows of docs/METHODS.md.
func methodRows(t *testing.T) []MethodRow {
	t.Helper()
	rows, err := Methods("../..")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestAllMethodsHaveARow: each of the 61 numbers is there once, and exactly the rows of the list of
// open ones are not complete.
func TestAllMethodsHaveARow(t *testing.T) {
	text, err := readFile("testdata/methods-open.txt")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			open = append(open, line)
		}
	}
	seen := map[string]bool{}
	for _, r := range methodRows(t) {
		if seen[r.Number] || r.Name == "" {
			t.Errorf("row %s is there twice or has no name", r.Number)
		}
		seen[r.Number] = true
		if listed := slices.Contains(open, r.Number); r.Open() != listed {
			t.Errorf("row %s: open: %v, in testdata/methods-open.txt: %v", r.Number, r.Open(), listed)
		}
	}
	for n := 1; n <= 61; n++ {
		if !seen[fmt.Sprint(n)] {
			t.Errorf("row %d is missing", n)
		}
	}
	for _, number := range open {
		if !seen[number] {
			t.Errorf("testdata/methods-open.txt lists %s, which is no row", number)
		}
	}
}

// TestMethodsAreServed: what a row names is there.
func TestMethodsAreServed(t *testing.T) {
	rpcs, sdk, proofs := contractRPCs(t), exportedMethods(t, "client"), tests(t)["internal/methodtest"]
	for _, r := range methodRows(t) {
		if r.RPC != "-" && !rpcs[r.RPC] {
			t.Errorf("row %s names the RPC %s, which the contract has not", r.Number, r.RPC)
		}
		if r.SDK != "-" && !sdk[r.SDK] {
			t.Errorf("row %s names %s, which package client has not", r.Number, r.SDK)
		}
		if r.Proof == "-" {
			continue
		}
		padded := r.Number
		if len(strings.TrimRight(padded, "ab")) == 1 {
			padded = "0" + padded
		}
		if !proofs[r.Proof] || !strings.HasPrefix(r.Proof, "TestMethod"+padded+"_") {
			t.Errorf("row %s names %s, which must be a test of internal/methodtest and begin with TestMethod%s_", r.Number, r.Proof, padded)
		}
	}
}

// TestMethodTestsRun: none of them is skipped, each belongs to a row, and what a row's test is named
// for is complete or listed as open.
func TestMethodTestsRun(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]bool{}
	for _, r := range methodRows(t) {
		numbers[r.Number] = true
	}
	named := regexp.MustCompile(`^TestMethod0?(\d+[a-z]?)_`)
	for _, f := range files {
		if f.dir != "internal/methodtest" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(call.Sel.Name, "Skip") {
				t.Errorf("%s skips a test", f.path)
			}
			return true
		})
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "TestMethod") {
				continue
			}
			if m := named.FindStringSubmatch(fn.Name.Name); m == nil || !numbers[m[1]] {
				t.Errorf("%s is named after no row of docs/METHODS.md", fn.Name.Name)
			}
		}
	}
}

// contractRPCs are the RPCs that the .proto files write, as Service.Method.
func contractRPCs(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../api/orchestrator/v1/*.proto")
	if err != nil || len(files) == 0 {
		t.Fatalf("no .proto files: %v", err)
	}
	word := regexp.MustCompile(`(?m)^(service|  rpc) (\w+)`)
	out := map[string]bool{}
	for _, name := range files {
		text, err := readFile(name)
		if err != nil {
			t.Fatal(err)
		}
		service := ""
		for _, m := range word.FindAllStringSubmatch(text, -1) {
			if m[1] == "service" {
				service = m[2]
				continue
			}
			out[service+"."+m[2]] = true
		}
	}
	return out
}

// exportedMethods are those of a package's types, as Type.Method.
func exportedMethods(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, f := range files {
		if f.dir != dir || f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !fn.Name.IsExported() {
				continue
			}
			recv := fn.Recv.List[0].Type
			if star, ok := recv.(*ast.StarExpr); ok {
				recv = star.X
			}
			if id, ok := recv.(*ast.Ident); ok {
				out[id.Name+"."+fn.Name.Name] = true
			}
		}
	}
	return out
}
