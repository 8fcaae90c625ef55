// Package methodtest proves the 61 methods of docs/METHODS.md: its tests go from the SDK through the
// API of a node to a simulator on real TCP, and judge by the simulator's state, not by our answers. It
// has no API.
//
// # Usage
//
// One simulator and one node serve all tests of a run; see harness_test.go for what a test finds
// there. A test is named TestMethodNN_ after its row of docs/METHODS.md, uses accounts and chats of its
// own, and runs in parallel with the others. A test that makes the whole simulator misbehave starts a
// simulator and a node of its own by start.
//
// # Concurrency
//
// Tests run in parallel.
//
// # Errors
//
// A run fails when the simulator's referee saw two connections with one auth key.
package methodtest
