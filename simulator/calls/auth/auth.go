package auth

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/srp"
)

// loginCode is one code that waits to be entered.
type loginCode struct {
	hash, phone, code string
	expires           time.Time
	tries             int
	accepted          bool // right, but nobody has this phone: signUp may follow
	resent            int
}

type exported struct {
	userID int64
	dc     int
	bytes  []byte
}

const (
	codeLength = 5
	codeTries  = 5
)

// LoginCode returns the last login code sent to this phone.
func (r *Room) LoginCode(phone string) (code string, ok bool) {
	r.world.Do(func() { code, ok = r.lastCode[strings.TrimPrefix(phone, "+")] })
	return code, ok
}

func checkAPI(id int, hash string) error {
	if id <= 0 || hash == "" {
		return model.RPCError(400, "API_ID_INVALID")
	}
	return nil
}

// phone checks a phone number and that its owner lives on this DC.
func phone(c *model.Call, number string) (string, *model.User, error) {
	phone := strings.NewReplacer("+", "", " ", "", "-", "", "(", "", ")", "").Replace(number)
	if !model.PhonePattern.MatchString(phone) {
		return "", nil, model.RPCError(406, "PHONE_NUMBER_INVALID")
	}
	u := c.World.Phones[phone]
	if u == nil {
		return phone, nil, nil
	}
	if u.Deactivated {
		return "", nil, model.RPCError(400, "PHONE_NUMBER_BANNED")
	}
	if u.Home != c.DC {
		return "", nil, model.RPCError(303, fmt.Sprintf("PHONE_MIGRATE_%d", u.Home))
	}
	return phone, u, nil
}

func (r *Room) sendCode(c *model.Call, q *tg.AuthSendCodeRequest) (bin.Encoder, error) {
	if err := checkAPI(q.APIID, q.APIHash); err != nil {
		return nil, err
	}
	phone, u, err := phone(c, q.PhoneNumber)
	if err != nil {
		return nil, err
	}
	if u != nil && u.Password == nil {
		for _, token := range q.Settings.LogoutTokens {
			if u.LogoutTokens[string(token)] {
				delete(u.LogoutTokens, string(token))
				return &tg.AuthSentCodeSuccess{Authorization: c.Login(u)}, nil
			}
		}
	}
	code := &loginCode{hash: c.World.Token(9), phone: phone}
	r.codes[code.hash] = code
	return r.send(code), nil
}

// send draws a code, and says how it was sent: to other sessions, else by SMS.
func (r *Room) send(code *loginCode) *tg.AuthSentCode {
	w := r.world
	code.code = fmt.Sprintf("%0*d", codeLength, w.Rand.IntN(100_000))
	code.expires, code.tries = w.Config.Now().Add(w.Config.CodeLife), 0
	if w.Config.CodeSent != nil {
		w.Config.CodeSent(code.phone, code.code)
	}
	r.lastCode[code.phone] = code.code
	sent := &tg.AuthSentCode{PhoneCodeHash: code.hash}
	u := w.Phones[code.phone]
	switch {
	case u != nil && len(u.Logins) > 0 && code.resent == 0:
		w.Tell(w.Users[model.ServiceUserID], u, "Login code: "+code.code+". Do not give this code to anyone.")
		sent.Type = &tg.AuthSentCodeTypeApp{Length: codeLength}
		sent.SetNextType(&tg.AuthCodeTypeSMS{})
	case code.resent < 2:
		sent.Type = &tg.AuthSentCodeTypeSMS{Length: codeLength}
		sent.SetNextType(&tg.AuthCodeTypeCall{})
	default:
		sent.Type = &tg.AuthSentCodeTypeCall{Length: codeLength}
	}
	sent.SetTimeout(int(w.Config.CodeLife / time.Second))
	return sent
}

// sentCode finds the code that was sent to this phone.
func (r *Room) sentCode(c *model.Call, number, hash string) (*loginCode, *model.User, error) {
	phone, u, err := phone(c, number)
	if err != nil {
		return nil, nil, err
	}
	if hash == "" {
		return nil, nil, model.RPCError(400, "PHONE_CODE_HASH_EMPTY")
	}
	code := r.codes[hash]
	if code == nil || code.phone != phone || !c.World.Config.Now().Before(code.expires) {
		delete(r.codes, hash)
		return nil, nil, model.RPCError(400, "PHONE_CODE_EXPIRED")
	}
	return code, u, nil
}

