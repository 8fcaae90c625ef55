package client

import (
	"context"
	"iter"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// Messages of the contract under short names.
type (
	// Dialog is one chat of an account's list.
	Dialog = v1.Dialog
	// SearchFilter selects messages by what they hold.
	SearchFilter = v1.SearchFilter
)

// Folder is a list of chats.
type Folder int32

// The folders.
const (
	MainList Folder = 0
	Archive  Folder = 1
)

// Dialogs yields the chats of a folder, pinned ones first, then by their newest message, each once,
// and reads them page by page as the loop goes on (messages.getDialogs). It goes on after a break
// without repeating any.
func (a *Account) Dialogs(ctx context.Context, folder Folder) iter.Seq2[Counted[*Dialog], error] {
	return walk(ctx, a.client, func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.IterateDialogsReply], error) {
		return n.Dialogs.IterateDialogs(ctx, &v1.IterateDialogsRequest{Account: a.id, FolderId: int32(folder)})
	}, (*v1.IterateDialogsReply).GetDialogs)
}

// DialogsPage is some chats of the list.
type DialogsPage struct {
	Dialogs []*Dialog
	// Total is how many there are, as Telegram counts them.
	Total int
	// Next leads to those that follow; empty at the end.
	Next string
}

// DialogsPage reads up to limit chats of a folder, 0 = 100, at most 10,000, from where a former page
// ended; empty = the top.
func (a *Account) DialogsPage(ctx context.Context, folder Folder, limit int, next string) (*DialogsPage, error) {
	reply, err := call(ctx, a.client, repeatable, on(dialogService.GetDialogs), &v1.GetDialogsRequest{Account: a.id, FolderId: int32(folder), Limit: int32(limit), PageToken: next})
	if err != nil {
		return nil, err
	}
	return &DialogsPage{reply.GetDialogs(), int(reply.GetTotal()), reply.GetNextPageToken()}, nil
}

// MarkRead marks the messages of a chat up to an id as read; 0 = all. With a topic, a forum topic's top
// message, only of that topic.
func (a *Account) MarkRead(ctx context.Context, peer string, upTo, topic int32) error {
	_, err := call(ctx, a.client, repeatable, on(dialogService.MarkRead), &v1.MarkReadRequest{Account: a.id, Peer: peer, MaxId: upTo, TopicId: topic})
	return err
}

// ClearMentions marks all mentions of the account in a chat as read, with a topic only of that topic.
func (a *Account) ClearMentions(ctx context.Context, peer string, topic int32) error {
	_, err := call(ctx, a.client, repeatable, on(dialogService.ClearMentions), &v1.ClearMentionsRequest{Account: a.id, Peer: peer, TopicId: topic})
	return err
}

// DeleteDialog removes a chat from the account's list, leaving a group or channel. Nothing is deleted
// for others.
func (a *Account) DeleteDialog(ctx context.Context, peer string) error {
	_, err := call(ctx, a.client, repeatable, on(dialogService.DeleteDialog), &v1.DeleteDialogRequest{Account: a.id, Peer: peer})
	return err
}

