package auth

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/srp"
)

// passwordOwner is the user whose password this key may ask for: its own, or the one whose
// code it has just entered.
func passwordOwner(c *model.Call) (*model.User, error) {
	if c.User != nil {
		return c.User, nil
	}
	if u := c.World.Users[c.Key.Pending]; u != nil {
		return u, nil
	}
	return nil, model.RPCError(401, "AUTH_KEY_UNREGISTERED")
}

func getPassword(c *model.Call, _ *tg.AccountGetPasswordRequest) (bin.Encoder, error) {
	u, err := passwordOwner(c)
	if err != nil {
		return nil, err
	}
	out := &tg.AccountPassword{
		NewAlgo:       srp.Algorithm(srp.Random(8), srp.Random(16)),
		NewSecureAlgo: &tg.SecurePasswordKdfAlgoPBKDF2HMACSHA512iter100000{Salt: srp.Random(8)},
		SecureRandom:  srp.Random(256),
	}
	if u.Password != nil {
		c.Key.SRP = u.Password.Offer()
		out.HasPassword = true
		out.SetCurrentAlgo(srp.Algorithm(u.Password.Salt1, u.Password.Salt2))
		out.SetSRPB(srp.Pad(c.Key.SRP.PublicB))
		out.SetSRPID(c.Key.SRP.ID)
		if u.Password.Hint != "" {
			out.SetHint(u.Password.Hint)
		}
	}
	return out, nil
}

func checkPassword(c *model.Call, q *tg.AuthCheckPasswordRequest) (bin.Encoder, error) {
	u, err := passwordOwner(c)
	if err != nil {
		return nil, err
	}
	proof, ok := q.Password.(*tg.InputCheckPasswordSRP)
	if !ok || u.Password == nil {
		return nil, model.RPCError(400, "PASSWORD_HASH_INVALID")
	}
	offer := c.Key.SRP
	if offer == nil || offer.ID != proof.SRPID {
		return nil, model.RPCError(400, "SRP_ID_INVALID")
	}
	c.Key.SRP = nil
	if !u.Password.Check(offer, proof.A, proof.M1) {
		return nil, model.RPCError(400, "PASSWORD_HASH_INVALID")
	}
	return c.Login(u), nil
}
