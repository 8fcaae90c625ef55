// Package tlupdates translates between TL and package updates: pushes, results of RPCs and
// differences become inputs, calls of the machine become requests, and events get their ids.
//
// # Usage
//
//	in, err := tlupdates.FromUpdates(push, tlupdates.Source{Self: me, MsgID: id, Token: token}, peers)
//	effects := machine.Step(now, in)
//
// A [Reader] does the same for pushes that are not decoded yet, at less cost for the usual ones.
//
// Every RPC result whose constructor CarriesUpdates goes through FromResult or FromAffected,
// except updateShortSentMessage, which needs its request: FromSentMessage.
//
// # Event ids
//
// An id is box:kind:key. The key is natural, so that a push and a difference give the same id:
//
//	message_new       id of the message
//	message_edited    id of the message, edit date, hash of the content
//	message_deleted   id of the message, one event each
//	read              which end, peer, id up to which; or the message whose content was seen
//	any with qts      qts; an encrypted message: chat and random id, as a difference hides its qts
//	queries to bots   query id
//	pinned, folders   pts and hash of the content: what is pinned twice is news twice
//	any without       token, MTProto message, index: at most once over a crash of ours
//
// The hash leaves out what changes without an edit or differs between two answers: counters
// of views, forwards and replies, file references, access hashes.
//
// # Concurrency
//
// Functions may be called by any goroutine, a Reader's by one at a time. Values are not changed after
// they are returned, except by the caller.
//
// # Errors
//
// FromUpdates and FromSentMessage return ErrNeedsRequest or nil; what they cannot read without
// more knowledge becomes updates.TooLong. ChannelDifferenceRequest returns ErrNoAccess.
package tlupdates
