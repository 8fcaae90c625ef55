package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/gotd/td/tgtest"
	"github.com/gotd/td/tgtest/cluster"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// foreign is gotd's test server with handlers for one user at home on DC 3 and one bot on
// DC 2. The server and our client share no protocol code. What it cannot show: acks, salts,
// sequence numbers, refused messages, and two dials at a time (it races with itself), so each
// of its DCs has one client.
type foreign struct {
	cluster *cluster.Cluster
	servers map[int]*tgtest.Server
	user    *tg.User
	bot     *tg.User

	mu       sync.Mutex
	sessions map[int]tgtest.Session // the newest of each DC
	calls    map[string]int
	pts      int
	missed   []tg.MessageClass // the one with id n is at n-1
	config   tg.Config
}

const (
	foreignCode  = "12345"
	foreignToken = "7:secret"
)

// newForeign starts the cluster; the test must have closed its clients before it ends.
func newForeign(t *testing.T) *foreign {
	t.Helper()
	f := &foreign{
		cluster: cluster.NewCluster(cluster.Options{}), servers: map[int]*tgtest.Server{},
		user:     &tg.User{Self: true, ID: 100, AccessHash: 1, FirstName: "Ann", Username: "foreign_ann"},
		bot:      &tg.User{Self: true, Bot: true, ID: 200, AccessHash: 2, FirstName: "Robot", Username: "foreign_bot"},
		sessions: map[int]tgtest.Session{}, calls: map[string]int{},
	}
	for _, dc := range []int{2, 3} {
		server, d := f.cluster.DC(dc, "DC "+strconv.Itoa(dc))
		f.servers[dc] = server
		f.register(d)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- f.cluster.Up(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("tgtest: %v", err)
		}
	})
	select {
	case <-f.cluster.Ready():
	case <-bounded(t).Done():
		t.Fatal("tgtest does not start")
	}
	f.mu.Lock()
	f.config.DCOptions = f.cluster.List().Options
	f.mu.Unlock()
	return f
}

// on registers a handler; the request's session becomes the newest one of its DC.
func on[T any, P interface {
	*T
	bin.Decoder
	TypeID() uint32
	TypeName() string
}](f *foreign, d *tgtest.Dispatcher, handle func(dc int, q P) (bin.Encoder, error)) {
	d.HandleFunc(P(new(T)).TypeID(), func(server *tgtest.Server, req *tgtest.Request) error {
		q := P(new(T))
		if err := q.Decode(req.Buf); err != nil {
			return err
		}
		f.mu.Lock()
		f.sessions[req.DC] = req.Session
		f.calls[q.TypeName()]++
		result, err := handle(req.DC, q)
		f.mu.Unlock()
		if err != nil {
			return err
		}
		return server.SendResult(req, result)
	})
}

