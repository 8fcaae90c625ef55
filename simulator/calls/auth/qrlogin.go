package auth

import (
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/srp"
)

// loginTokenLife is how long a login token can be accepted, as Telegram's.
const loginTokenLife = 30 * time.Second

// loginToken is one login by QR code.
type loginToken struct {
	bytes   []byte
	key     int64 // that asked for it
	expires time.Time
	userID  int64 // that accepted it; 0 = nobody yet
}

// exportLoginToken makes a token, or tells what became of the last one of this key.
func (r *Room) exportLoginToken(c *model.Call, q *tg.AuthExportLoginTokenRequest) (bin.Encoder, error) {
	if err := checkAPI(q.APIID, q.APIHash); err != nil {
		return nil, err
	}
	now := c.World.Config.Now()
	for text, t := range r.tokens {
		switch {
		case !now.Before(t.expires):
			delete(r.tokens, text)
		case t.key == c.Key.ID && t.userID != 0:
			return r.redeem(c, t)
		case t.key == c.Key.ID: // only the last one counts
			delete(r.tokens, text)
		}
	}
	t := &loginToken{bytes: srp.Random(32), key: c.Key.ID, expires: now.Add(loginTokenLife)}
	r.tokens[string(t.bytes)] = t
	return &tg.AuthLoginToken{Expires: int(t.expires.Unix()), Token: t.bytes}, nil
}

// importLoginToken takes a token to the DC that its user lives on.
func (r *Room) importLoginToken(c *model.Call, q *tg.AuthImportLoginTokenRequest) (bin.Encoder, error) {
	t, err := r.loginToken(c, q.Token)
	if err != nil {
		return nil, err
	}
	if t.userID == 0 {
		return nil, model.RPCError(400, "AUTH_TOKEN_INVALID")
	}
	return r.redeem(c, t)
}

func (r *Room) loginToken(c *model.Call, token []byte) (*loginToken, error) {
	t := r.tokens[string(token)]
	switch {
	case t == nil:
		return nil, model.RPCError(400, "AUTH_TOKEN_INVALIDX")
	case !c.World.Config.Now().Before(t.expires):
		return nil, model.RPCError(400, "AUTH_TOKEN_EXPIRED")
	}
	return t, nil
}

// redeem signs the key in as the user who has accepted a token, on the user's home DC only.
func (r *Room) redeem(c *model.Call, t *loginToken) (bin.Encoder, error) {
	u := c.World.Users[t.userID]
	if u.Home != c.DC {
		return &tg.AuthLoginTokenMigrateTo{DCID: u.Home, Token: t.bytes}, nil
	}
	delete(r.tokens, string(t.bytes))
	if u.Password != nil {
		c.World.End(c.Key)
		c.Key.Pending = u.ID
		return nil, model.RPCError(401, "SESSION_PASSWORD_NEEDED")
	}
	return &tg.AuthLoginTokenSuccess{Authorization: c.Login(u)}, nil
}

// acceptLoginToken is what a client of the user does that has scanned the code.
func (r *Room) acceptLoginToken(c *model.Call, q *tg.AuthAcceptLoginTokenRequest) (bin.Encoder, error) {
	t, err := r.loginToken(c, q.Token)
	if err != nil {
		return nil, err
	}
	if t.userID != 0 {
		return nil, model.RPCError(400, "AUTH_TOKEN_ALREADY_ACCEPTED")
	}
	t.userID = c.User.ID
	if k := c.World.Key(t.key); k != nil {
		c.World.PushTo(k, &tg.UpdateShort{Update: &tg.UpdateLoginToken{}, Date: c.World.Now()})
	}
	return &tg.Authorization{
		Hash: t.key, APIID: 1, DeviceModel: "simulated", Platform: "simulated", SystemVersion: "1", AppName: "simulated",
		AppVersion: "1", DateCreated: c.World.Now(), DateActive: c.World.Now(),
	}, nil
}
