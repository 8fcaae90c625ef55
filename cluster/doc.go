// Package cluster holds the values of membership and ownership, and placement as a pure
// function. At any time at most one node owns an account; this package says what that
// means, its subpackage etcd makes it true, and its subpackage embedded runs an etcd
// server inside the process for a single node.
//
// # Usage
//
// A node joins with etcd.Join and runs the returned member with a Handler. The handler is
// told of each account that the node comes to own, with a Grant. The contract of a grant:
//
//	Owned ──► (Lost | Fenced, then Lost) ──► Member.Release
//
// Each Owned is answered by exactly one Release, and no new Owned for the same account
// comes before it. Release says: every socket of the account is closed and nothing of it
// runs here any more.
//
// # Concurrency
//
// Values are plain. Gate and Guard are safe for concurrent use and their Check never
// blocks; they are made to be called directly before each socket write.
//
// # Errors
//
// Decisions are taken with errors.Is on the Err variables of this package; all are
// *fleet.Error and carry a code, a reason and a remedy.
package cluster
