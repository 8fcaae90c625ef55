package telegram

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/srp"
)

// passwordTries is how often fresh SRP parameters are fetched when the server no longer knows
// those of the last try.
const passwordTries = 2

// CheckPassword gives the two-step verification password (account.getPassword and
// auth.checkPassword). The password is wiped, whatever happens; a wrong one is
// PASSWORD_HASH_INVALID, and the next call fetches fresh parameters.
func CheckPassword(ctx context.Context, env Env, password []byte) (*tg.User, error) {
	defer clear(password)
	if len(password) == 0 {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "PASSWORD_EMPTY", "password: is empty").
			WithRemedy("give the two-step verification password")
	}
	for try := 1; ; try++ {
		user, err := tryPassword(ctx, env, bytes.Clone(password))
		if IsRPC(err, "SRP_ID_INVALID") && try < passwordTries {
			continue
		}
		return user, err
	}
}

func tryPassword(ctx context.Context, env Env, password []byte) (*tg.User, error) {
	defer clear(password)
	var pw tg.AccountPassword
	if err := Invoke(ctx, env, &tg.AccountGetPasswordRequest{}, &pw); err != nil {
		return nil, err
	}
	if !pw.HasPassword {
		return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "PASSWORD_MISSING", "password: the account has none").
			WithRemedy("request a code and sign in with it")
	}
	algo, ok := pw.CurrentAlgo.(*tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow)
	if !ok {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "PASSWORD_ALGORITHM_UNKNOWN",
			"password: Telegram uses the algorithm %T, which this version does not know", pw.CurrentAlgo).
			WithRemedy("update the orchestrator")
	}
	params := srp.Params{Salt1: algo.Salt1, Salt2: algo.Salt2, G: algo.G, P: algo.P}
	proof, err := srp.Answer(password, params, pw.SRPB, pw.SRPID, nil)
	var unsafe *srp.ParamError
	if errors.As(err, &unsafe) {
		return nil, fleet.Errorf(fleet.CodeDataLoss, "SRP_UNSAFE", "password: the server's parameters failed a security check: %w", err).
			WithRemedy("do not enter the password again over this network")
	}
	if err != nil {
		return nil, fmt.Errorf("compute password proof: %w", err)
	}
	var res tg.AuthAuthorizationBox
	err = Invoke(ctx, env, &tg.AuthCheckPasswordRequest{
		Password: &tg.InputCheckPasswordSRP{SRPID: proof.ID, A: proof.A, M1: proof.M1},
	}, &res)
	if err != nil {
		return nil, err
	}
	return authorized(res.Authorization)
}
