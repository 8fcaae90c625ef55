// Package requests makes commands idempotent: a caller names a command by a request_id, and
// however often it is repeated within a day, on whichever node, it is carried out once and has
// one outcome.
//
// # Usage
//
//	ledger, err := requests.New(requests.Config{Store: store, Keys: keyring.DataKey, Token: token})
//	attempt, err := ledger.Begin(ctx, requests.Command{Account: id, ID: requestID, Method: "SendMessage", Request: bytes, Again: true})
//	defer attempt.Close()
//	if attempt.State() == requests.Finished {
//		return attempt.Outcome()
//	}
//	... send with attempt.RandomID(0) ...
//	err = attempt.Finish(ctx, reply, nil)
//
// What holds it together:
//
//	absent --Begin--> intent --Finish--> outcome        Begin on an intent whose attempt has ended,
//	   ^                |  ^                            here or on another node, takes it over
//	   +------Drop------+  +--Begin (Resumed)           (Resumed); on an outcome it returns that.
//
// The intent is stored before anything is sent, the outcome after. Between the two lies what no
// store can tell: whether the send took effect. So an attempt that takes over sends again with
// the same random_id, of which Telegram lets only the first take effect. random_id is an HMAC
// of the request_id under a key derived from the account's data key, hence the same on every
// node and after a restart, and nobody else can guess it.
//
// A command without random_id that is not idempotent by nature is carried out by one attempt only
// (Command.Again): when that has left no outcome, a repetition is told so, OUTCOME_UNKNOWN.
//
// Each value carries the fencing token of the node that wrote it. Values are replaced by
// revision only, and never by a lower token: a former owner cannot write an outcome once the
// next owner took over. Commands of no account (fleet.Fleetwide) have no owner and no token: of
// two attempts that run at once on two nodes, the later one's outcome is kept.
//
// # Concurrency
//
// A Ledger is safe for concurrent use. A repetition that arrives while the first one still runs
// on this node waits for it. An Attempt belongs to one goroutine.
//
// # Errors
//
// Errors are *fleet.Error: REQUEST_ID_INVALID, REQUEST_ID_REUSED, NOT_OWNER (the account moved),
// REQUESTS_UNAVAILABLE (nothing was sent), REQUEST_CORRUPT, OUTCOME_UNKNOWN.
package requests
