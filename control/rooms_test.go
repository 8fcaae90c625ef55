package control

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/telefleet/orchestrator/control/methods"
)

// elsewhere are RPCs that no room has a function for, with the reason.
var elsewhere = map[protoreflect.FullName]string{
	"orchestrator.v1.ControlService.Exchange": "a bidirectional stream over all the others: exchange serves it",
	"orchestrator.v1.BatchService.RunBatch":   "a stream of one of the others for many accounts: batch serves it",
}

// TestEveryRPCHasAMethod: every RPC of the contract is served by one function of one room, registered
// as what it is.
func TestEveryRPCHasAMethod(t *testing.T) {
	served := map[protoreflect.FullName]int{}
	for _, m := range Methods() {
		if m.Descriptor == nil {
			t.Fatalf("no RPC takes a %T", m.New())
		}
		served[m.Descriptor.FullName()]++
		if m.Descriptor.IsStreamingServer() != (m.Stream != nil) || m.Descriptor.IsStreamingClient() != (m.Feed != nil) || (m.Unary == nil) != (m.Stream != nil || m.Feed != nil) {
			t.Errorf("%s is registered as the wrong kind", m.Descriptor.FullName())
		}
	}
	for rpc := range methods.RPCs() {
		if elsewhere[rpc.FullName()] == "" && served[rpc.FullName()] != 1 {
			t.Errorf("%s has %d methods", rpc.FullName(), served[rpc.FullName()])
		}
	}
	if len(served) != len(Methods()) {
		t.Errorf("%d methods serve %d RPCs", len(Methods()), len(served))
	}
}
