// Package eventlog keeps the durable, replayable events of every account. It is the
// write-ahead log of the update state: positions move only with an appended record.
//
// # Usage
//
// Open starts an embedded JetStream under Config.Dir, or connects to Config.URL. The owner of
// an account calls Log.Claim with its fencing token, reads back what a former owner appended
// with Writer.Replay, and appends with Writer.Append. Readers use Log.Subscribe (an iterator
// that pulls) or Log.Consumer (a durable cursor with ack and nak).
//
// All accounts share one stream and so one sequence; the subject of an account is
// "ev.<account>". Each record names the account's previous sequence, the owner's token and the
// box positions that hold after it. The stream refuses an append whose expected last sequence
// of the subject is wrong, so a former owner cannot append after a Claim.
//
// A place in the log is a Cursor {epoch, sequence}. Sequences are acknowledged before they are
// synced to disk; after a power loss the tail may be gone and its sequences are used again.
// Therefore the log opens a new epoch at every start that does not follow a clean Close, and a
// cursor of an older epoch that lies beyond that epoch's end resumes at the end. Log.Durable
// tells which place is surely synced; a checkpoint must not cover more.
//
// # Concurrency
//
// Log and Consumer are safe for concurrent use. A Writer takes one Append at a time: a second
// one meanwhile returns ErrBusy. An iterator belongs to one goroutine. Close waits for the
// goroutines that the log started; iterators end with ErrClosed.
//
// # Errors
//
// ErrFenced, ErrTailLost and ErrUnknownOutcome end a Writer: the first for good, after the
// others the owner claims and replays again. ErrLowSpace, ErrBusy and ErrTooLarge leave it
// usable. Errors of reading are either fatal (the iteration ends) or, when the yielded
// record names its account, concern that record alone.
package eventlog

import (
	"errors"
	"fmt"

	"github.com/telefleet/orchestrator/eventlog/stream"
)

// The decisions a caller makes; all errors of the package wrap one of them, a context error or
// the store's own error.
var (
	// ErrFenced: the account's subject holds a higher token, or a later claim of the same one.
	ErrFenced = errors.New("event log: fenced by a newer owner")
	// ErrBusy: another Append of this Writer is in flight.
	ErrBusy = errors.New("event log: another append of this account is in flight")
	// ErrTailLost: the log no longer holds what this Writer appended (its unsynced tail was
	// cut). Claim and replay again, then fetch the difference.
	ErrTailLost = errors.New("event log: appended records were lost by the store")
	// ErrUnknownOutcome: no acknowledgement came and the subject could not be read. Claim and
	// replay again: the replay shows whether the record was stored.
	ErrUnknownOutcome = errors.New("event log: outcome of the append is unknown")
	// ErrWriterEnded: an earlier error ended this Writer.
	ErrWriterEnded = errors.New("event log: writer ended by an earlier error")
	// ErrLowSpace: less than Config.MinFree is free, or an external store has no space left; nothing was
	// written.
	ErrLowSpace = errors.New("event log: low disk space")
	// ErrUnlimited: the external NATS has no storage limit for this account, and tells nothing of its
	// disks. Set one (max_store, or max_file in accounts), or watch the disks of its servers.
	ErrUnlimited = errors.New("event log: the store has no limit that could be watched")
	// ErrTooLarge: the encoded record is larger than MaxRecordBytes; nothing was written.
	ErrTooLarge = errors.New("event log: record too large")
	// ErrNoKey: the account's data key no longer exists. Config.Keys returns it for a deleted
	// account; a record read then comes with this error and without payload.
	ErrNoKey = errors.New("event log: no data key")
	// ErrCorrupt: a stored record or state file does not decode or its seal does not open.
	ErrCorrupt = stream.ErrCorrupt
	// ErrTruncated: the wanted records were dropped before they could be read.
	ErrTruncated = errors.New("event log: records dropped")
	// ErrClosed: the log or consumer was closed.
	ErrClosed = errors.New("event log: closed")
	// ErrInUse: another process has the directory, or another dispatcher runs the consumer.
	ErrInUse = errors.New("event log: in use")
	// ErrFull: a consumer holds as many events as it may.
	ErrFull = errors.New("event log: the consumer holds as many events as it may")
	// ErrNotFound: no such consumer or delivery.
	ErrNotFound = errors.New("event log: not found")
	// ErrInvalid: an argument or setting is wrong; the message names it.
	ErrInvalid = errors.New("event log: invalid")
)

// AppendError says how far an Append of several records came.
type AppendError struct {
	// Done records of the call are in the log; Last is the sequence of the last of them.
	Done int
	Last uint64
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *AppendError) Error() string {
	return fmt.Sprintf("append (%d records done): %v", e.Done, e.Err)
}

// Unwrap gives the cause.
func (e *AppendError) Unwrap() error { return e.Err }
