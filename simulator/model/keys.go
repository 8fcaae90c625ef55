package model

import (
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/srp"
)

// Key is what the model knows of an auth key.
type Key struct {
	ID      int64
	DC      int
	UserID  int64 // 0 = nobody is logged in
	Pending int64 // user whose code was right and whose password is missing
	SRP     *srp.Offer
	seq     int   // of updates without counters
	Refusal error // the answer to every query, once the login was ended by others
}

func (w *World) authKey(id int64, dc int) *Key {
	k := w.keys[id]
	if k == nil {
		k = &Key{ID: id, DC: dc}
		w.keys[id] = k
	}
	return k
}

// KillKey ends the login of a key that the referee has judged.
func (w *World) KillKey(keyID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.keys[keyID]; k != nil {
		w.End(k)
		k.Refusal = RPCError(406, "AUTH_KEY_DUPLICATED")
	}
}

// Keys returns the auth keys that are logged in as this user on its home DC.
func (w *World) Keys(userID int64) []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []int64
	if u := w.Users[userID]; u != nil {
		for id := range u.Logins {
			ids = append(ids, id)
		}
	}
	return ids
}

// Key returns an auth key; nil if it has never been used.
func (w *World) Key(id int64) *Key { return w.keys[id] }

// EndLogins ends all logins of a user but one, which may be nil.
func (w *World) EndLogins(u *User, but *Key) {
	for _, k := range w.keys {
		if k != but && k.UserID == u.ID {
			w.End(k)
			k.Refusal = RPCError(401, "SESSION_REVOKED")
		}
	}
}

// End logs a key out.
func (w *World) End(k *Key) {
	if u := w.Users[k.UserID]; u != nil && u.Logins[k.ID] != nil {
		delete(u.Logins, k.ID)
		w.push.ClearHome(k.ID)
	}
	k.UserID, k.Pending, k.SRP, k.seq = 0, 0, nil, 0
}

// Login makes the caller's key a login of the user.
func (c *Call) Login(u *User) *tg.AuthAuthorization {
	if c.Key.UserID != u.ID {
		c.World.End(c.Key)
	}
	c.Key.UserID, c.Key.Pending, c.Key.SRP = u.ID, 0, nil
	c.User = u
	if c.DC == u.Home {
		u.Logins[c.Key.ID] = c.Key
		c.World.push.MarkHome(c.Key.ID)
	}
	return &tg.AuthAuthorization{User: c.World.ViewUser(u, u.ID, false)}
}
