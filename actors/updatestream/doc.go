// Package updatestream is the actor that keeps an account's updates in order and puts them into the
// event log.
//
// # Usage
//
//	props := actor.PropsFromProducer(func() actor.Actor { return updatestream.New(acc, pos, self, peers) })
//	pid := ctx.Spawn(props) // the parent forwards to it what the home connection says of updates
//
// It is told by connection.UpdatesArrived, connection.ResultReceived, connection.SessionCreated and
// connection.UpdatesDropped, and by the commands of this package. To its parent it says the events
// of this package, connection.Processed, and *connection.Call for calls that it wants made.
//
// # Concurrency
//
// State belongs to the actor. Appends run in goroutines whose message it awaits, one at a time.
//
// # Errors
//
// Ended says why the stream stopped working; the parent stops the actor then, and starts another
// from the log.
package updatestream
