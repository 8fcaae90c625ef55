// Package chats holds the RPCs of groups and channels, one function each, as package methods does
// those of accounts.
//
// # Usage
//
// All lists them; package control serves them. What is done at Telegram is in package telegram/chats.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error.
package chats

import (
	"context"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/chats"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{
		methods.Routed(getParticipants), methods.Streamed(iterateParticipants), methods.Routed(getPermissions),
		methods.Routed(setAdminRights), methods.Routed(setBannedRights),
		methods.Routed(joinChat), methods.Routed(checkInvite), methods.Routed(acceptInvite),
	}
}

// maxParticipants is the most members that one GetParticipants returns.
const maxParticipants = 10_000

var filters = map[v1.ParticipantFilter]chats.Filter{
	v1.ParticipantFilter_PARTICIPANT_FILTER_UNSPECIFIED: chats.Recent, v1.ParticipantFilter_PARTICIPANT_FILTER_RECENT: chats.Recent,
	v1.ParticipantFilter_PARTICIPANT_FILTER_ADMINS: chats.Admins, v1.ParticipantFilter_PARTICIPANT_FILTER_BOTS: chats.Bots,
	v1.ParticipantFilter_PARTICIPANT_FILTER_RESTRICTED: chats.Restricted, v1.ParticipantFilter_PARTICIPANT_FILTER_BANNED: chats.Banned,
	v1.ParticipantFilter_PARTICIPANT_FILTER_CONTACTS: chats.Contacts, v1.ParticipantFilter_PARTICIPANT_FILTER_SEARCH: chats.Search,
}

// query is what a request selects.
func query(filter v1.ParticipantFilter, text string) (chats.Query, error) {
	f, ok := filters[filter]
	if !ok {
		return chats.Query{}, convert.Invalid("filter", "use one of the filters of this version", "is not known (got %d)", filter)
	}
	takes := f == chats.Search || f == chats.Restricted || f == chats.Banned || f == chats.Contacts
	if text != "" && !takes {
		return chats.Query{}, convert.Invalid("query", "set filter to SEARCH, RESTRICTED, BANNED or CONTACTS", "needs another filter (got %s)", filter)
	}
	return chats.Query{Filter: f, Text: text}, nil
}

func getParticipants(ctx context.Context, env telegram.Env, req *v1.GetParticipantsRequest) (*v1.GetParticipantsReply, error) {
	if n := req.GetLimit(); n < 0 || n > maxParticipants {
		return nil, convert.Invalid("limit", "read on with offset, or use IterateParticipants", "must be 0 to %d (got %d)", maxParticipants, n)
	}
	if n := req.GetOffset(); n < 0 {
		return nil, convert.Invalid("offset", "give next_offset of the page before, or 0", "must not be negative (got %d)", n)
	}
	q, err := query(req.GetFilter(), req.GetQuery())
	if err != nil {
		return nil, err
	}
	chat, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	page, err := chats.Participants(ctx, env, chat, q, int(req.GetOffset()), int(req.GetLimit()))
	if err != nil {
		return nil, err
	}
	return &v1.GetParticipantsReply{Participants: participants(page, env), Total: int32(page.Total), NextOffset: int32(page.Next)}, nil
}

func participants(page chats.Page, env telegram.Env) (out []*v1.Participant) {
	for _, p := range page.Participants {
		out = append(out, convert.Participant(p, env.Peers()))
	}
	return out
}

func iterateParticipants(ctx context.Context, host *methods.Host, req *v1.IterateParticipantsRequest, send func(*v1.IterateParticipantsReply) error) error {
	q, err := query(req.GetFilter(), req.GetQuery())
	if err != nil {
		return err
	}
	env, err := host.Env(ctx, fleet.AccountID(req.GetAccount()))
	if err != nil {
		return err
	}
	chat, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return err
	}
	return chats.Walk(ctx, env, chat, q, func(page chats.Page) error {
		return send(&v1.IterateParticipantsReply{Participants: participants(page, env), Total: int32(page.Total)})
	})
}

// pair resolves a chat and somebody in it.
func pair(ctx context.Context, env telegram.Env, peer, user string) (chat, who telegram.Peer, err error) {
	if chat, err = telegram.ResolvePeer(ctx, env, peer); err != nil {
		return chat, who, err
	}
	who, err = telegram.ResolvePeer(ctx, env, user)
	return chat, who, err
}