func (f *foreign) register(d *tgtest.Dispatcher) {
	// The cluster's own answer races with its start: it reads what is written while the first server listens.
	on(f, d, func(dc int, _ *tg.HelpGetConfigRequest) (bin.Encoder, error) {
		config := f.config
		config.ThisDC = dc
		return &config, nil
	})
	on(f, d, func(dc int, _ *tg.HelpGetNearestDCRequest) (bin.Encoder, error) {
		return &tg.NearestDC{Country: "DE", ThisDC: dc, NearestDC: dc}, nil
	})
	on(f, d, func(dc int, _ *tg.AuthSendCodeRequest) (bin.Encoder, error) {
		if dc != 3 {
			return nil, tgerr.New(303, "PHONE_MIGRATE_3")
		}
		return &tg.AuthSentCode{Type: &tg.AuthSentCodeTypeSMS{Length: 5}, PhoneCodeHash: "hash"}, nil
	})
	on(f, d, func(_ int, q *tg.AuthSignInRequest) (bin.Encoder, error) {
		if q.PhoneCodeHash != "hash" || q.PhoneCode != foreignCode {
			return nil, tgerr.New(400, "PHONE_CODE_INVALID")
		}
		return &tg.AuthAuthorization{User: f.user}, nil
	})
	on(f, d, func(_ int, q *tg.AuthImportBotAuthorizationRequest) (bin.Encoder, error) {
		if q.BotAuthToken != foreignToken {
			return nil, tgerr.New(400, "ACCESS_TOKEN_INVALID")
		}
		return &tg.AuthAuthorization{User: f.bot}, nil
	})
	on(f, d, func(_ int, q *tg.ContactsResolveUsernameRequest) (bin.Encoder, error) {
		return &tg.ContactsResolvedPeer{
			Peer:  &tg.PeerUser{UserID: 300},
			Users: []tg.UserClass{&tg.User{ID: 300, AccessHash: 3, FirstName: "Bob", Username: q.Username}},
		}, nil
	})
	on(f, d, func(int, *tg.UpdatesGetStateRequest) (bin.Encoder, error) {
		return &tg.UpdatesState{Pts: f.pts, Date: 1}, nil
	})
	on(f, d, func(_ int, q *tg.UpdatesGetDifferenceRequest) (bin.Encoder, error) {
		if q.Pts == f.pts {
			return &tg.UpdatesDifferenceEmpty{Date: 1}, nil
		}
		return &tg.UpdatesDifference{
			NewMessages: slices.Clone(f.missed[q.Pts:]), State: tg.UpdatesState{Pts: f.pts, Date: 1},
		}, nil
	})
	on(f, d, func(_ int, q *tg.MessagesSendMessageRequest) (bin.Encoder, error) {
		f.write(q.Message)
		return &tg.UpdateShortSentMessage{Out: true, ID: f.pts, Pts: f.pts, PtsCount: 1, Date: 1}, nil
	})
}

// write gives the account a message, whose id is its pts; the lock is held.
func (f *foreign) write(text string) *tg.Message {
	f.pts++
	m := &tg.Message{ID: f.pts, PeerID: &tg.PeerUser{UserID: 300}, Date: 1, Message: text}
	m.SetFromID(&tg.PeerUser{UserID: 300})
	f.missed = append(f.missed, m)
	return m
}

// receive writes a message to the account and, if wanted, pushes it.
func (f *foreign) receive(t *testing.T, dc int, text string, push bool) {
	t.Helper()
	f.mu.Lock()
	m, pts, session := f.write(text), f.pts, f.sessions[dc]
	f.mu.Unlock()
	if !push {
		return
	}
	err := f.servers[dc].SendUpdates(bounded(t), session, &tg.UpdateNewMessage{Message: m, Pts: pts, PtsCount: 1})
	if err != nil {
		t.Fatalf("push: %v", err)
	}
}

