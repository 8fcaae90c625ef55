package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// Ids start high enough that a client which keeps them in 32 bits fails.
const (
	serviceUserID  = 777000
	firstUserID    = 5_000_000_000
	firstGroupID   = 4_000_000_000
	firstChannelID = 1_500_000_000
)

var (
	phonePattern    = regexp.MustCompile(`^[0-9]{7,15}$`)
	usernamePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{3,31}$`)
)

// UserSpec describes a user to create.
type UserSpec struct {
	Phone     string // digits, with or without +
	FirstName string
	LastName  string
	Username  string // may be empty
	HomeDC    int    // default: the first DC
	Password  string // of two-step verification; empty = none
	Hint      string // of the password
}

// User is a created user.
type User struct {
	ID       int64
	Phone    string
	Username string
	HomeDC   int
}

// BotSpec describes a bot to create.
type BotSpec struct {
	Name     string
	Username string
	HomeDC   int // default: the first DC
}

// Bot is a created bot.
type Bot struct {
	ID       int64
	Username string
	Token    string
	HomeDC   int
}

type user struct {
	id                 int64
	phone, first, last string
	username           string
	home               int
	bot                bool
	deactivated        bool
	online             bool
	password           *password
	logoutTokens       map[string]bool
	box                box
	dialogs            map[peer]*dialog
	randomIDs          map[int64]bool
	randomOrder        []int64
	channels           map[int64]*channel // of which the user is a member
	logins             map[int64]*authKey // keys on the home DC
	token              string
}

func newUser(id int64, first string) *user {
	return &user{
		id: id, first: first,
		logoutTokens: map[string]bool{}, box: newBox(), dialogs: map[peer]*dialog{},
		randomIDs: map[int64]bool{}, channels: map[int64]*channel{}, logins: map[int64]*authKey{},
	}
}

func (u *user) peer() peer { return peer{kindUser, u.id} }

// AddUser creates a user.
func (w *World) AddUser(spec UserSpec) (User, error) {
	phone := strings.TrimPrefix(spec.Phone, "+")
	if !phonePattern.MatchString(phone) {
		return User{}, fmt.Errorf("add user: phone: must have 7 to 15 digits")
	}
	var pw *password
	if spec.Password != "" {
		pw = newPassword(spec.Password, spec.Hint)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phones[phone] != nil {
		return User{}, fmt.Errorf("add user: phone: is taken")
	}
	u, err := w.addUser(spec.FirstName, spec.Username, spec.HomeDC)
	if err != nil {
		return User{}, fmt.Errorf("add user: %w", err)
	}
	u.phone, u.last, u.password = phone, spec.LastName, pw
	w.phones[phone] = u
	return User{ID: u.id, Phone: "+" + phone, Username: u.username, HomeDC: u.home}, nil
}

// AddBot creates a bot and its token.
func (w *World) AddBot(spec BotSpec) (Bot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.addUser(spec.Name, spec.Username, spec.HomeDC)
	if err != nil {
		return Bot{}, fmt.Errorf("add bot: %w", err)
	}
	u.bot = true
	u.token = fmt.Sprintf("%d:%s", u.id, w.token(17)+"x")
	w.tokens[u.token] = u
	return Bot{ID: u.id, Username: u.username, Token: u.token, HomeDC: u.home}, nil
}

func (w *World) addUser(first, username string, home int) (*user, error) {
	if home == 0 && len(w.cfg.DCs) > 0 {
		home = w.cfg.DCs[0].ID
	}
	if !w.hasDC(home) {
		return nil, fmt.Errorf("home DC: is not one of the DCs (got %d)", home)
	}
	if first == "" {
		return nil, fmt.Errorf("first name: must not be empty")
	}
	if username != "" {
		if !usernamePattern.MatchString(username) {
			return nil, fmt.Errorf("username: must have 4 to 32 letters, digits or _ (got %q)", username)
		}
		if _, taken := w.usernames[fold(username)]; taken {
			return nil, fmt.Errorf("username: is taken (got %q)", username)
		}
	}
	w.lastUser += 1 + w.rng.Int64N(1000)
	u := newUser(w.lastUser, first)
	u.username, u.home = username, home
	w.users[u.id] = u
	if username != "" {
		w.usernames[fold(username)] = u.peer()
	}
	return u, nil
}

// Deactivate bans a user: each further query is answered by USER_DEACTIVATED_BAN.
func (w *World) Deactivate(userID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.users[userID]; u != nil {
		u.deactivated = true
	}
}

// accessHash is the hash by which the viewer reaches the target. It differs for each viewer
// and does not change.
func (w *World) accessHash(viewer int64, target peer) int64 {
	x := w.cfg.Seed ^ uint64(viewer)*0x9e3779b97f4a7c15 ^ uint64(target.id)*0xc2b2ae3d27d4eb4f ^ uint64(target.kind)<<56
	for range 2 {
		x ^= x >> 30
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 27
		x *= 0x94d049bb133111eb
		x ^= x >> 31
	}
	return int64(x | 1)
}

// minHash is the hash in a min constructor. It opens nothing.
func (w *World) minHash(viewer int64, target peer) int64 {
	return ^w.accessHash(viewer, target)
}

// viewUser is the user as the viewer sees it.
func (w *World) viewUser(viewer *user, id int64, min bool) tg.UserClass {
	u := w.users[id]
	if u == nil {
		return &tg.UserEmpty{ID: id}
	}
	v := &tg.User{ID: id, FirstName: u.first, Bot: u.bot}
	if u.bot {
		v.BotInfoVersion, v.BotChatHistory = 1, true
	} else if id != serviceUserID {
		v.Status = w.status(u)
	}
	if id == serviceUserID {
		v.Verified, v.Support = true, true
	}
	v.LastName, v.Username = u.last, u.username
	if min && id != viewer.id {
		v.Min = true
		v.SetAccessHash(w.minHash(viewer.id, u.peer()))
		return v
	}
	v.SetAccessHash(w.accessHash(viewer.id, u.peer()))
	if id == viewer.id {
		v.Self, v.Phone = true, u.phone
	}
	return v
}

func (w *World) registerUsers() {
	on(w, anywhere, (*call).getUsers)
	on(w, 0, (*call).getFullUser)
	on(w, 0, (*call).resolveUsername)
	on(w, userOnly, (*call).resolvePhone)
	on(w, userOnly, (*call).updateStatus)
}

// updateStatus shows the user as online or offline to those who write with them. Nobody is
// owed it.
func (c *call) updateStatus(q *tg.AccountUpdateStatusRequest) (bin.Encoder, error) {
	c.user.online = !q.Offline
	update := &tg.UpdateShort{Date: c.w.now(), Update: &tg.UpdateUserStatus{UserID: c.user.id, Status: c.w.status(c.user)}}
	for p := range c.user.dialogs {
		if p.kind != kindUser || p == c.user.peer() || c.w.users[p.id].bot {
			continue
		}
		for _, k := range c.w.users[p.id].logins {
			c.w.encodeTo(k, update)
		}
	}
	return &tg.BoolTrue{}, nil
}

func (w *World) status(u *user) tg.UserStatusClass {
	const shown = 300 // seconds
	if u.online {
		return &tg.UserStatusOnline{Expires: w.now() + shown}
	}
	return &tg.UserStatusRecently{}
}

func (c *call) getUsers(q *tg.UsersGetUsersRequest) (bin.Encoder, error) {
	out := &tg.UserClassVector{}
	for _, in := range q.ID {
		u, err := c.inputUser(in)
		if err != nil {
			if len(q.ID) == 1 {
				return nil, err
			}
			continue
		}
		out.Elems = append(out.Elems, c.w.viewUser(c.user, u.id, false))
	}
	return out, nil
}

func (c *call) getFullUser(q *tg.UsersGetFullUserRequest) (bin.Encoder, error) {
	u, err := c.inputUser(q.ID)
	if err != nil {
		return nil, err
	}
	full := tg.UserFull{ID: u.id}
	for id := range u.channels {
		if c.user.channels[id] != nil {
			full.CommonChatsCount++
		}
	}
	if u.bot {
		full.BotInfo = tg.BotInfo{UserID: u.id, Description: u.first}
		full.SetBotInfo(full.BotInfo)
	}
	return &tg.UsersUserFull{FullUser: full, Users: []tg.UserClass{c.w.viewUser(c.user, u.id, false)}}, nil
}

func (c *call) resolveUsername(q *tg.ContactsResolveUsernameRequest) (bin.Encoder, error) {
	if q.Username == "" {
		return nil, rpcError(400, "USERNAME_EMPTY")
	}
	if !usernamePattern.MatchString(q.Username) {
		return nil, rpcError(400, "USERNAME_INVALID")
	}
	p, ok := c.w.usernames[fold(q.Username)]
	if !ok {
		return nil, rpcError(400, "USERNAME_NOT_OCCUPIED")
	}
	return c.resolved(p), nil
}

func (c *call) resolvePhone(q *tg.ContactsResolvePhoneRequest) (bin.Encoder, error) {
	u := c.w.phones[strings.TrimPrefix(q.Phone, "+")]
	if u == nil {
		return nil, rpcError(400, "PHONE_NOT_OCCUPIED")
	}
	return c.resolved(u.peer()), nil
}

func (c *call) resolved(p peer) bin.Encoder {
	r := newRefs(c.w, c.user)
	r.peer(p)
	return &tg.ContactsResolvedPeer{Peer: p.tl(), Chats: r.tlChats(), Users: r.tlUsers()}
}

// remember takes note of a random_id. It is false if the user has used it before.
func (u *user) remember(randomID int64) bool {
	const kept = 100_000
	if u.randomIDs[randomID] {
		return false
	}
	u.randomIDs[randomID] = true
	u.randomOrder = append(u.randomOrder, randomID)
	if len(u.randomOrder) > 2*kept {
		for _, id := range u.randomOrder[:kept] {
			delete(u.randomIDs, id)
		}
		u.randomOrder = slices.Clone(u.randomOrder[kept:])
	}
	return true
}
