// Package connection is the actor that owns one socket to one DC, and the link behind it: the
// MTProto session with its engine and unanswered calls, which outlives sockets.
//
// # Usage
//
//	link := connection.NewLink(dc, side, key)
//	pid := ctx.Spawn(actor.PropsFromProducer(func() actor.Actor { return connection.New(account, link) }))
//	ctx.Send(pid, call)
//	ctx.Send(pid, &connection.Close{}) // answered by Closed
//
// The parent is the account. It gets Ready, Closed and the other events of messages.go, and is the
// supervisor: a connection that ends says why by an EndError through EscalateFailure, and dials
// again when it is restarted. Pushes go to the actor of Account.SetStream, or else to the parent;
// each UpdatesArrived is answered by Processed.
//
// # Concurrency
//
// A Link has one user at a time: the running connection, or its parent while none runs or
// while it handles a failure. Dial, read and write run in goroutines of the connection, which
// awaits them before it counts its socket as closed.
//
// # Errors
//
// EndError for the parent. A call ends with an RPC error by way of the parent (CallRefused),
// with a *fleet.Error for what we infer, or with context.Canceled.
package connection
