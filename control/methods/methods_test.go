package methods

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// elsewhere are RPCs that have no function in this package, with the reason.
var elsewhere = map[protoreflect.FullName]string{
	"orchestrator.v1.ControlService.Exchange": "a bidirectional stream over all the others: package control serves it",
}

// TestRPCsAreThoseOfTheContract: what the tests iterate are all RPCs that the .proto files name.
func TestRPCsAreThoseOfTheContract(t *testing.T) {
	files, err := filepath.Glob("../../api/orchestrator/v1/*.proto")
	if err != nil || len(files) == 0 {
		t.Fatalf("no .proto files: %v", err)
	}
	written := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		written += strings.Count(string(text), "\n  rpc ")
	}
	found := 0
	for range RPCs() {
		found++
	}
	if found != written {
		t.Errorf("%d RPCs are iterated, %d are written", found, written)
	}
}

// reading are the beginnings of names of RPCs that change nothing.
var reading = []string{"Get", "List", "Search", "Resolve", "Count", "Watch", "Subscribe", "Inspect", "Export", "Iterate", "Download", "CheckInvite"}

// TestReadsAreDeclared: an RPC that is named like a read is marked NO_SIDE_EFFECTS, and no other,
// because routers and clients repeat what is marked so.
func TestReadsAreDeclared(t *testing.T) {
	for rpc := range RPCs() {
		named := slices.ContainsFunc(reading, func(prefix string) bool { return strings.HasPrefix(string(rpc.Name()), prefix) })
		if m := (Method{Descriptor: rpc}); m.Reads() != named && elsewhere[rpc.FullName()] == "" {
			t.Errorf("%s: declared as a read: %v, named like one: %v", rpc.FullName(), m.Reads(), named)
		}
		if m := (Method{Descriptor: rpc}); m.Reads() && !m.Repeatable() {
			t.Errorf("%s reads and may not be repeated", rpc.FullName())
		}
	}
}

// TestRequestsAreUnique: a request type tells its RPC.
func TestRequestsAreUnique(t *testing.T) {
	seen := map[protoreflect.FullName]protoreflect.FullName{}
	for rpc := range RPCs() {
		if former, ok := seen[rpc.Input().FullName()]; ok {
			t.Errorf("%s and %s take the same request", former, rpc.FullName())
		}
		seen[rpc.Input().FullName()] = rpc.FullName()
	}
}

// TestAccountFieldRoutes: a request names its account in field 1 or not at all.
func TestAccountFieldRoutes(t *testing.T) {
	for rpc := range RPCs() {
		f := rpc.Input().Fields().ByName("account")
		if f != nil && (f.Number() != 1 || f.Kind() != protoreflect.StringKind) {
			t.Errorf("%s: account must be string field 1", rpc.Input().FullName())
		}
	}
}