func getPermissions(ctx context.Context, env telegram.Env, req *v1.GetPermissionsRequest) (*v1.GetPermissionsReply, error) {
	user := req.GetUser()
	if user == "" {
		user = "me"
	}
	chat, who, err := pair(ctx, env, req.GetPeer(), user)
	if err != nil {
		return nil, err
	}
	p, err := chats.GetPermissions(ctx, env, chat, who)
	if err != nil {
		return nil, err
	}
	return &v1.GetPermissionsReply{
		Participant:         convert.Participant(p.Participant, env.Peers()),
		DefaultBannedRights: convert.BannedRights(&p.Default), EffectiveBannedRights: convert.BannedRights(&p.Forbidden),
		EffectiveAdminRights: convert.AdminRights(&p.Allowed),
	}, nil
}

func setAdminRights(ctx context.Context, env telegram.Env, req *v1.SetAdminRightsRequest) (*v1.SetAdminRightsReply, error) {
	chat, who, err := pair(ctx, env, req.GetPeer(), req.GetUser())
	if err != nil {
		return nil, err
	}
	if err := chats.SetAdminRights(ctx, env, chat, who, convert.InputAdminRights(req.GetRights()), req.GetRank()); err != nil {
		return nil, err
	}
	return &v1.SetAdminRightsReply{}, nil
}

func setBannedRights(ctx context.Context, env telegram.Env, req *v1.SetBannedRightsRequest) (*v1.SetBannedRightsReply, error) {
	rights, err := convert.InputBannedRights("rights", req.GetRights(), time.Now())
	if err != nil {
		return nil, err
	}
	chat, who, err := pair(ctx, env, req.GetPeer(), req.GetUser())
	if err != nil {
		return nil, err
	}
	if err := chats.SetBannedRights(ctx, env, chat, who, rights, req.GetRevokeHistory()); err != nil {
		return nil, err
	}
	return &v1.SetBannedRightsReply{}, nil
}

func joinChat(ctx context.Context, env telegram.Env, req *v1.JoinChatRequest) (*v1.JoinChatReply, error) {
	chat, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	r, err := chats.Join(ctx, env, chat)
	if err != nil {
		return nil, err
	}
	return &v1.JoinChatReply{Outcome: outcomes[r.Outcome], Chat: convert.OptionalPeer(r.Chat)}, nil
}

func checkInvite(ctx context.Context, env telegram.Env, req *v1.CheckInviteRequest) (*v1.CheckInviteReply, error) {
	i, err := chats.Check(ctx, env, req.GetLink())
	if err != nil {
		return nil, err
	}
	return &v1.CheckInviteReply{
		Chat: convert.OptionalPeer(i.Chat), AlreadyParticipant: i.AlreadyParticipant, Title: i.Title, About: i.About,
		Broadcast: i.Broadcast, Megagroup: i.Megagroup, ParticipantsCount: int32(i.Participants),
		RequestNeeded: i.RequestNeeded, PaymentNeeded: i.PaymentNeeded,
	}, nil
}

func acceptInvite(ctx context.Context, env telegram.Env, req *v1.AcceptInviteRequest) (*v1.AcceptInviteReply, error) {
	r, err := chats.Accept(ctx, env, req.GetLink())
	if err != nil {
		return nil, err
	}
	return &v1.AcceptInviteReply{Outcome: outcomes[r.Outcome], Chat: convert.OptionalPeer(r.Chat), Title: r.Title}, nil
}

var outcomes = map[chats.Outcome]v1.JoinOutcome{
	chats.Joined: v1.JoinOutcome_JOIN_OUTCOME_JOINED, chats.AlreadyParticipant: v1.JoinOutcome_JOIN_OUTCOME_ALREADY_PARTICIPANT,
	chats.RequestSent: v1.JoinOutcome_JOIN_OUTCOME_REQUEST_SENT, chats.TooManyChannels: v1.JoinOutcome_JOIN_OUTCOME_TOO_MANY_CHANNELS,
	chats.ChatFull: v1.JoinOutcome_JOIN_OUTCOME_CHAT_FULL, chats.InviteExpired: v1.JoinOutcome_JOIN_OUTCOME_INVITE_EXPIRED,
	chats.InviteInvalid: v1.JoinOutcome_JOIN_OUTCOME_INVITE_INVALID, chats.PaymentNeeded: v1.JoinOutcome_JOIN_OUTCOME_PAYMENT_NEEDED,
	chats.VerificationNeeded: v1.JoinOutcome_JOIN_OUTCOME_VERIFICATION_NEEDED,
}
