package messages

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/methods/attachments"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

func sendMessage(ctx context.Context, env telegram.Env, req *v1.SendMessageRequest, c *methods.Command) (*v1.SendMessageReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	out, err := Outgoing(ctx, env, "message", req.GetMessage())
	if err != nil {
		return nil, err
	}
	out.RandomID, out.Since = c.RandomID(0), c.Since()
	sent, err := telegram.SendMessage(ctx, env, peer, out)
	if errors.Is(err, telegram.ErrMessageUnknown) {
		return &v1.SendMessageReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	return &v1.SendMessageReply{Message: convert.Message(sent, env.Peers()), Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}, nil
}

// Outgoing is a message to send as package telegram has it; field is where the request has it.
func Outgoing(ctx context.Context, env telegram.Env, field string, m *v1.InputMessage) (telegram.Outgoing, error) {
	out := telegram.Outgoing{
		Silent: m.GetSilent(), Background: m.GetBackground(), ClearDraft: m.GetClearDraft(),
		NoWebpage: m.GetNoWebpage(), InvertMedia: m.GetInvertMedia(), Noforwards: m.GetNoforwards(), Effect: m.GetEffect(),
	}
	var err error
	if out.Text, out.Entities, err = convert.InputText(field, m, env.Peers()); err != nil {
		return out, err
	}
	if out.Schedule, out.WhenOnline, err = schedule(field, m.GetScheduleDate(), m.GetWhenOnline()); err != nil {
		return out, err
	}
	if out.SendAs, err = optionalPeer(ctx, env, m.GetSendAs()); err != nil {
		return out, err
	}
	if out.Keyboard, err = Keyboard(ctx, env, field+".keyboard", m.GetKeyboard()); err != nil {
		return out, err
	}
	return out, fillReply(ctx, env, field+".reply", m.GetReply(), &out)
}

// fillReply sets what a message answers.
func fillReply(ctx context.Context, env telegram.Env, field string, r *v1.InputReply, out *telegram.Outgoing) (err error) {
	out.ReplyTo, out.Quote, out.TopID, out.QuoteOffset = int(r.GetMessageId()), r.GetQuote(), int(r.GetTopId()), int(r.GetQuoteOffset())
	if (r.GetPeer() != "" || r.GetQuote() != "") && r.GetMessageId() == 0 {
		return convert.Invalid(field+".message_id", "name the message that is answered", "is missing")
	}
	if out.QuoteEntities, err = convert.InputEntities(field+".quote_entities", r.GetQuoteEntities(), env.Peers()); err != nil {
		return err
	}
	out.ReplyPeer, err = optionalPeer(ctx, env, r.GetPeer())
	return err
}

// schedule is when to send.
func schedule(field string, at *timestamppb.Timestamp, online bool) (time.Time, bool, error) {
	switch {
	case at == nil:
		return time.Time{}, online, nil
	case online:
		return time.Time{}, false, convert.Invalid(field+".schedule_date", "give one of them", "cannot be given with when_online")
	}
	if at.AsTime().Unix() > maxSchedule {
		return time.Time{}, false, fleet.Errorf(fleet.CodeInvalidArgument, "SCHEDULE_DATE_TOO_LATE", "%s.schedule_date: is too far away (got %s)",
			field, at.AsTime().Format(time.RFC3339)).WithRemedy("schedule at most 365 days ahead")
	}
	return at.AsTime(), false, nil
}

// maxSchedule is the last date that a message can wait for: Telegram counts seconds in 31 bits, of which
// the highest numbers mean other things.
const maxSchedule = math.MaxInt32 - 2

// Keyboard is a keyboard for TL, nil for none; field is where the request has it.
func Keyboard(ctx context.Context, env telegram.Env, field string, k *v1.InputKeyboard) (tg.ReplyMarkupClass, error) {
	return convert.InputKeyboard(field, k, func(text string) (tg.InputUserClass, error) {
		p, err := telegram.ResolvePeer(ctx, env, text)
		switch {
		case err != nil:
			return nil, err
		case p.Self:
			return &tg.InputUserSelf{}, nil
		case p.Kind != telegram.PeerUser:
			return nil, convert.Invalid(field, "name a user", "shows a %s, not a user", p.Kind)
		}
		if _, err := p.Input(); err != nil {
			return nil, err
		}
		return &tg.InputUser{UserID: p.ID, AccessHash: p.AccessHash}, nil
	})
}

func editMessage(ctx context.Context, env telegram.Env, req *v1.EditMessageRequest) (*v1.EditMessageReply, error) {
	m := req.GetMessage()
	if m.GetReply() != nil || m.GetSilent() || m.GetBackground() || m.GetClearDraft() || m.GetNoforwards() || m.GetSendAs() != "" || m.GetEffect() != 0 {
		return nil, convert.Invalid("message", "give text, entities, no_webpage, invert_media, keyboard, beside it media; schedule_date of scheduled messages", "has fields that cannot be edited")
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	out, err := Outgoing(ctx, env, "message", m)
	if err != nil {
		return nil, err
	}
	e := telegram.Edit{
		ID: int(req.GetMessageId()), Text: out.Text, Entities: out.Entities, Keyboard: out.Keyboard, NoWebpage: out.NoWebpage,
		InvertMedia: out.InvertMedia, Scheduled: req.GetScheduled(), Schedule: out.Schedule, WhenOnline: out.WhenOnline,
	}
	edited, err := edit(ctx, env, peer, e, req.GetMedia())
	if err != nil {
		return nil, err
	}
	if edited == nil {
		return &v1.EditMessageReply{NotModified: true}, nil
	}
	return &v1.EditMessageReply{Message: convert.Message(edited, env.Peers())}, nil
}

func edit(ctx context.Context, env telegram.Env, chat telegram.Peer, e telegram.Edit, file *v1.InputMedia) (*tg.Message, error) {
	if file == nil {
		return telegram.EditMessage(ctx, env, chat, e)
	}
	a, err := attachments.Of(env, "media", file)
	if err != nil {
		return nil, err
	}
	return media.Edit(ctx, env, chat, e, a)
}

func forwardMessages(ctx context.Context, env telegram.Env, req *v1.ForwardMessagesRequest, c *methods.Command) (*v1.ForwardMessagesReply, error) {
	ids, err := idsOf("message_ids", req.GetMessageIds())
	if err != nil {
		return nil, err
	}
	from, err := telegram.ResolvePeer(ctx, env, req.GetFromPeer())
	if err != nil {
		return nil, err
	}
	to, err := telegram.ResolvePeer(ctx, env, req.GetToPeer())
	if err != nil {
		return nil, err
	}
	f := telegram.Forward{
		IDs: ids, DropAuthor: req.GetDropAuthor(), DropCaptions: req.GetDropCaptions(), Silent: req.GetSilent(),
		Background: req.GetBackground(), Noforwards: req.GetNoforwards(), TopID: int(req.GetTopId()), RandomID: c.RandomID,
	}
	if f.Schedule, f.WhenOnline, err = schedule("request", req.GetScheduleDate(), req.GetWhenOnline()); err != nil {
		return nil, err
	}
	if f.SendAs, err = optionalPeer(ctx, env, req.GetSendAs()); err != nil {
		return nil, err
	}
	list, err := telegram.ForwardMessages(ctx, env, from, to, f)
	if err != nil {
		return nil, err
	}
	reply := &v1.ForwardMessagesReply{}
	for _, one := range list {
		out := &v1.ForwardedMessage{OriginalId: int32(one.OriginalID)}
		switch {
		case one.Message != nil:
			out.Message, out.Outcome = convert.Message(one.Message, env.Peers()), v1.SendOutcome_SEND_OUTCOME_DONE
		case one.Sent:
			out.Outcome = v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN
		}
		reply.Messages = append(reply.Messages, out)
	}
	return reply, nil
}

func deleteMessages(ctx context.Context, env telegram.Env, req *v1.DeleteMessagesRequest) (*v1.DeleteMessagesReply, error) {
	ids, err := idsOf("message_ids", req.GetMessageIds())
	if err != nil {
		return nil, err
	}
	peer, err := optionalPeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	n, err := telegram.DeleteMessages(ctx, env, peer, ids, req.GetRevoke())
	if err != nil {
		return nil, err
	}
	return &v1.DeleteMessagesReply{Deleted: int32(n)}, nil
}
