// Package dialogs is an account's list of chats, what was read in them, and the search in one chat or
// in all.
//
// # Usage
//
//	page, err := dialogs.List(ctx, env, 0, dialogs.Place{}, 100)
//	hits, err := dialogs.Search(ctx, env, chat, dialogs.Query{Text: "invoice"}, 50)
//	err = dialogs.MarkRead(ctx, env, chat, 0, 0)
//
// Lists are read in pages, each beginning where the one before ended. A short page is not the end;
// an empty one is, and one that brings nothing new.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// As in package telegram.
package dialogs
