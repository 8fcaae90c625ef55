package model

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// authKey is what the model knows of an auth key.
type authKey struct {
	id      int64
	dc      int
	userID  int64 // 0 = nobody is logged in
	pending int64 // user whose code was right and whose password is missing
	srp     *srpState
	seq     int   // of updates without counters
	refusal error // the answer to every query, once the login was ended by others
}

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

func (w *World) registerAuth() {
	on(w, anyone, (*call).sendCode)
	on(w, anyone, (*call).resendCode)
	on(w, anyone, (*call).cancelCode)
	on(w, anyone, (*call).signIn)
	on(w, anyone, (*call).signUp)
	on(w, anyone, (*call).getPassword)
	on(w, anyone, (*call).checkPassword)
	on(w, anyone, (*call).importBotAuthorization)
	on(w, 0, (*call).exportAuthorization)
	on(w, anyone, (*call).importAuthorization)
	on(w, anywhere, (*call).logOut)
	on(w, 0, (*call).resetAuthorizations)
}

func (w *World) authKey(id int64, dc int) *authKey {
	k := w.keys[id]
	if k == nil {
		k = &authKey{id: id, dc: dc}
		w.keys[id] = k
	}
	return k
}

// LoginCode returns the last login code sent to this phone.
func (w *World) LoginCode(phone string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	code, ok := w.lastCode[strings.TrimPrefix(phone, "+")]
	return code, ok
}

// Revoke ends all logins of a user, as another device of the user can.
func (w *World) Revoke(userID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.keys {
		if k.userID == userID {
			w.end(k)
			k.refusal = rpcError(401, "SESSION_REVOKED")
		}
	}
}

// KillKey ends the login of a key that the referee has judged.
func (w *World) KillKey(keyID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.keys[keyID]; k != nil {
		w.end(k)
		k.refusal = rpcError(406, "AUTH_KEY_DUPLICATED")
	}
}

// Keys returns the auth keys that are logged in as this user on its home DC.
func (w *World) Keys(userID int64) []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []int64
	if u := w.users[userID]; u != nil {
		for id := range u.logins {
			ids = append(ids, id)
		}
	}
	return ids
}

// end logs a key out.
func (w *World) end(k *authKey) {
	if u := w.users[k.userID]; u != nil && u.logins[k.id] != nil {
		delete(u.logins, k.id)
		w.push.ClearHome(k.id)
	}
	k.userID, k.pending, k.srp, k.seq = 0, 0, nil, 0
}

// login makes the caller's key a login of the user.
func (c *call) login(u *user) *tg.AuthAuthorization {
	if c.key.userID != u.id {
		c.w.end(c.key)
	}
	c.key.userID, c.key.pending, c.key.srp = u.id, 0, nil
	c.user = u
	if c.dc == u.home {
		u.logins[c.key.id] = c.key
		c.w.push.MarkHome(c.key.id)
	}
	return &tg.AuthAuthorization{User: c.w.viewUser(u, u.id, false)}
}

func checkAPI(id int, hash string) error {
	if id <= 0 || hash == "" {
		return rpcError(400, "API_ID_INVALID")
	}
	return nil
}

// phone checks a phone number and that its owner lives on this DC.
func (c *call) phone(number string) (string, *user, error) {
	phone := strings.NewReplacer("+", "", " ", "", "-", "", "(", "", ")", "").Replace(number)
	if !phonePattern.MatchString(phone) {
		return "", nil, rpcError(406, "PHONE_NUMBER_INVALID")
	}
	u := c.w.phones[phone]
	if u == nil {
		return phone, nil, nil
	}
	if u.deactivated {
		return "", nil, rpcError(400, "PHONE_NUMBER_BANNED")
	}
	if u.home != c.dc {
		return "", nil, rpcError(303, fmt.Sprintf("PHONE_MIGRATE_%d", u.home))
	}
	return phone, u, nil
}

func (c *call) sendCode(q *tg.AuthSendCodeRequest) (bin.Encoder, error) {
	if err := checkAPI(q.APIID, q.APIHash); err != nil {
		return nil, err
	}
	phone, u, err := c.phone(q.PhoneNumber)
	if err != nil {
		return nil, err
	}
	if u != nil && u.password == nil {
		for _, token := range q.Settings.LogoutTokens {
			if u.logoutTokens[string(token)] {
				delete(u.logoutTokens, string(token))
				return &tg.AuthSentCodeSuccess{Authorization: c.login(u)}, nil
			}
		}
	}
	code := &loginCode{hash: c.w.token(9), phone: phone}
	c.w.codes[code.hash] = code
	return c.w.send(code), nil
}

// send draws a code, and says how it was sent: to other sessions, else by SMS.
func (w *World) send(code *loginCode) *tg.AuthSentCode {
	code.code = fmt.Sprintf("%0*d", codeLength, w.rng.IntN(100_000))
	code.expires, code.tries = w.cfg.Now().Add(w.cfg.CodeLife), 0
	if w.cfg.CodeSent != nil {
		w.cfg.CodeSent(code.phone, code.code)
	}
	w.lastCode[code.phone] = code.code
	sent := &tg.AuthSentCode{PhoneCodeHash: code.hash}
	u := w.phones[code.phone]
	switch {
	case u != nil && len(u.logins) > 0 && code.resent == 0:
		w.say(w.users[serviceUserID], u, "Login code: "+code.code+". Do not give this code to anyone.")
		sent.Type = &tg.AuthSentCodeTypeApp{Length: codeLength}
		sent.SetNextType(&tg.AuthCodeTypeSMS{})
	case code.resent < 2:
		sent.Type = &tg.AuthSentCodeTypeSMS{Length: codeLength}
		sent.SetNextType(&tg.AuthCodeTypeCall{})
	default:
		sent.Type = &tg.AuthSentCodeTypeCall{Length: codeLength}
	}
	sent.SetTimeout(int(w.cfg.CodeLife / time.Second))
	return sent
}

