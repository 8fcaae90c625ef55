// Package orchestratorv1 is the message contract of the control API, generated from the .proto
// files beside it. The connect clients and handlers are in orchestratorv1connect.
//
// # Usage
//
// Change a .proto file, then run `make generate`. Fields are only ever added: a number or a name
// that was once published keeps its meaning.
package orchestratorv1
