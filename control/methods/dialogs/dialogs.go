// Package dialogs holds the RPCs of dialogs and search, one function each, as package methods does
// those of accounts.
//
// # Usage
//
// All lists them; package control serves them. What is done at Telegram is in package telegram/dialogs.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error.
package dialogs

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dialogs"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{
		methods.Routed(getDialogs), methods.Streamed(iterateDialogs), methods.Routed(markRead), methods.Routed(clearMentions),
		methods.Routed(deleteDialog), methods.Routed(searchMessages), methods.Routed(searchGlobal),
	}
}

const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// limitOf checks a limit.
func limitOf(n int32, remedy string) (int, error) {
	if n < 0 || n > maxLimit {
		return 0, convert.Invalid("limit", remedy, "must be 0 to %d (got %d)", maxLimit, n)
	}
	if n == 0 {
		return defaultLimit, nil
	}
	return int(n), nil
}

func folderOf(id int32) (int, error) {
	if id != 0 && id != 1 {
		return 0, convert.Invalid("folder_id", "give 0 for the main list or 1 for the archive", "is no list (got %d)", id)
	}
	return int(id), nil
}

// Page tokens are places as JSON, in base64: they hold no secret, and a wrong one does no harm.

func token[T any](place *T) string {
	if place == nil {
		return ""
	}
	b, err := json.Marshal(place)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func placeOf[T any](text string) (place T, err error) {
	if text == "" {
		return place, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &place)
	}
	if err != nil {
		return place, convert.Invalid("page_token", "give next_page_token of the page before exactly as it was sent", "is none that was handed out (got %d characters)", len(text))
	}
	return place, nil
}

func getDialogs(ctx context.Context, env telegram.Env, req *v1.GetDialogsRequest) (*v1.GetDialogsReply, error) {
	limit, err := limitOf(req.GetLimit(), "read on with next_page_token, or use IterateDialogs")
	if err != nil {
		return nil, err
	}
	folder, err := folderOf(req.GetFolderId())
	if err != nil {
		return nil, err
	}
	place, err := placeOf[dialogs.Place](req.GetPageToken())
	if err != nil {
		return nil, err
	}
	page, err := dialogs.List(ctx, env, folder, place, limit)
	if err != nil {
		return nil, err
	}
	return &v1.GetDialogsReply{Dialogs: converted(page, env), Total: int32(page.Total), NextPageToken: token(page.Next)}, nil
}

func converted(page dialogs.Page, env telegram.Env) (out []*v1.Dialog) {
	known := convert.Answered(page.Peers, env.Peers())
	for _, d := range page.Dialogs {
		one := &v1.Dialog{
			Peer: convert.TLPeer(d.Peer, known), UnreadCount: int32(d.UnreadCount), UnreadMentionsCount: int32(d.UnreadMentionsCount),
			UnreadReactionsCount: int32(d.UnreadReactionsCount), UnreadMark: d.UnreadMark, Pinned: d.Pinned, FolderId: int32(d.FolderID),
			ReadInboxMaxId: int32(d.ReadInboxMaxID), ReadOutboxMaxId: int32(d.ReadOutboxMaxID),
		}
		if d.Top != nil {
			one.TopMessage = convert.Message(d.Top, known)
		}
		if draft, ok := d.Draft.(*tg.DraftMessage); ok {
			one.Draft = draft.Message
		}
		out = append(out, one)
	}
	return out
}

func iterateDialogs(ctx context.Context, host *methods.Host, req *v1.IterateDialogsRequest, send func(*v1.IterateDialogsReply) error) error {
	folder, err := folderOf(req.GetFolderId())
	if err != nil {
		return err
	}
	env, err := host.Env(ctx, fleet.AccountID(req.GetAccount()))
	if err != nil {
		return err
	}
	return dialogs.Walk(ctx, env, folder, func(page dialogs.Page) error {
		return send(&v1.IterateDialogsReply{Dialogs: converted(page, env), Total: int32(page.Total)})
	})
}

func markRead(ctx context.Context, env telegram.Env, req *v1.MarkReadRequest) (*v1.MarkReadReply, error) {
	if n := req.GetMaxId(); n < 0 {
		return nil, convert.Invalid("max_id", "give the id of a message, or 0 for all", "must not be negative (got %d)", n)
	}
	chat, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	return &v1.MarkReadReply{}, dialogs.MarkRead(ctx, env, chat, int(req.GetMaxId()), int(req.GetTopicId()))
}

func clearMentions(ctx context.Context, env telegram.Env, req *v1.ClearMentionsRequest) (*v1.ClearMentionsReply, error) {
	chat, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	return &v1.ClearMentionsReply{}, dialogs.ClearMentions(ctx, env, chat, int(req.GetTopicId()))
}

func deleteDialog(ctx context.Context, env telegram.Env, req *v1.DeleteDialogRequest) (*v1.DeleteDialogReply, error) {
	chat, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	return &v1.DeleteDialogReply{}, dialogs.Delete(ctx, env, chat)
}
