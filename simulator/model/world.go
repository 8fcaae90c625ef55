// Package model is what a local Telegram remembers and decides: users, bots, groups,
// channels, messages, the counters of their update boxes, and the answers to queries. It
// holds no socket and no goroutine; package mtserver carries its answers and pushes.
//
// # Usage
//
//	w := model.New(model.Config{DCs: ..., Seed: 1}, pusher)
//	calls.Join(w) // the rooms in which the methods are
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
// One lock guards the whole state. Handlers run under it, and so does what is given to Do:
// fields, and all methods with a *User, *Post or the like in them, are for those. Handle, Tick
// and the methods for scripted people (AddUser, Say, Revoke and the like, which name everything
// by ids) take the lock, and may be called from any goroutine. Pusher and Responder are called
// under it, so that every recipient sees updates in the order of their counters. They must not
// block and must not call back.
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
	AffectedSlice     int           // messages that one of the queries changes which say how many are left. Default 100
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
	setDefault(&c.AffectedSlice, 100)
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

// World is the whole state of a local Telegram. Its fields, and those of everything in it, are
// read and changed under its lock only: by handlers, and within Do.
type World struct {
	Config Config
	Rand   *rand.Rand // of ids, hashes and codes

	mu    sync.Mutex
	push  Pusher
	table map[uint32]method
	names map[uint32]string
	ticks []func(now time.Time)

	Users     map[int64]*User
	Phones    map[string]*User // by digits
	Tokens    map[string]*User // bots
	Usernames map[string]Peer  // by Fold
	Groups    map[int64]*Group
	Channels  map[int64]*Channel
	Scheduled map[ScheduleKey]*Queue
	Acting    map[Actor]tg.SendMessageActionClass // who types, records or uploads

	keys   map[int64]*Key
	ledger Ledger

	lastUser, lastGroup, lastChannel int64
}

// Actor is somebody who does something in a chat that others see, such as typing.
type Actor struct {
	User  int64
	Chat  Peer // as the actor sees it
	Topic int  // 0: none
}

// New returns an empty World. Its only inhabitant is Telegram's service account 777000.
func New(cfg Config, push Pusher) *World {
	cfg.fill()
	w := &World{
		Config: cfg, push: push,
		Rand:  rand.New(rand.NewPCG(cfg.Seed, cfg.Seed^0x5851f42d4c957f2d)),
		table: map[uint32]method{}, names: tg.TypesMap(),
		Users: map[int64]*User{}, Phones: map[string]*User{}, Tokens: map[string]*User{},
		Usernames: map[string]Peer{}, Groups: map[int64]*Group{}, Channels: map[int64]*Channel{},
		Scheduled: map[ScheduleKey]*Queue{}, Acting: map[Actor]tg.SendMessageActionClass{},
		keys:     map[int64]*Key{},
		lastUser: firstUserID, lastGroup: firstGroupID, lastChannel: firstChannelID,
	}
	w.ledger.limit = cfg.LedgerSize
	w.Users[ServiceUserID] = newUser(ServiceUserID, "Telegram")
	w.registerUpdates()
	return w
}

// Do runs f while nothing else reads or changes the World. f must not call methods that say
// that they take the lock.
func (w *World) Do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// OnTick lets f see to what is due, at every Tick, under the lock. It is for rooms, before the
// first query.
func (w *World) OnTick(f func(now time.Time)) { w.ticks = append(w.ticks, f) }

// Tick sees to what is due, such as queries that have waited too long. It is to be called every
// now and then. It takes the lock.
func (w *World) Tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Config.Now()
	for _, f := range w.ticks {
		f(now)
	}
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
	w.Config.DCs = dcs
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

// Now is the present as Telegram writes dates.
func (w *World) Now() int { return int(w.Config.Now().Unix()) }

// HasDC says whether there is such a DC.
func (w *World) HasDC(id int) bool {
	for _, dc := range w.Config.DCs {
		if dc.ID == id {
			return true
		}
	}
	return false
}

// Token draws n bytes and returns them in hexadecimal.
func (w *World) Token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.Rand.UintN(256))
	}
	return hex.EncodeToString(b)
}

// Chance is true with probability p, and never in a plain World.
func (w *World) Chance(p float64) bool {
	return !w.Config.Plain && w.Rand.Float64() < p
}

// Fold makes usernames and names comparable.
func Fold(username string) string { return strings.ToLower(username) }
