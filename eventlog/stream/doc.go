// Package stream is what the event log knows of its store: the raw records of a JetStream stream with
// a subject for each account, the epochs of their sequences, and which of them are surely on disk.
//
// # Usage
//
// Open makes the stream, Store.Beside others on the same connection. Store.Publish appends under an
// expected last sequence; Page reads forward, Last and Next ask the stream's leader. Table tells which
// place an old cursor means after a tail was cut off; Epochs and Witness are kept by WriteFile, or for
// a store of several nodes by Meta. Synced is told of each acknowledgement.
//
// # Concurrency
//
// Store, Meta and Synced are safe for concurrent use. A Table is a value and never changed in place.
//
// # Errors
//
// ErrMismatch and *RefusedError mean that nothing was stored; Unsent tells errors after which nothing
// was even sent. Any other error of Publish leaves the outcome unknown. ErrSilent ends a page whose next
// record does not come. ErrCorrupt: a state file or
// the stored epochs do not decode.
package stream

import "errors"

// ErrCorrupt: what is stored does not decode.
var ErrCorrupt = errors.New("event log: corrupt")
