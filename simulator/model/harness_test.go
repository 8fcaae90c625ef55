package model

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// recorder is a Pusher that keeps what is pushed.
type recorder struct {
	mu     sync.Mutex
	pushed map[int64][]tg.UpdatesClass
	home   map[int64]bool
}

func (r *recorder) Push(keyID int64, body []byte) {
	u, err := tg.DecodeUpdates(&bin.Buffer{Buf: body})
	if err != nil {
		panic(fmt.Sprintf("pushed bytes are no updates: %v", err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushed[keyID] = append(r.pushed[keyID], u)
}

func (r *recorder) MarkHome(keyID int64)  { r.home[keyID] = true }
func (r *recorder) ClearHome(keyID int64) { delete(r.home, keyID) }

// take returns and forgets what was pushed to a key.
func (r *recorder) take(keyID int64) []tg.UpdatesClass {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.pushed[keyID]
	delete(r.pushed, keyID)
	return out
}

// bench is a World with a clock of its own and clients that need no protocol.
type bench struct {
	*World
	t    testing.TB
	rec  *recorder
	time time.Time
	keys int64
}

func newBench(t testing.TB, cfg Config) *bench {
	b := &bench{t: t, rec: &recorder{pushed: map[int64][]tg.UpdatesClass{}, home: map[int64]bool{}}, time: time.Unix(1_800_000_000, 0)}
	cfg.DCs = []DC{{ID: 1, IP: "127.0.0.1", Port: 1}, {ID: 2, IP: "127.0.0.1", Port: 2}}
	cfg.Now = func() time.Time { return b.time }
	b.World = New(cfg, b.rec)
	return b
}

// session is a client with one auth key. It implements tg.Invoker.
type session struct {
	*tg.Client
	b   *bench
	dc  int
	key int64
	id  int64 // of the user
}

type answer struct {
	body []byte
	err  error
	done bool
}

func (a *answer) Reply(body []byte) { a.body, a.done = body, true }
func (a *answer) Error(code int, message string) {
	a.err, a.done = tgerr.New(code, message), true
}

func (b *bench) session(dc int) *session {
	b.keys++
	s := &session{b: b, dc: dc, key: b.keys}
	s.Client = tg.NewClient(s)
	return s
}

func (s *session) send(in bin.Encoder) *answer {
	var buf bin.Buffer
	if err := in.Encode(&buf); err != nil {
		s.b.t.Fatal(err)
	}
	a := &answer{}
	s.b.Handle(Request{DC: s.dc, KeyID: s.key, Body: buf.Buf}, a)
	return a
}

func (s *session) Invoke(_ context.Context, in bin.Encoder, out bin.Decoder) error {
	a := s.send(in)
	if !a.done {
		return fmt.Errorf("not answered")
	}
	if a.err != nil {
		return a.err
	}
	buf := &bin.Buffer{Buf: a.body}
	if err := out.Decode(buf); err != nil {
		return err
	}
	if buf.Len() != 0 {
		return fmt.Errorf("%d bytes left in the answer", buf.Len())
	}
	return nil
}

var ctx = context.Background()

// person adds a user and signs in.
func (b *bench) person(name string) *session {
	b.t.Helper()
	u, err := b.AddUser(UserSpec{Phone: fmt.Sprintf("+1555%04d", len(b.phones)+1), FirstName: name, Username: name + "_name", HomeDC: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.login(u)
}

func (b *bench) login(u User) *session {
	b.t.Helper()
	s := b.session(u.HomeDC)
	sent := must(s.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: u.Phone, APIID: 1, APIHash: "h"}))(b.t)
	code, _ := b.LoginCode(u.Phone)
	q := &tg.AuthSignInRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.(*tg.AuthSentCode).PhoneCodeHash}
	q.SetPhoneCode(code)
	must(s.AuthSignIn(ctx, q))(b.t)
	s.id = u.ID
	b.rec.take(s.key)
	return s
}

func (b *bench) robot(name string) *session {
	b.t.Helper()
	bot, err := b.AddBot(BotSpec{Name: name, Username: name + "_bot", HomeDC: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	s := b.session(1)
	must(s.AuthImportBotAuthorization(ctx, &tg.AuthImportBotAuthorizationRequest{APIID: 1, APIHash: "h", BotAuthToken: bot.Token}))(b.t)
	s.id = bot.ID
	return s
}

// must returns a function that fails the test unless the error is nil.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused fails the test unless the error is this one.
func refused(t testing.TB, err error, code int, name string) {
	t.Helper()
	rpc, ok := tgerr.As(err)
	if !ok || rpc.Code != code || rpc.Message != name {
		t.Errorf("got error %v, want %d %s", err, code, name)
	}
}

func (s *session) hash(of peer) int64 { return s.b.accessHash(s.id, of) }

func (s *session) to(other *session) *tg.InputPeerUser {
	return &tg.InputPeerUser{UserID: other.id, AccessHash: s.hash(peer{kindUser, other.id})}
}

func (s *session) user(other *session) *tg.InputUser {
	return &tg.InputUser{UserID: other.id, AccessHash: s.hash(peer{kindUser, other.id})}
}

func (s *session) channel(id int64) *tg.InputChannel {
	return &tg.InputChannel{ChannelID: id, AccessHash: s.hash(peer{kindChannel, id})}
}

func (s *session) inChannel(id int64) *tg.InputPeerChannel {
	return &tg.InputPeerChannel{ChannelID: id, AccessHash: s.hash(peer{kindChannel, id})}
}

var randomIDs int64

func (s *session) write(to tg.InputPeerClass, text string) (tg.UpdatesClass, error) {
	randomIDs++
	return s.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{Peer: to, Message: text, RandomID: randomIDs})
}

func (s *session) newChannel(broadcast bool, others ...*session) int64 {
	s.b.t.Helper()
	u := must(s.ChannelsCreateChannel(ctx, &tg.ChannelsCreateChannelRequest{Title: "room", Broadcast: broadcast, Megagroup: !broadcast}))(s.b.t)
	id := u.(*tg.Updates).Chats[0].GetID()
	q := &tg.ChannelsInviteToChannelRequest{Channel: s.channel(id)}
	for _, o := range others {
		q.Users = append(q.Users, s.user(o))
	}
	if len(others) > 0 {
		must(s.ChannelsInviteToChannel(ctx, q))(s.b.t)
	}
	return id
}

func (s *session) newGroup(others ...*session) int64 {
	s.b.t.Helper()
	q := &tg.MessagesCreateChatRequest{Title: "group"}
	for _, o := range others {
		q.Users = append(q.Users, s.user(o))
	}
	invited := must(s.MessagesCreateChat(ctx, q))(s.b.t)
	return invited.Updates.(*tg.Updates).Chats[0].GetID()
}