func (r *Room) resendCode(c *model.Call, q *tg.AuthResendCodeRequest) (bin.Encoder, error) {
	code, _, err := r.sentCode(c, q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	if code.resent >= 2 {
		return nil, model.RPCError(406, "SEND_CODE_UNAVAILABLE")
	}
	code.resent++
	return r.send(code), nil
}

func (r *Room) cancelCode(c *model.Call, q *tg.AuthCancelCodeRequest) (bin.Encoder, error) {
	code, _, err := r.sentCode(c, q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	delete(r.codes, code.hash)
	return &tg.BoolTrue{}, nil
}

func (r *Room) signIn(c *model.Call, q *tg.AuthSignInRequest) (bin.Encoder, error) {
	code, u, err := r.sentCode(c, q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	if q.PhoneCode == "" {
		return nil, model.RPCError(400, "PHONE_CODE_EMPTY")
	}
	if q.PhoneCode != code.code {
		if code.tries++; code.tries >= codeTries {
			delete(r.codes, code.hash)
		}
		return nil, model.RPCError(400, "PHONE_CODE_INVALID")
	}
	if u == nil {
		code.accepted = true
		return &tg.AuthAuthorizationSignUpRequired{}, nil
	}
	delete(r.codes, code.hash)
	if u.Password != nil {
		c.World.End(c.Key)
		c.Key.Pending = u.ID
		return nil, model.RPCError(401, "SESSION_PASSWORD_NEEDED")
	}
	return c.Login(u), nil
}

func (r *Room) signUp(c *model.Call, q *tg.AuthSignUpRequest) (bin.Encoder, error) {
	code, u, err := r.sentCode(c, q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	if !code.accepted {
		return nil, model.RPCError(400, "PHONE_CODE_INVALID")
	}
	if u != nil {
		return nil, model.RPCError(400, "PHONE_NUMBER_OCCUPIED")
	}
	if q.FirstName == "" {
		return nil, model.RPCError(400, "FIRSTNAME_INVALID")
	}
	if u, err = c.World.NewUser(q.FirstName, "", c.DC); err != nil {
		return nil, err
	}
	delete(r.codes, code.hash)
	u.Phone, u.Last = code.phone, q.LastName
	c.World.Phones[u.Phone] = u
	return c.Login(u), nil
}

func importBotAuthorization(c *model.Call, q *tg.AuthImportBotAuthorizationRequest) (bin.Encoder, error) {
	if err := checkAPI(q.APIID, q.APIHash); err != nil {
		return nil, err
	}
	u := c.World.Tokens[q.BotAuthToken]
	if u == nil {
		return nil, model.RPCError(400, "ACCESS_TOKEN_INVALID")
	}
	if u.Home != c.DC {
		return nil, model.RPCError(303, fmt.Sprintf("USER_MIGRATE_%d", u.Home))
	}
	return c.Login(u), nil
}

func (r *Room) exportAuthorization(c *model.Call, q *tg.AuthExportAuthorizationRequest) (bin.Encoder, error) {
	if !c.World.HasDC(q.DCID) || q.DCID == c.DC {
		return nil, model.RPCError(400, "DC_ID_INVALID")
	}
	e := exported{userID: c.User.ID, dc: q.DCID, bytes: srp.Random(128)}
	r.exports[string(e.bytes)] = e
	return &tg.AuthExportedAuthorization{ID: e.userID, Bytes: e.bytes}, nil
}

func (r *Room) importAuthorization(c *model.Call, q *tg.AuthImportAuthorizationRequest) (bin.Encoder, error) {
	e, ok := r.exports[string(q.Bytes)]
	if !ok || e.userID != q.ID || e.dc != c.DC || !bytes.Equal(e.bytes, q.Bytes) {
		return nil, model.RPCError(400, "AUTH_BYTES_INVALID")
	}
	delete(r.exports, string(q.Bytes))
	return c.Login(c.World.Users[e.userID]), nil
}

func logOut(c *model.Call, _ *tg.AuthLogOutRequest) (bin.Encoder, error) {
	out := &tg.AuthLoggedOut{}
	if !c.User.Bot {
		token := "future:" + strconv.FormatInt(c.User.ID, 10) + ":" + c.World.Token(16)
		c.User.LogoutTokens[token] = true
		out.SetFutureAuthToken([]byte(token))
	}
	c.World.End(c.Key)
	return out, nil
}

// resetAuthorizations ends all other logins of the user.
func resetAuthorizations(c *model.Call, _ *tg.AuthResetAuthorizationsRequest) (bin.Encoder, error) {
	c.World.EndLogins(c.User, c.Key)
	return &tg.BoolTrue{}, nil
}
