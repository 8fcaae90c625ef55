package model

import (
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
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

func (w *World) registerQRLogin() {
	on(w, anyone, (*call).exportLoginToken)
	on(w, anyone, (*call).importLoginToken)
	on(w, userOnly, (*call).acceptLoginToken)
}

// exportLoginToken makes a token, or tells what became of the last one of this key.
func (c *call) exportLoginToken(q *tg.AuthExportLoginTokenRequest) (bin.Encoder, error) {
	if err := checkAPI(q.APIID, q.APIHash); err != nil {
		return nil, err
	}
	now := c.w.cfg.Now()
	for text, t := range c.w.loginTokens {
		switch {
		case !now.Before(t.expires):
			delete(c.w.loginTokens, text)
		case t.key == c.key.id && t.userID != 0:
			return c.redeem(t)
		case t.key == c.key.id: // only the last one counts
			delete(c.w.loginTokens, text)
		}
	}
	t := &loginToken{bytes: random(32), key: c.key.id, expires: now.Add(loginTokenLife)}
	c.w.loginTokens[string(t.bytes)] = t
	return &tg.AuthLoginToken{Expires: int(t.expires.Unix()), Token: t.bytes}, nil
}

// importLoginToken takes a token to the DC that its user lives on.
func (c *call) importLoginToken(q *tg.AuthImportLoginTokenRequest) (bin.Encoder, error) {
	t, err := c.loginToken(q.Token)
	if err != nil {
		return nil, err
	}
	if t.userID == 0 {
		return nil, rpcError(400, "AUTH_TOKEN_INVALID")
	}
	return c.redeem(t)
}

func (c *call) loginToken(token []byte) (*loginToken, error) {
	t := c.w.loginTokens[string(token)]
	switch {
	case t == nil:
		return nil, rpcError(400, "AUTH_TOKEN_INVALIDX")
	case !c.w.cfg.Now().Before(t.expires):
		return nil, rpcError(400, "AUTH_TOKEN_EXPIRED")
	}
	return t, nil
}

// redeem signs the key in as the user who has accepted a token, on the user's home DC only.
func (c *call) redeem(t *loginToken) (bin.Encoder, error) {
	u := c.w.users[t.userID]
	if u.home != c.dc {
		return &tg.AuthLoginTokenMigrateTo{DCID: u.home, Token: t.bytes}, nil
	}
	delete(c.w.loginTokens, string(t.bytes))
	if u.password != nil {
		c.w.end(c.key)
		c.key.pending = u.id
		return nil, rpcError(401, "SESSION_PASSWORD_NEEDED")
	}
	return &tg.AuthLoginTokenSuccess{Authorization: c.login(u)}, nil
}

// acceptLoginToken is what a client of the user does that has scanned the code.
func (c *call) acceptLoginToken(q *tg.AuthAcceptLoginTokenRequest) (bin.Encoder, error) {
	t, err := c.loginToken(q.Token)
	if err != nil {
		return nil, err
	}
	if t.userID != 0 {
		return nil, rpcError(400, "AUTH_TOKEN_ALREADY_ACCEPTED")
	}
	t.userID = c.user.id
	if k := c.w.keys[t.key]; k != nil {
		c.w.encodeTo(k, &tg.UpdateShort{Update: &tg.UpdateLoginToken{}, Date: c.w.now()})
	}
	return &tg.Authorization{
		Hash: t.key, APIID: 1, DeviceModel: "simulated", Platform: "simulated", SystemVersion: "1", AppName: "simulated",
		AppVersion: "1", DateCreated: c.w.now(), DateActive: c.w.now(),
	}, nil
}