// SearchOptions select messages. The zero value selects all.
type SearchOptions struct {
	// Filter is what they hold.
	Filter SearchFilter
	// Since and Before bound their time, the second exclusively; zero = no bound.
	Since, Before time.Time
	// Limit is how many at most; 0 = all.
	Limit int

	// Of one chat only: the sender, ids above MinID and below MaxID, older than OffsetID, and a forum
	// topic.
	Sender                 string
	MinID, MaxID, OffsetID int32
	Topic                  int32

	// Of all chats only: a folder and a kind.
	Folder *Folder
	Kinds  v1.ChatKinds
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// HitsPage is messages that a search found, newest first.
type HitsPage struct {
	Messages []*Message
	// Total is how many fit, as Telegram counts them; may be an estimate.
	Total int
	// NextID and Next lead to those that follow, in one chat and in all; zero at the end.
	NextID int32
	Next   string
}

// Search yields the messages of a chat that fit, newest first, and reads them page by page as the loop
// goes on (messages.search). An empty query selects by the options alone.
func (a *Account) Search(ctx context.Context, peer, query string, o SearchOptions) iter.Seq2[Counted[*Message], error] {
	return hits(o.Limit, func(limit int) (*HitsPage, bool, error) {
		page, err := a.SearchPage(ctx, peer, query, limited(o, limit))
		if err != nil {
			return nil, false, err
		}
		o.OffsetID = page.NextID
		return page, page.NextID != 0, nil
	})
}

// SearchGlobal yields the messages of all chats that fit, newest first, each once, and reads them page
// by page as the loop goes on (messages.searchGlobal).
func (a *Account) SearchGlobal(ctx context.Context, query string, o SearchOptions) iter.Seq2[Counted[*Message], error] {
	next := ""
	return hits(o.Limit, func(limit int) (*HitsPage, bool, error) {
		page, err := a.SearchGlobalPage(ctx, query, limited(o, limit), next)
		if err != nil {
			return nil, false, err
		}
		next = page.Next
		return page, next != "", nil
	})
}

func limited(o SearchOptions, limit int) SearchOptions {
	o.Limit = limit
	return o
}

// hits goes through pages until enough were yielded.
func hits(limit int, read func(limit int) (page *HitsPage, more bool, err error)) iter.Seq2[Counted[*Message], error] {
	type place struct {
		chat int64
		id   int32
	}
	return func(yield func(Counted[*Message], error) bool) {
		seen := map[place]bool{}
		for more := true; more; {
			size := defaultPage
			if limit > 0 {
				size = min(size, limit-len(seen))
			}
			var page *HitsPage
			var err error
			if page, more, err = read(size); err != nil {
				yield(Counted[*Message]{}, err)
				return
			}
			for _, m := range page.Messages {
				at := place{m.GetPeer().GetId(), m.GetId()}
				if seen[at] {
					continue
				}
				seen[at] = true
				if !yield(Counted[*Message]{m, page.Total}, nil) || limit > 0 && len(seen) >= limit {
					return
				}
			}
		}
	}
}

// SearchPage reads up to o.Limit messages of a chat that fit, 0 = 100, at most 10,000.
func (a *Account) SearchPage(ctx context.Context, peer, query string, o SearchOptions) (*HitsPage, error) {
	reply, err := call(ctx, a.client, repeatable, on(searchService.SearchMessages), &v1.SearchMessagesRequest{
		Account: a.id, Peer: peer, Query: query, Filter: o.Filter, Sender: o.Sender, MinDate: stamp(o.Since), MaxDate: stamp(o.Before),
		MinId: o.MinID, MaxId: o.MaxID, OffsetId: o.OffsetID, TopicId: o.Topic, Limit: int32(o.Limit), Markup: markup(ctx),
	})
	if err != nil {
		return nil, err
	}
	return &HitsPage{Messages: reply.GetMessages(), Total: int(reply.GetTotal()), NextID: reply.GetNextOffsetId()}, nil
}

// SearchGlobalPage reads up to o.Limit messages of all chats that fit, 0 = 100, at most 10,000, from
// where a former page ended; empty = the newest.
func (a *Account) SearchGlobalPage(ctx context.Context, query string, o SearchOptions, next string) (*HitsPage, error) {
	req := &v1.SearchGlobalRequest{
		Account: a.id, Query: query, Filter: o.Filter, MinDate: stamp(o.Since), MaxDate: stamp(o.Before), Kinds: o.Kinds, Limit: int32(o.Limit), PageToken: next,
		Markup: markup(ctx),
	}
	if o.Folder != nil {
		folder := int32(*o.Folder)
		req.FolderId = &folder
	}
	reply, err := call(ctx, a.client, repeatable, on(searchService.SearchGlobal), req)
	if err != nil {
		return nil, err
	}
	return &HitsPage{Messages: reply.GetMessages(), Total: int(reply.GetTotal()), Next: reply.GetNextPageToken()}, nil
}
