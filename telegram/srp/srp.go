// Package srp proves knowledge of a two-step verification password without sending it: the client side of
// Telegram's SRP (core.telegram.org/api/srp).
//
// # Usage
//
//	proof, err := srp.Answer(password, params, account.SRPB, account.SRPID, nil)
//
// Answer costs about 100 ms of CPU (100,000 rounds of PBKDF2): call it outside of mailboxes and locks. The password
// is wiped by the functions that take it, whatever they return.
//
// # Concurrency
//
// The functions keep no state; any number of goroutines may call them.
//
// # Errors
//
// *ParamError says that the server's parameters broke a security check; the password must not be tried with them.
package srp
