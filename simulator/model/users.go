package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/srp"
)

// Ids start high enough that a client which keeps them in 32 bits fails.
const (
	ServiceUserID  = 777000 // Telegram itself
	firstUserID    = 5_000_000_000
	firstGroupID   = 4_000_000_000
	firstChannelID = 1_500_000_000
)

// Forms of what people enter.
var (
	PhonePattern    = regexp.MustCompile(`^[0-9]{7,15}$`)
	UsernamePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{3,31}$`)
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
	Premium   bool
}

// Identity is a created user.
type Identity struct {
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

// User is a user or a bot.
type User struct {
	ID                 int64
	Phone, First, Last string
	Username           string
	Home               int
	Bot                bool
	Deactivated        bool
	Online             bool
	Premium            bool
	Recent             []tg.ReactionClass // reactions used last, the newest first
	Password           *srp.Password
	LogoutTokens       map[string]bool
	Box                Box
	Dialogs            map[Peer]*Dialog
	randomIDs          map[int64]bool
	randomOrder        []int64
	Channels           map[int64]*Channel // of which the user is a member
	Logins             map[int64]*Key     // keys on the home DC
	Token              string
	Photo              *tg.UserProfilePhoto // the newest; nil: none
}

func newUser(id int64, first string) *User {
	return &User{
		ID: id, First: first,
		LogoutTokens: map[string]bool{}, Box: newBox(), Dialogs: map[Peer]*Dialog{},
		randomIDs: map[int64]bool{}, Channels: map[int64]*Channel{}, Logins: map[int64]*Key{},
	}
}

// Peer names the user.
func (u *User) Peer() Peer { return UserPeer(u.ID) }

// AddUser creates a user.
func (w *World) AddUser(spec UserSpec) (Identity, error) {
	phone := strings.TrimPrefix(spec.Phone, "+")
	if !PhonePattern.MatchString(phone) {
		return Identity{}, fmt.Errorf("add user: phone: must have 7 to 15 digits")
	}
	var pw *srp.Password
	if spec.Password != "" {
		pw = srp.New(spec.Password, spec.Hint)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Phones[phone] != nil {
		return Identity{}, fmt.Errorf("add user: phone: is taken")
	}
	u, err := w.NewUser(spec.FirstName, spec.Username, spec.HomeDC)
	if err != nil {
		return Identity{}, fmt.Errorf("add user: %w", err)
	}
	u.Phone, u.Last, u.Password, u.Premium = phone, spec.LastName, pw, spec.Premium
	w.Phones[phone] = u
	return Identity{ID: u.ID, Phone: "+" + phone, Username: u.Username, HomeDC: u.Home}, nil
}

// AddBot creates a bot and its token.
func (w *World) AddBot(spec BotSpec) (Bot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.NewUser(spec.Name, spec.Username, spec.HomeDC)
	if err != nil {
		return Bot{}, fmt.Errorf("add bot: %w", err)
	}
	u.Bot = true
	u.Token = fmt.Sprintf("%d:%s", u.ID, w.Token(17)+"x")
	w.Tokens[u.Token] = u
	return Bot{ID: u.ID, Username: u.Username, Token: u.Token, HomeDC: u.Home}, nil
}

// NewUser creates a user who cannot sign in yet.
func (w *World) NewUser(first, username string, home int) (*User, error) {
	if home == 0 && len(w.Config.DCs) > 0 {
		home = w.Config.DCs[0].ID
	}
	if !w.HasDC(home) {
		return nil, fmt.Errorf("home DC: is not one of the DCs (got %d)", home)
	}
	if first == "" {
		return nil, fmt.Errorf("first name: must not be empty")
	}
	if username != "" {
		if !UsernamePattern.MatchString(username) {
			return nil, fmt.Errorf("username: must have 4 to 32 letters, digits or _ (got %q)", username)
		}
		if _, taken := w.Usernames[Fold(username)]; taken {
			return nil, fmt.Errorf("username: is taken (got %q)", username)
		}
	}
	w.lastUser += 1 + w.Rand.Int64N(1000)
	u := newUser(w.lastUser, first)
	u.Username, u.Home = username, home
	w.Users[u.ID] = u
	if username != "" {
		w.Usernames[Fold(username)] = u.Peer()
	}
	return u, nil
}

// AccessHash is the hash by which the viewer reaches the target. It differs for each viewer
// and does not change.
func (w *World) AccessHash(viewer int64, target Peer) int64 {
	x := w.Config.Seed ^ uint64(viewer)*0x9e3779b97f4a7c15 ^ uint64(target.ID)*0xc2b2ae3d27d4eb4f ^ uint64(target.Kind)<<56
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
func (w *World) minHash(viewer int64, target Peer) int64 {
	return ^w.AccessHash(viewer, target)
}

// ViewUser is the user as the viewer sees it.
func (w *World) ViewUser(viewer *User, id int64, min bool) tg.UserClass {
	u := w.Users[id]
	if u == nil {
		return &tg.UserEmpty{ID: id}
	}
	v := &tg.User{ID: id, FirstName: u.First, Bot: u.Bot}
	if u.Bot {
		v.BotInfoVersion, v.BotChatHistory = 1, true
	} else if id != ServiceUserID {
		v.Status = w.Status(u)
	}
	if id == ServiceUserID {
		v.Verified, v.Support = true, true
	}
	v.LastName, v.Username, v.Premium = u.Last, u.Username, u.Premium
	if u.Photo != nil {
		v.SetPhoto(u.Photo)
	}
	if min && id != viewer.ID {
		v.Min = true
		v.SetAccessHash(w.minHash(viewer.ID, u.Peer()))
		return v
	}
	v.SetAccessHash(w.AccessHash(viewer.ID, u.Peer()))
	if id == viewer.ID {
		v.Self, v.Phone = true, u.Phone
	}
	return v
}

func (w *World) Status(u *User) tg.UserStatusClass {
	const shown = 300 // seconds
	if u.Online {
		return &tg.UserStatusOnline{Expires: w.Now() + shown}
	}
	return &tg.UserStatusRecently{}
}

// Used says whether the user has used a random_id before.
func (u *User) Used(randomID int64) bool { return u.randomIDs[randomID] }

// Remember takes note of a random_id. It is false if the user has used it before.
func (u *User) Remember(randomID int64) bool {
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