// sentCode finds the code that was sent to this phone.
func (c *call) sentCode(number, hash string) (*loginCode, *user, error) {
	phone, u, err := c.phone(number)
	if err != nil {
		return nil, nil, err
	}
	if hash == "" {
		return nil, nil, rpcError(400, "PHONE_CODE_HASH_EMPTY")
	}
	code := c.w.codes[hash]
	if code == nil || code.phone != phone || !c.w.cfg.Now().Before(code.expires) {
		delete(c.w.codes, hash)
		return nil, nil, rpcError(400, "PHONE_CODE_EXPIRED")
	}
	return code, u, nil
}

func (c *call) resendCode(q *tg.AuthResendCodeRequest) (bin.Encoder, error) {
	code, _, err := c.sentCode(q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	if code.resent >= 2 {
		return nil, rpcError(406, "SEND_CODE_UNAVAILABLE")
	}
	code.resent++
	return c.w.send(code), nil
}

func (c *call) cancelCode(q *tg.AuthCancelCodeRequest) (bin.Encoder, error) {
	code, _, err := c.sentCode(q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	delete(c.w.codes, code.hash)
	return &tg.BoolTrue{}, nil
}

func (c *call) signIn(q *tg.AuthSignInRequest) (bin.Encoder, error) {
	code, u, err := c.sentCode(q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	if q.PhoneCode == "" {
		return nil, rpcError(400, "PHONE_CODE_EMPTY")
	}
	if q.PhoneCode != code.code {
		if code.tries++; code.tries >= codeTries {
			delete(c.w.codes, code.hash)
		}
		return nil, rpcError(400, "PHONE_CODE_INVALID")
	}
	if u == nil {
		code.accepted = true
		return &tg.AuthAuthorizationSignUpRequired{}, nil
	}
	delete(c.w.codes, code.hash)
	if u.password != nil {
		c.w.end(c.key)
		c.key.pending = u.id
		return nil, rpcError(401, "SESSION_PASSWORD_NEEDED")
	}
	return c.login(u), nil
}

func (c *call) signUp(q *tg.AuthSignUpRequest) (bin.Encoder, error) {
	code, u, err := c.sentCode(q.PhoneNumber, q.PhoneCodeHash)
	if err != nil {
		return nil, err
	}
	if !code.accepted {
		return nil, rpcError(400, "PHONE_CODE_INVALID")
	}
	if u != nil {
		return nil, rpcError(400, "PHONE_NUMBER_OCCUPIED")
	}
	if q.FirstName == "" {
		return nil, rpcError(400, "FIRSTNAME_INVALID")
	}
	if u, err = c.w.addUser(q.FirstName, "", c.dc); err != nil {
		return nil, err
	}
	delete(c.w.codes, code.hash)
	u.phone, u.last = code.phone, q.LastName
	c.w.phones[u.phone] = u
	return c.login(u), nil
}

func (c *call) importBotAuthorization(q *tg.AuthImportBotAuthorizationRequest) (bin.Encoder, error) {
	if err := checkAPI(q.APIID, q.APIHash); err != nil {
		return nil, err
	}
	u := c.w.tokens[q.BotAuthToken]
	if u == nil {
		return nil, rpcError(400, "ACCESS_TOKEN_INVALID")
	}
	if u.home != c.dc {
		return nil, rpcError(303, fmt.Sprintf("USER_MIGRATE_%d", u.home))
	}
	return c.login(u), nil
}

func (c *call) exportAuthorization(q *tg.AuthExportAuthorizationRequest) (bin.Encoder, error) {
	if !c.w.hasDC(q.DCID) || q.DCID == c.dc {
		return nil, rpcError(400, "DC_ID_INVALID")
	}
	e := exported{userID: c.user.id, dc: q.DCID, bytes: random(128)}
	c.w.exports[string(e.bytes)] = e
	return &tg.AuthExportedAuthorization{ID: e.userID, Bytes: e.bytes}, nil
}

func (c *call) importAuthorization(q *tg.AuthImportAuthorizationRequest) (bin.Encoder, error) {
	e, ok := c.w.exports[string(q.Bytes)]
	if !ok || e.userID != q.ID || e.dc != c.dc || !bytes.Equal(e.bytes, q.Bytes) {
		return nil, rpcError(400, "AUTH_BYTES_INVALID")
	}
	delete(c.w.exports, string(q.Bytes))
	return c.login(c.w.users[e.userID]), nil
}

func (c *call) logOut(*tg.AuthLogOutRequest) (bin.Encoder, error) {
	out := &tg.AuthLoggedOut{}
	if !c.user.bot {
		token := "future:" + strconv.FormatInt(c.user.id, 10) + ":" + c.w.token(16)
		c.user.logoutTokens[token] = true
		out.SetFutureAuthToken([]byte(token))
	}
	c.w.end(c.key)
	return out, nil
}

// resetAuthorizations ends all other logins of the user.
func (c *call) resetAuthorizations(*tg.AuthResetAuthorizationsRequest) (bin.Encoder, error) {
	for _, k := range c.w.keys {
		if k != c.key && k.userID == c.user.id {
			c.w.end(k)
			k.refusal = rpcError(401, "SESSION_REVOKED")
		}
	}
	return &tg.BoolTrue{}, nil
}
