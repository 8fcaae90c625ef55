package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// TestH10SecretsNeedACryptographicSource: where keys, nonces and proofs are made, no other randomness can be reached.
func TestH10SecretsNeedACryptographicSource(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.test || !inAny(f.dir, []string{"mtproto", "telegram", "sessionstore", "control", "eventlog"}) {
			continue
		}
		for _, imp := range f.imports {
			if imp == "math/rand" || imp == "math/rand/v2" {
				t.Errorf("%s imports %s: secrets come from crypto/rand", f.path, imp)
			}
		}
	}
}

// TestSecretsAreComparedInConstantTime: in the protocol nothing is compared by a function whose time tells how much fits.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.test || !inAny(f.dir, []string{"mtproto", "telegram/srp"}) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "bytes" && (sel.Sel.Name == "Equal" || sel.Sel.Name == "Compare") {
					t.Errorf("%s uses bytes.%s: crypto/subtle compares secrets", f.path, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestG10NoSessionFileOfGotdIsWritten: gotd keeps a session as a JSON file with the auth key in it. Only the readers and
// writers of other clients' formats know it, and the comparison.
func TestG10NoSessionFileOfGotdIsWritten(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.test || inAny(f.dir, []string{"sessionstore/formats", "bench"}) {
			continue
		}
		for _, imp := range f.imports {
			if imp == "github.com/gotd/td/session" || strings.HasPrefix(imp, "github.com/gotd/td/session/") {
				t.Errorf("%s imports %s: sessions are sealed, in sessionstore", f.path, imp)
			}
		}
	}
}

// TestQueriesAreNotChained: order is kept by queues here, not by invokeAfterMsg at the server, whose failures
// (MSG_WAIT_FAILED) would need a repair of their own.
func TestQueriesAreNotChained(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.test && !under(f.dir, "simulator") && strings.Contains(f.text, "InvokeAfterMsg") {
			t.Errorf("%s chains queries", f.path)
		}
	}
}
