// Package chats is what an account can do in groups and channels beside messages: see who is in
// them, make admins, restrict and ban, join and follow invite links.
//
// # Usage
//
//	page, err := chats.Participants(ctx, env, chat, chats.Query{Filter: chats.Admins}, 0, 200)
//	perms, err := chats.GetPermissions(ctx, env, chat, user)
//	joined, err := chats.Accept(ctx, env, "https://t.me/+AbCdEf")
//
// A basic group and a channel are asked by different methods; callers do not see which. What
// Telegram has for one of them only is refused for the other with UNSUPPORTED_PEER.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// As in package telegram. What callers expect to happen, such as being a member already, is an
// Outcome and no error.
package chats
