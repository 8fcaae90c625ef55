// Package updates puts the updates of one account in order, finds what is missing, and says
// what to ask the server for. It knows counters, not TL: package tlupdates translates.
//
// # Usage
//
// A [Machine] takes [Input] values by Step, one or those that came together, and returns the
// [Effect] values to carry out, in order. Each [Emit] is one durable append; positions move only with it. After a
// restart the machine is built from the positions of the log ([State.Apply]), told of the ids
// in the log's tail ([Machine.Remember]), and sent [Started].
//
//	m := updates.New(state, updates.Config{})
//	for _, effect := range m.Step(time.Now(), updates.Started{}) { ... }
//
// # The common boxes
//
// pts, qts and seq are filled together by getDifference; one call at a time:
//
//	        Started
//	  new ───────────────────────────────┐
//	                                     ▼             failed, or no progress
//	  ┌──────┐  TooLong, silence     ┌────────┐ ─────────────────────────► ┌──────────┐
//	  │ idle │ ────────────────────► │ asking │                            │ retrying │
//	  └──────┘ ◄──────────────────── └────────┘ ◄───────────────────────── └──────────┘
//	    │  ▲     final, empty, state   │    ▲  ▲          backoff is over
//	gap │  │ missing one came          └────┘  │
//	    ▼  │                    slice, too long │
//	  ┌─────────┐        0.5 s are over         │
//	  │ waiting │ ──────────────────────────────┘
//	  └─────────┘
//
// In new, asking and retrying, counted updates are held back; the difference brings most of
// them, and the rest is walked through afterwards. The call is getState while the state is
// unknown or was refused by the server.
//
// # Channels
//
// A channel at rest is one entry of a map. One with a gap has a fill, in the same form:
//
//	gap ► waiting ──0.5 s──► queued ──slot free──► asking ──final──► at rest
//	         │                 ▲ ▲                  │   │ failed
//	         │ missing came    │ └─── not final ────┘   ▼
//	         └► at rest        └──────────────────── retrying
//
// At most Config.MaxFills are asking; the channel that was heard of last goes first. An
// update for an unknown channel starts its box right before that update (what came earlier
// was before we knew the channel); updateChannelTooLong for an unknown channel starts it at
// pts 1, as the server then either sends all or says how much is lost. While the common boxes are new,
// asking or retrying, updates of unknown channels wait: we may have known the channel before a power
// loss took the record of it, and the difference, asked from a date before that record, names it then.
// When the server will not show a channel any more, its box is forgotten and a gap event says so.
//
// [Poll] asks a channel without a gap, once or for a while: in "at rest", its next call is then
// due when the timeout of the last answer is over.
//
// While a channel is behind, the durable date stands still: the server tells by the date of
// getDifference which channels have news, so a crash in the middle of a channel's gap finds
// the gap again.
//
// # Base
//
// The first value of a box (getState, or a channel's first update) says where the server is,
// not what we got: an update that was on its way meanwhile looks old and is none. Updates up
// to that first value pass through, by their ids at most once.
//
// # Concurrency
//
// A Machine has no lock, goroutine or clock: one caller at a time.
//
// # Errors
//
// Step never fails. What a server cannot mean (negative counters, answers to nothing) is
// ignored; what it will not send is reported by events of [KindGap].
package updates
