package archtest

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// obligation is one row of testdata/obligations.txt.
type obligation struct {
	id, text string
	proofs   []proof
}

type proof struct{ room, test, scenario string }

func readObligations(t *testing.T) []obligation {
	t.Helper()
	text, err := readFile("testdata/obligations.txt")
	if err != nil {
		t.Fatal(err)
	}
	var rows []obligation
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch inner, indented := strings.CutPrefix(line, "  "); {
		case line == "" || line[0] == '#':
		case indented:
			room, test, ok := strings.Cut(inner, " ")
			if !ok || len(rows) == 0 {
				t.Fatalf("bad line %q: want a package and a test", line)
			}
			test, scenario, _ := strings.Cut(test, "/")
			last := &rows[len(rows)-1]
			last.proofs = append(last.proofs, proof{room, test, scenario})
		default:
			id, obliged, ok := strings.Cut(line, " ")
			if !ok {
				t.Fatalf("bad line %q: want an id and an obligation", line)
			}
			rows = append(rows, obligation{id: id, text: obliged})
		}
	}
	return rows
}

// obliged are the ids that must be there.
func obliged() []string {
	var ids []string
	for prefix, n := range map[string]int{"H": 12, "M": 6, "P": 8, "S": 12, "T": 7, "G": 12, "X": 16} {
		for i := range n {
			ids = append(ids, fmt.Sprint(prefix, i+1))
		}
	}
	for _, code := range []int{0, 16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64, 99} {
		ids = append(ids, fmt.Sprint("B", code))
	}
	for _, code := range []string{"303", "400", "400-INIT", "401", "403", "406", "420", "500", "-CHAIN"} {
		ids = append(ids, "R"+code)
	}
	for _, fault := range []string{
		"BADMSG", "SALT", "404", "429", "444", "303", "401", "406", "420", "500", "SESSION", "MSGID", "CONTAINER", "UPDATES",
		"SLICE", "TOOLONG", "UNKNOWN",
	} {
		ids = append(ids, "F17-"+fault)
	}
	return ids
}

// tests are the names of all tests by room.
func tests(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]map[string]bool{}
	for _, f := range files {
		if !f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				if names[f.dir] == nil {
					names[f.dir] = map[string]bool{}
				}
				names[f.dir][fn.Name.Name] = true
			}
		}
	}
	return names
}

// TestEveryObligationHasItsProof: a test that is renamed or removed leaves a row without proof.
func TestEveryObligationHasItsProof(t *testing.T) {
	names := tests(t)
	seen := map[string]bool{}
	for _, row := range readObligations(t) {
		if seen[row.id] {
			t.Errorf("%s is there twice", row.id)
		}
		seen[row.id] = true
		if len(row.proofs) == 0 {
			t.Errorf("%s (%s) has no proof", row.id, row.text)
		}
		for _, p := range row.proofs {
			if !names[p.room][p.test] {
				t.Errorf("%s names %s in %s, which is not there", row.id, p.test, p.room)
			}
			if p.scenario == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join("../..", p.room, "testdata", p.scenario+".txt")); err != nil {
				t.Errorf("%s names a scenario that is not there: %v", row.id, err)
			}
		}
	}
	for _, id := range obliged() {
		if !seen[id] {
			t.Errorf("%s is missing", id)
		}
	}
}

// numbered are tests that bear the id of a row.
var numbered = regexp.MustCompile(`^Test([HG]\d+|F17)\D`)

// TestEveryNumberedTestIsListed: a test that says which row it proves stands below that row.
func TestEveryNumberedTestIsListed(t *testing.T) {
	listed := map[string][]proof{}
	for _, row := range readObligations(t) {
		id, _, _ := strings.Cut(row.id, "-")
		listed[id] = append(listed[id], row.proofs...)
	}
	n := 0
	for room, names := range tests(t) {
		for name := range names {
			m := numbered.FindStringSubmatch(name)
			if m == nil {
				continue
			}
			n++
			if !slices.Contains(listed[m[1]], proof{room: room, test: name}) {
				t.Errorf("%s in %s is not listed under %s", name, room, m[1])
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d numbered tests were found", n)
	}
}
