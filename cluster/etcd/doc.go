// Package etcd makes ownership true on etcd: one lease a process with a deadline of its
// own, claims with fencing tokens, a leader that assigns accounts, and the specs and
// statuses of accounts.
//
// # Usage
//
//	accounts := etcd.NewAccounts(client, "")
//	member, err := etcd.Join(ctx, client, etcd.Config{Profile: profile, ...})
//	go member.Run(ctx, handler)   // in a group that waits for it
//	...
//	err = member.Leave(ctx)       // hands everything over, then Run returns nil
//
// Keys:
//
//	accounts/<id>  spec                              nodes/<node>  address, weight, cordon (lease)
//	assign/<id>    node that should run it (leader)  own/<id>      node that runs it (lease)
//	fence/<id>     held, with its L, or released     leader        node that assigns (lease)
//	status/<id>    written by the owner, fenced      cluster       the configured cluster_id
//	consumers/<name>, webhooks/<name>  Resources     duties/…      node that works on one (lease)
//
// The revision of the claiming transaction is the fencing token: the create revision of
// own/<id> and the modification revision of fence/<id>.
//
// # Concurrency
//
// Member and Accounts are safe for concurrent use. Run starts all goroutines and waits for
// them. Handler functions other than Fenced are called from one goroutine, in order.
//
// # Errors
//
// The Err variables of package cluster. Run returns nil after Leave, otherwise why it ended;
// a lost lease or an unreachable etcd does not end it: the member fences itself and joins
// again when etcd is back.
package etcd
