// Package telegram is what an account can do at Telegram, as plain functions over Env: log in and
// out, find peers, send and read messages.
//
// # Usage
//
//	peer, err := telegram.ResolvePeer(ctx, env, "@name")
//	msg, err := telegram.SendMessage(ctx, env, peer, telegram.Outgoing{Text: "hi"})
//
// A function makes the calls that METHODS lists for it and returns values of package tg or its
// own. What an answer means beyond the caller (users and chats for the peers, updates for the
// update stream, a login for the account) is observed by the Env, not by these functions.
//
// # Concurrency
//
// Functions keep no state and may run at the same time over one Env.
//
// # Errors
//
// Every error that a caller can act on is a *fleet.Error: Telegram's own with its name, argument
// and method, and ours such as PEER_UNKNOWN.
package telegram
