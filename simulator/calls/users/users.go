package users

import (
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// updateStatus shows the user as online or offline to those who write with them. Nobody is
// owed it.
func updateStatus(c *model.Call, q *tg.AccountUpdateStatusRequest) (bin.Encoder, error) {
	c.User.Online = !q.Offline
	update := &tg.UpdateShort{Date: c.World.Now(), Update: &tg.UpdateUserStatus{UserID: c.User.ID, Status: c.World.Status(c.User)}}
	for p := range c.User.Dialogs {
		if p.Kind != model.PeerUser || p == c.User.Peer() || c.World.Users[p.ID].Bot {
			continue
		}
		for _, k := range c.World.Users[p.ID].Logins {
			c.World.PushTo(k, update)
		}
	}
	return &tg.BoolTrue{}, nil
}

func getUsers(c *model.Call, q *tg.UsersGetUsersRequest) (bin.Encoder, error) {
	out := &tg.UserClassVector{}
	for _, in := range q.ID {
		u, err := c.InputUser(in)
		if err != nil {
			if len(q.ID) == 1 {
				return nil, err
			}
			continue
		}
		out.Elems = append(out.Elems, c.World.ViewUser(c.User, u.ID, false))
	}
	return out, nil
}

func getFullUser(c *model.Call, q *tg.UsersGetFullUserRequest) (bin.Encoder, error) {
	u, err := c.InputUser(q.ID)
	if err != nil {
		return nil, err
	}
	full := tg.UserFull{ID: u.ID}
	for id := range u.Channels {
		if c.User.Channels[id] != nil {
			full.CommonChatsCount++
		}
	}
	if u.Bot {
		full.BotInfo = tg.BotInfo{UserID: u.ID, Description: u.First}
		full.SetBotInfo(full.BotInfo)
	}
	return &tg.UsersUserFull{FullUser: full, Users: []tg.UserClass{c.World.ViewUser(c.User, u.ID, false)}}, nil
}

func resolveUsername(c *model.Call, q *tg.ContactsResolveUsernameRequest) (bin.Encoder, error) {
	if q.Username == "" {
		return nil, model.RPCError(400, "USERNAME_EMPTY")
	}
	if !model.UsernamePattern.MatchString(q.Username) {
		return nil, model.RPCError(400, "USERNAME_INVALID")
	}
	p, ok := c.World.Usernames[model.Fold(q.Username)]
	if !ok {
		return nil, model.RPCError(400, "USERNAME_NOT_OCCUPIED")
	}
	return resolved(c, p), nil
}

func resolvePhone(c *model.Call, q *tg.ContactsResolvePhoneRequest) (bin.Encoder, error) {
	u := c.World.Phones[strings.TrimPrefix(q.Phone, "+")]
	if u == nil {
		return nil, model.RPCError(400, "PHONE_NOT_OCCUPIED")
	}
	return resolved(c, u.Peer()), nil
}

func resolved(c *model.Call, p model.Peer) bin.Encoder {
	r := model.NewRefs(c.World, c.User)
	r.Peer(p)
	return &tg.ContactsResolvedPeer{Peer: p.TL(), Chats: r.TLChats(), Users: r.TLUsers()}
}
