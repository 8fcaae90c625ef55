package methods

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// elsewhere are RPCs that have no function in this package, with the reason.
var elsewhere = map[protoreflect.FullName]string{
	"orchestrator.v1.ControlService.Exchange": "a bidirectional stream over all the others: package control serves it",
}

func TestEveryRPCHasAMethod(t *testing.T) {
	served := map[protoreflect.FullName]int{}
	for _, m := range All() {
		if m.Descriptor == nil {
			t.Fatalf("no RPC takes a %T", m.New())
		}
		served[m.Descriptor.FullName()]++
		if (m.Unary == nil) == (m.Stream == nil) || m.Descriptor.IsStreamingServer() != (m.Stream != nil) {
			t.Errorf("%s is registered as the wrong kind", m.Descriptor.FullName())
		}
	}
	n := 0
	for rpc := range RPCs() {
		if elsewhere[rpc.FullName()] != "" {
			continue
		}
		n++
		if served[rpc.FullName()] != 1 {
			t.Errorf("%s has %d methods", rpc.FullName(), served[rpc.FullName()])
		}
	}
	if n != len(All()) {
		t.Errorf("%d RPCs, %d methods", n, len(All()))
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
