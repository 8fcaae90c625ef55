// Package simtest is a local Telegram for tests of its methods: a world with a clock of its own
// and clients that need no protocol.
//
// # Usage
//
//	b := simtest.New(t, model.Config{Plain: true})
//	ann, bob := b.Person("ann"), b.Person("bob")
//	simtest.Must(ann.Write(ann.To(bob), "hello"))(t)
//	pushed := b.Rec.Take(bob.Key)
//	_, err := ann.Write(ann.To(bob), "")
//	simtest.Refused(t, err, 400, "MESSAGE_EMPTY")
//
// # Concurrency
//
// One goroutine at a time.
//
// # Errors
//
// What a helper cannot do fails the test.
package simtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/simulator/calls"
	"github.com/telefleet/orchestrator/simulator/model"
)

// Recorder is a Pusher that keeps what is pushed.
type Recorder struct {
	mu     sync.Mutex
	pushed map[int64][]tg.UpdatesClass
	Home   map[int64]bool
}

// Push implements model.Pusher.
func (r *Recorder) Push(keyID int64, body []byte) {
	u, err := tg.DecodeUpdates(&bin.Buffer{Buf: body})
	if err != nil {
		panic(fmt.Sprintf("pushed bytes are no updates: %v", err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushed[keyID] = append(r.pushed[keyID], u)
}

// MarkHome implements model.Pusher.
func (r *Recorder) MarkHome(keyID int64) { r.Home[keyID] = true }

// ClearHome implements model.Pusher.
func (r *Recorder) ClearHome(keyID int64) { delete(r.Home, keyID) }

// Take returns and forgets what was pushed to a key.
func (r *Recorder) Take(keyID int64) []tg.UpdatesClass {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.pushed[keyID]
	delete(r.pushed, keyID)
	return out
}

// Bench is a World with a clock of its own and clients that need no protocol.
type Bench struct {
	*model.World
	T         testing.TB
	Rec       *Recorder
	Time      time.Time
	Rooms     calls.Rooms
	keys      int64
	randomIDs int64
}

// New returns a world with all rooms, of two DCs.
func New(t testing.TB, cfg model.Config) *Bench {
	b := &Bench{T: t, Rec: &Recorder{pushed: map[int64][]tg.UpdatesClass{}, Home: map[int64]bool{}}, Time: time.Unix(1_800_000_000, 0)}
	cfg.DCs = []model.DC{{ID: 1, IP: "127.0.0.1", Port: 1}, {ID: 2, IP: "127.0.0.1", Port: 2}}
	cfg.Now = func() time.Time { return b.Time }
	b.World = model.New(cfg, b.Rec)
	b.Rooms = calls.Join(b.World)
	t.Cleanup(func() {
		if err := b.Rooms.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Session is a client with one auth key. It implements tg.Invoker.
type Session struct {
	*tg.Client
	B   *Bench
	dc  int
	Key int64
	ID  int64 // of the user
}

// Answer is a model.Responder that keeps the answer.
type Answer struct {
	Body []byte
	Err  error
	Done bool
}

// Reply implements model.Responder.
func (a *Answer) Reply(body []byte) { a.Body, a.Done = body, true }

// Error implements model.Responder.
func (a *Answer) Error(code int, message string) {
	a.Err, a.Done = tgerr.New(code, message), true
}

// Session is a client that has not signed in.
func (b *Bench) Session(dc int) *Session {
	b.keys++
	s := &Session{B: b, dc: dc, Key: b.keys}
	s.Client = tg.NewClient(s)
	return s
}

// Send asks and returns the answer, which may not be there yet.
func (s *Session) Send(in bin.Encoder) *Answer {
	var buf bin.Buffer
	if err := in.Encode(&buf); err != nil {
		s.B.T.Fatal(err)
	}
	a := &Answer{}
	s.B.Handle(model.Request{DC: s.dc, KeyID: s.Key, Body: buf.Buf}, a)
	return a
}

// Invoke implements tg.Invoker.
func (s *Session) Invoke(_ context.Context, in bin.Encoder, out bin.Decoder) error {
	a := s.Send(in)
	if !a.Done {
		return fmt.Errorf("not answered")
	}
	if a.Err != nil {
		return a.Err
	}
	buf := &bin.Buffer{Buf: a.Body}
	if err := out.Decode(buf); err != nil {
		return err
	}
	if buf.Len() != 0 {
		return fmt.Errorf("%d bytes left in the answer", buf.Len())
	}
	return nil
}

// Ctx is for calls of Session: they do not wait.
var Ctx = context.Background()

// Person adds a user and signs in.
func (b *Bench) Person(name string) *Session {
	b.T.Helper()
	u, err := b.AddUser(model.UserSpec{Phone: fmt.Sprintf("+1555%04d", len(b.Phones)+1), FirstName: name, Username: name + "_name", HomeDC: 1})
	if err != nil {
		b.T.Fatal(err)
	}
	return b.Login(u)
}

// Login signs a user in with a new key.
func (b *Bench) Login(u model.Identity) *Session {
	b.T.Helper()
	s := b.Session(u.HomeDC)
	sent := Must(s.AuthSendCode(Ctx, &tg.AuthSendCodeRequest{PhoneNumber: u.Phone, APIID: 1, APIHash: "h"}))(b.T)
	code, _ := b.Rooms.Auth.LoginCode(u.Phone)
	q := &tg.AuthSignInRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.(*tg.AuthSentCode).PhoneCodeHash}
	q.SetPhoneCode(code)
	Must(s.AuthSignIn(Ctx, q))(b.T)
	s.ID = u.ID
	b.Rec.Take(s.Key)
	return s
}

// Robot adds a bot and signs in.
func (b *Bench) Robot(name string) *Session {
	b.T.Helper()
	bot, err := b.AddBot(model.BotSpec{Name: name, Username: name + "_bot", HomeDC: 1})
	if err != nil {
		b.T.Fatal(err)
	}
	s := b.Session(1)
	Must(s.AuthImportBotAuthorization(Ctx, &tg.AuthImportBotAuthorizationRequest{APIID: 1, APIHash: "h", BotAuthToken: bot.Token}))(b.T)
	s.ID = bot.ID
	return s
}

// Must returns a function that fails the test unless the error is nil.
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Refused fails the test unless the error is this one.
func Refused(t testing.TB, err error, code int, name string) {
	t.Helper()
	rpc, ok := tgerr.As(err)
	if !ok || rpc.Code != code || rpc.Message != name {
		t.Errorf("got error %v, want %d %s", err, code, name)
	}
}

// Hash is the access hash by which the session reaches a peer.
func (s *Session) Hash(of model.Peer) int64 { return s.B.AccessHash(s.ID, of) }

// To is another session's user as a peer.
func (s *Session) To(other *Session) *tg.InputPeerUser {
	return &tg.InputPeerUser{UserID: other.ID, AccessHash: s.Hash(model.UserPeer(other.ID))}
}

// User is another session's user.
func (s *Session) User(other *Session) *tg.InputUser {
	return &tg.InputUser{UserID: other.ID, AccessHash: s.Hash(model.UserPeer(other.ID))}
}

// Channel is a channel.
func (s *Session) Channel(id int64) *tg.InputChannel {
	return &tg.InputChannel{ChannelID: id, AccessHash: s.Hash(model.ChannelPeer(id))}
}

// InChannel is a channel as a peer.
func (s *Session) InChannel(id int64) *tg.InputPeerChannel {
	return &tg.InputPeerChannel{ChannelID: id, AccessHash: s.Hash(model.ChannelPeer(id))}
}

// Write sends a text.
func (s *Session) Write(to tg.InputPeerClass, text string) (tg.UpdatesClass, error) {
	s.B.randomIDs++
	return s.MessagesSendMessage(Ctx, &tg.MessagesSendMessageRequest{Peer: to, Message: text, RandomID: s.B.randomIDs})
}

// NewChannel makes a channel or a supergroup and invites the others. It returns the id.
func (s *Session) NewChannel(broadcast bool, others ...*Session) int64 {
	s.B.T.Helper()
	u := Must(s.ChannelsCreateChannel(Ctx, &tg.ChannelsCreateChannelRequest{Title: "room", Broadcast: broadcast, Megagroup: !broadcast}))(s.B.T)
	id := u.(*tg.Updates).Chats[0].GetID()
	q := &tg.ChannelsInviteToChannelRequest{Channel: s.Channel(id)}
	for _, o := range others {
		q.Users = append(q.Users, s.User(o))
	}
	if len(others) > 0 {
		Must(s.ChannelsInviteToChannel(Ctx, q))(s.B.T)
	}
	return id
}

// NewGroup makes a basic group and returns its id.
func (s *Session) NewGroup(others ...*Session) int64 {
	s.B.T.Helper()
	q := &tg.MessagesCreateChatRequest{Title: "group"}
	for _, o := range others {
		q.Users = append(q.Users, s.User(o))
	}
	invited := Must(s.MessagesCreateChat(Ctx, q))(s.B.T)
	return invited.Updates.(*tg.Updates).Chats[0].GetID()
}
