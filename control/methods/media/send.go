package media

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/methods/attachments"
	"github.com/telefleet/orchestrator/control/methods/messages"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

func sendFile(ctx context.Context, env telegram.Env, req *v1.SendFileRequest, c *methods.Command) (*v1.SendFileReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	out, err := messages.Outgoing(ctx, env, "message", req.GetMessage())
	if err != nil {
		return nil, err
	}
	out.RandomID, out.Since = c.RandomID(0), c.Since()
	file, err := attachments.Of(env, "media", req.GetMedia())
	if err != nil {
		return nil, err
	}
	sent, err := media.Send(ctx, env, peer, out, file)
	if errors.Is(err, telegram.ErrMessageUnknown) {
		return &v1.SendFileReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	return &v1.SendFileReply{Message: convert.Message(sent, env.Peers()), Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}, nil
}

func sendAlbum(ctx context.Context, env telegram.Env, req *v1.SendAlbumRequest, c *methods.Command) (*v1.SendAlbumReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	out, err := messages.Outgoing(ctx, env, "message", req.GetMessage())
	if err != nil {
		return nil, err
	}
	var items []media.AlbumItem
	for i, in := range req.GetItems() {
		field := fmt.Sprintf("items[%d]", i)
		item := media.AlbumItem{RandomID: c.RandomID(i)}
		if item.Attachment, err = attachments.Of(env, field+".media", in.GetMedia()); err != nil {
			return nil, err
		}
		caption, err := messages.Outgoing(ctx, env, field+".caption", in.GetCaption())
		if err != nil {
			return nil, err
		}
		if item.Text, item.Entities = caption.Text, caption.Entities; i == 0 && item.Text == "" {
			item.Text, item.Entities = out.Text, out.Entities
		}
		items = append(items, item)
	}
	sent, err := media.SendAlbum(ctx, env, peer, out, items)
	if errors.Is(err, telegram.ErrMessageUnknown) {
		return &v1.SendAlbumReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	reply := &v1.SendAlbumReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}
	for _, m := range sent {
		reply.Messages = append(reply.Messages, convert.Message(m, env.Peers()))
	}
	return reply, nil
}
