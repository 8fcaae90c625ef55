// Package actors runs accounts: every account, DC connection and update stream is a
// supervised actor, and a failure is a restart.
//
//	node                          root of one process; supervises everything below
//	├── account/<id>              life cycle of one owned account: engine, calls, flood waits
//	│   ├── connection/<dc>       one socket; the home DC, side DCs on demand
//	│   └── updatestream          owns the updates machine; appends events
//
// # Usage
//
//	f, err := actors.Start(deps)
//	defer f.Shutdown(ctx)
//	env, ok := f.Running(ctx, "support-1") // telegram's functions run over it
//
// The handler of the cluster member calls Fleet: Owned starts an account, Lost drains it and
// says when nothing of it is left.
//
// # Concurrency
//
// State belongs to exactly one actor; there is no mutex in this package. Dialling, writing,
// storing and appending run in goroutines born by an actor, which awaits their message
// before it counts the work as ended. Nothing in a Receive blocks. Requests carry a done
// function that sends a message or fills a buffered channel.
//
// A connection that ends reports its reason by EscalateFailure, never by a panic; its
// account restarts it after a backoff with full jitter. Only panics count against the
// restart budget that leads to quarantine.
//
// # Errors
//
// Callers get *tgerr.Error for what Telegram said, *fleet.Error for what we infer.
package actors
