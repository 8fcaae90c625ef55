// Package mtserver is the protocol half of the simulator: a local and strict
// MTProto 2.0 server. It knows keys, sessions, messages, acknowledgements and
// salts; it does not know what a query means. A Handler answers the queries.
//
// # Usage
//
//	srv, err := mtserver.Start(ctx, mtserver.Config{DCs: []int{1, 2}}, handler)
//	for _, dc := range srv.DCs() { ... } // address and public key of each DC
//	srv.Push(keyID, updates)             // unasked for, to the main session of a key
//	srv.Close()
//
// Every DC listens on an address of its own and has its own RSA key and its own
// auth keys. A client that breaks a rule of the protocol is answered as the
// documents at core.telegram.org/mtproto say: with a transport error, with
// bad_msg_notification, or with a closed connection. Faults makes the server
// misbehave on purpose; the Referee judges whether two connections of one
// logged-in key ever sent in parallel.
//
// # Concurrency
//
// All exported methods may be called from any goroutine. The calls of one
// session reach the Handler one after the other in order of arrival; calls of
// different sessions run in parallel. A Call may be answered after
// Handler.RPC has returned. Close waits for every goroutine of the server, so
// a Handler must return when its context ends.
//
// # Errors
//
// Start fails if it cannot listen or draw keys. Whatever a client does wrong
// ends as an answer to that client and as a number in Stats, never as an error
// to the owner of the server.
package mtserver
