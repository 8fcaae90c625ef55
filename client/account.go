package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
)

// Messages of the contract under short names.
type (
	// Message is one message or service message of a chat.
	Message = v1.Message
	// User is a Telegram user or bot.
	User = v1.User
	// Peer is a user, basic group, supergroup or channel.
	Peer = v1.Peer
	// Entity formats a part of a text.
	Entity = v1.Entity
	// Event is one thing that happened to one account.
	Event = v1.Event
)

// Self is the account's own chat, Saved Messages, where a peer is wanted.
const Self = "me"

// Account is a handle of one account: a name, not a connection. Where its methods want a peer
// they take a text: `me`, `@name` or bare `name`, `+phone`, the decimal Peer.Id, `t.me/name`,
// `tg://resolve?domain=name`.
type Account struct {
	client *Client
	id     string
}

// Account is the handle of an account. The account need not exist yet; nothing is sent.
func (c *Client) Account(id string) *Account { return &Account{client: c, id: id} }

// ID is the account's id.
func (a *Account) ID() string { return a.id }

// Me reads the account's own user (users.getUsers).
func (a *Account) Me(ctx context.Context) (*User, error) {
	reply, err := call(ctx, a.client, repeatable, on(userService.GetMe), &v1.GetMeRequest{Account: a.id})
	return reply.GetUser(), err
}

// ResolvePeer finds a peer by any of its text forms (contacts.resolveUsername,
// contacts.resolvePhone). The node caches the answer. Reasons: PEER_UNKNOWN,
// USERNAME_NOT_OCCUPIED, USERNAME_INVALID, PHONE_NOT_OCCUPIED.
func (a *Account) ResolvePeer(ctx context.Context, peer string) (*Peer, error) {
	reply, err := call(ctx, a.client, repeatable, on(peerService.ResolvePeer), &v1.ResolvePeerRequest{Account: a.id, Peer: peer})
	return reply.GetPeer(), err
}

// Sync brings the account's update state level with Telegram's (updates.getState and, unless skip,
// updates.getDifference). With skip it jumps to the server's state and tells what was left out.
func (a *Account) Sync(ctx context.Context, skip bool) ([]*v1.SkippedUpdates, error) {
	reply, err := call(ctx, a.client, retry.Repetition(!skip), on(sessionService.SyncUpdates), &v1.SyncUpdatesRequest{Account: a.id, Skip: skip})
	return reply.GetSkipped(), err
}

// SyncChannel fetches what an account has missed of one channel (updates.getChannelDifference), and
// for the time keep, at most 24 h, asks again and again after the call. So it hears of channels that
// it has not joined. Reasons: PEER_UNKNOWN, TOO_MANY_POLLED beyond 10 channels.
func (a *Account) SyncChannel(ctx context.Context, channel string, keep time.Duration) error {
	req := &v1.SyncUpdatesRequest{Account: a.id, Channel: channel}
	if keep > 0 {
		req.PollFor = durationpb.New(keep)
	}
	_, err := call(ctx, a.client, repeatable, on(sessionService.SyncUpdates), req)
	return err
}
