// Package model is what a local Telegram remembers and decides: users, bots, groups,
// channels, messages, the counters of their update boxes, and the answers to queries. It
// holds no socket and no goroutine; package mtserver carries its answers and pushes.
//
// # Usage
//
//	w := model.New(model.Config{DCs: ..., Seed: 1}, pusher)
//	u, _ := w.AddUser(model.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 2})
//	w.Handle(model.Request{DC: 2, KeyID: key, Body: query}, responder)
//	w.Ledger().Entries(0) // what every account is owed
//
// Each account has a common box (pts: private chats and basic groups, message ids of its
// own), a qts box (bots) and a sequence number per auth key; each channel has its own pts.
// A difference returns bare messages in their present state and merges edits, reads and
// deletions, as Telegram's does. Updates reach the other sessions of an account in varying
// forms (short, full, with min users), drawn from the seed.
//
// # Concurrency
//
// All exported methods may be called from any goroutine. One mutex guards the whole state;
// Pusher and Responder are called while it is held, so that every recipient sees updates
// in the order of their counters. They must not block and must not call back.
//
// # Errors
//
// A query that Telegram would refuse is answered by an error with Telegram's code and
// name. A method that is not modelled is refused with INPUT_METHOD_INVALID and its name.
package model

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotd/td/tg"
	"github.com/hashicorp/go-hclog"
)

// DC is one data centre as help.getConfig lists it.
type DC struct {
	ID        int
	IP        string
	Port      int
	MediaOnly bool
	// CDN is the public key in PEM of a DC that others run; empty for an ordinary one.
	CDN string
}

// Config says how a World behaves. The zero value of each limit means its default.
type Config struct {
	DCs  []DC
	Seed uint64           // of ids, hashes, codes and of the form in which updates are sent
	Now  func() time.Time // default time.Now
	Log  hclog.Logger     // default: null logger

	DifferenceSlice   int           // events in one answer to updates.getDifference. Default 100
	DifferenceTooLong int           // a gap above this is answered by differenceTooLong. Default 5000
	ChannelTooLong    int           // the same for a channel. Default 1000
	ChannelLookback   time.Duration // updates.getDifference names channels that changed this long before its date. Default 5 min
	ChannelTimeout    int           // seconds after which a final channel difference may be asked again. Default 30
	CodeLife          time.Duration // of a login code. Default 5 min
	CallbackTimeout   time.Duration // a bot that does not answer a callback. Default 10 s
	LedgerSize        int           // entries remembered. Default 1,000,000
	// Plain sends every update in full form with full users. By default forms vary.
	Plain bool
	// CodeSent is told of each login code, for a person at a terminal. It must not block. Optional.
	CodeSent func(phone, code string)
}

func (c *Config) fill() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	setDefault(&c.DifferenceSlice, 100)
	setDefault(&c.DifferenceTooLong, 5000)
	setDefault(&c.ChannelTooLong, 1000)
	setDefault(&c.ChannelLookback, 5*time.Minute)
	setDefault(&c.ChannelTimeout, 30)
	setDefault(&c.CodeLife, 5*time.Minute)
	setDefault(&c.CallbackTimeout, 10*time.Second)
	setDefault(&c.LedgerSize, 1_000_000)
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Pusher carries updates to sessions and tells the protocol half about keys.
type Pusher interface {
	// Push sends an updates object to the main session of a key.
	Push(keyID int64, body []byte)
	// MarkHome says that the key is logged in on the user's home DC.
	MarkHome(keyID int64)
	// ClearHome takes MarkHome back.
	ClearHome(keyID int64)
}

// Responder takes the one answer to a query, now or later.
type Responder interface {
	Reply(body []byte)
	Error(code int, message string)
}

// World is the whole state of a local Telegram.
type World struct {
	mu    sync.Mutex
	cfg   Config
	push  Pusher
	rng   *rand.Rand
	table map[uint32]method
	names map[uint32]string

	users     map[int64]*user
	phones    map[string]*user
	tokens    map[string]*user
	usernames map[string]peer
	groups    map[int64]*group
	channels  map[int64]*channel

	keys        map[int64]*authKey
	codes       map[string]*loginCode  // by phone_code_hash
	loginTokens map[string]*loginToken // by themselves
	lastCode    map[string]string      // by phone
	exports     map[string]exported
	callbacks   map[int64]*callback
	ledger      Ledger

	lastUser, lastGroup, lastChannel int64
}

// New returns an empty World. Its only inhabitant is Telegram's service account 777000.
func New(cfg Config, push Pusher) *World {
	cfg.fill()
	w := &World{
		cfg: cfg, push: push,
		rng:   rand.New(rand.NewPCG(cfg.Seed, cfg.Seed^0x5851f42d4c957f2d)),
		table: map[uint32]method{}, names: tg.TypesMap(),
		users: map[int64]*user{}, phones: map[string]*user{}, tokens: map[string]*user{},
		usernames: map[string]peer{}, groups: map[int64]*group{}, channels: map[int64]*channel{},
		keys: map[int64]*authKey{}, codes: map[string]*loginCode{}, loginTokens: map[string]*loginToken{}, lastCode: map[string]string{},
		exports: map[string]exported{}, callbacks: map[int64]*callback{},
		lastUser: firstUserID, lastGroup: firstGroupID, lastChannel: firstChannelID,
	}
	w.ledger.limit = cfg.LedgerSize
	w.users[serviceUserID] = newUser(serviceUserID, "Telegram")
	w.registerAll()
	return w
}

func (w *World) registerAll() {
	w.registerHelp()
	w.registerAuth()
	w.registerQRLogin()
	w.registerUsers()
	w.registerMessages()
	w.registerHistory()
	w.registerDialogs()
	w.registerGroups()
	w.registerChannels()
	w.registerUpdates()
	w.registerCallbacks()
}

// SetPusher replaces the Pusher that New was given. It must be called before the first query.
func (w *World) SetPusher(p Pusher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.push = p
}

// SetDCs replaces the list of DCs that help.getConfig returns.
func (w *World) SetDCs(dcs []DC) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cfg.DCs = dcs
}

// Ledger returns the list of what every account is owed.
func (w *World) Ledger() *Ledger { return &w.ledger }

// Constructor returns the constructor id of a modelled method such as
// "messages.sendMessage"; false if it is not modelled.
func (w *World) Constructor(name string) (uint32, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, m := range w.table {
		if m.name == name {
			return id, true
		}
	}
	return 0, false
}

// Methods returns the names of the modelled methods.
func (w *World) Methods() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := make([]string, 0, len(w.table))
	for _, m := range w.table {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return names
}

func (w *World) now() int { return int(w.cfg.Now().Unix()) }

func (w *World) hasDC(id int) bool {
	for _, dc := range w.cfg.DCs {
		if dc.ID == id {
			return true
		}
	}
	return false
}

// token draws n bytes and returns them in hexadecimal.
func (w *World) token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.rng.UintN(256))
	}
	return hex.EncodeToString(b)
}

// chance is true with probability p, and never in a plain World.
func (w *World) chance(p float64) bool {
	return !w.cfg.Plain && w.rng.Float64() < p
}

func fold(username string) string { return strings.ToLower(username) }