func (f *foreign) called(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// client is a node whose accounts talk to the cluster.
func (f *foreign) client(t *testing.T, framing transport.Framing) *rig {
	t.Helper()
	memory, err := sessionstore.NewTestStore()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{simulated: &simulated{harness: newHarness(t)}, log: newJournal(), store: &countedStore{Memory: memory}}
	d := &r.deps
	d.Events, d.Sessions, d.DCs, d.Transport = r.log, r.store, dcs.List{}, transport.Options{Framing: framing}
	for _, o := range f.cluster.List().Options {
		d.DCs.Options = append(d.DCs.Options, dcs.Option{ID: o.ID, Addr: net.JoinHostPort(o.IPAddress, strconv.Itoa(o.Port))})
	}
	for _, key := range f.cluster.Keys() {
		d.DCs.Keys = append(d.DCs.Keys, key.RSA)
	}
	debugLog(d)
	r.start(t)
	t.Cleanup(func() { r.end(t, r.fleet) })
	return r
}

// awaitIDs waits until the account's messages are exactly these, by their ids.
func (r *rig) awaitIDs(t *testing.T, id fleet.AccountID, ids ...int) {
	t.Helper()
	var want []string
	for _, m := range ids {
		want = append(want, fmt.Sprintf("pts:message_new:%d", m))
	}
	r.log.await(t, fmt.Sprintf("%s: messages %v", id, ids), func() bool {
		return slices.Equal(r.log.ids(id, tlupdates.KindMessageNew), want)
	})
}

// TestRealPeerTgtest: key exchange, login with a migration, calls, pushes, a gap and a resumed
// session against gotd's server.
func TestRealPeerTgtest(t *testing.T) {
	t.Parallel()
	f := newForeign(t)
	r := f.client(t, transport.Intermediate)
	r.fleet.Owned(testGrant("ann"))
	env, ctx := r.env(t, "ann"), bounded(t)

	sent, err := telegram.RequestCode(ctx, env, "+15550001")
	if err != nil {
		t.Fatalf("request code: %v", err)
	}
	if _, err := telegram.SignIn(ctx, env, sent.Token, "00000"); reason(err) != "PHONE_CODE_INVALID" {
		t.Fatalf("wrong code: %v", err)
	}
	if res, err := telegram.SignIn(ctx, env, sent.Token, foreignCode); err != nil || res.User.ID != f.user.ID {
		t.Fatalf("sign in: %+v, %v", res, err)
	}
	if err := env.Sync(ctx); err != nil {
		t.Fatalf("sync: %v", err)
	}
	var config tg.Config
	if err := env.Invoke(ctx, &tg.HelpGetConfigRequest{}, &config); err != nil || config.ThisDC != 3 {
		t.Errorf("config of DC %d, %v; want DC 3", config.ThisDC, err)
	}
	if dc, err := nearest(ctx, env); err != nil || dc.ThisDC != 3 {
		t.Errorf("nearest DC %+v, %v; want 3", dc, err)
	}
	bob, err := telegram.ResolvePeer(ctx, env, "@foreign_bob")
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	m, err := telegram.SendMessage(ctx, env, bob, telegram.Outgoing{Text: "hello"})
	if err != nil || m.ID != 1 || m.Message != "hello" {
		t.Fatalf("sent %+v, %v; want message 1", m, err)
	}
	f.receive(t, 3, "pushed", true)
	r.awaitIDs(t, "ann", 1, 2)
	f.receive(t, 3, "not pushed", false)
	f.receive(t, 3, "pushed after a gap", true)
	r.awaitIDs(t, "ann", 1, 2, 3, 4)

	key := r.record(t, "ann").Keys[3].Key
	gone := make(chan struct{})
	r.fleet.Lost("ann", time.Now().Add(5*time.Second), func() { close(gone) })
	<-gone
	f.receive(t, 3, "written meanwhile", false)
	r.own("ann")
	r.awaitIDs(t, "ann", 1, 2, 3, 4, 5)
	f.receive(t, 3, "pushed to the new session", true)
	r.awaitIDs(t, "ann", 1, 2, 3, 4, 5, 6)
	rec := r.record(t, "ann")
	if rec.Keys[3].Key != key || rec.HomeDC != 3 || rec.UserID != f.user.ID {
		t.Errorf("stored session %v, want the one of the login on DC 3", rec)
	}
	if n := f.called("auth.signIn"); n != 2 {
		t.Errorf("%d sign-ins, want the wrong and the right one", n)
	}
}

// TestRealPeerTgtestBot: the other login, in the other framing.
func TestRealPeerTgtestBot(t *testing.T) {
	t.Parallel()
	f := newForeign(t)
	r := f.client(t, transport.Abridged)
	r.fleet.Owned(testGrant("bot"))
	env, ctx := r.env(t, "bot"), bounded(t)
	if _, err := telegram.BotSignIn(ctx, env, "7:wrong"); reason(err) != "ACCESS_TOKEN_INVALID" {
		t.Fatalf("wrong token: %v", err)
	}
	if user, err := telegram.BotSignIn(ctx, env, foreignToken); err != nil || user.ID != f.bot.ID {
		t.Fatalf("sign in: %+v, %v", user, err)
	}
	if err := env.Sync(ctx); err != nil {
		t.Fatalf("sync: %v", err)
	}
	for range 20 {
		f.receive(t, 2, "hello, robot", true)
	}
	r.awaitIDs(t, "bot", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
}
