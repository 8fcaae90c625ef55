// Package updatestream is the actor that keeps an account's updates in order and puts them into the
// event log.
//
// # Usage
//
//	props := actor.PropsFromProducer(func() actor.Actor { return updatestream.New(acc, pos, self, peers) })
//	pid := ctx.Spawn(props)
//	conn.SetStream(pid) // the home connection tells it of updates
//
// It is told by connection.UpdatesArrived, connection.ResultReceived, connection.SessionCreated and
// connection.UpdatesDropped, and by the commands of this package. To the connection it says
// connection.Processed, to its parent the events of this package, and *connection.Call for calls
// that it wants made.
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
