package telegram

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/telefleet/orchestrator/fleet"
)

// loginToken is what a login needs between its steps. It holds the phone number, so it is a
// secret of the caller; Telegram binds the hash to the auth key that asked for the code.
type loginToken struct {
	Phone string `json:"p"`
	Hash  string `json:"h"`
}

func (t loginToken) String() string { return "login token (redacted)" }

func (t loginToken) encode() string {
	data, err := json.Marshal(t)
	if err != nil {
		return "" // two strings always marshal
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseLoginToken(text string) (loginToken, error) {
	var t loginToken
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(text))
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil || t.Phone == "" || t.Hash == "" {
		return t, fleet.Errorf(fleet.CodeInvalidArgument, "LOGIN_TOKEN_INVALID", "token: is not the token of a requested code").
			WithRemedy("give the token that RequestCode returned, unchanged")
	}
	return t, nil
}

// phoneDigits strips a phone number of all but digits.
func phoneDigits(phone string) (string, error) {
	var b strings.Builder
	for _, r := range phone {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case strings.ContainsRune("+-() .\t\u00a0", r):
		default:
			return "", invalidPhone()
		}
	}
	if b.Len() < 5 || b.Len() > 20 {
		return "", invalidPhone()
	}
	return b.String(), nil
}

func invalidPhone() *fleet.Error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "PHONE_NUMBER_INVALID", "phone_number: is no phone number of 5 to 20 digits").
		WithRemedy(verdicts["PHONE_NUMBER_INVALID"].remedy)
}
