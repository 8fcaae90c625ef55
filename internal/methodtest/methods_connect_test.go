package methodtest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/node"
	"github.com/telefleet/orchestrator/simulator/model"
)

func TestMethod01_Connect(t *testing.T) {
	t.Parallel()
	if _, err := configs.Parse([]byte("telegram: {network: test}")); err == nil || !strings.Contains(err.Error(), "telegram.api_id") || !strings.Contains(err.Error(), "telegram.api_hash") {
		t.Errorf("without an application: %v", err)
	}
	anna := account(t)
	_, err := api.CreateAccount(deadline(t), &v1.Account{Id: anna.ID()})
	refused(t, err, "ACCOUNT_EXISTS")
	key := sim.World().Keys(anna.UserID)
	if _, done, err := anna.PauseAndWait(deadline(t)); err != nil || !done {
		t.Fatal(done, err)
	}
	must(anna.Resume(deadline(t)))(t) // does not wait for the node
	anna.awaitStatus(t, func(s *v1.AccountStatus) bool { return s.GetState() == v1.AccountState_ACCOUNT_STATE_ONLINE })
	must(anna.Me(deadline(t)))(t)
	if again := sim.World().Keys(anna.UserID); len(key) != 1 || !slices.Equal(key, again) {
		t.Errorf("keys before %x, after %x: want one, and no other", key, again)
	}
}

// exported is a paused account's session.
func exported(t *testing.T, p *person, format string) client.Session {
	t.Helper()
	if _, done, err := p.PauseAndWait(deadline(t)); err != nil || !done {
		t.Fatal(done, err)
	}
	s, _, err := p.ExportSession(deadline(t), client.ExportOptions{Format: format})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMethod02_StringSession(t *testing.T) {
	t.Parallel()
	anna := account(t)
	session := exported(t, anna, client.Own)
	other := here.open(t, anna.ID()+"-other")
	for _, text := range []string{"nonsense", string(session.Data[:len(session.Data)-5])} {
		if _, err := other.ImportSession(deadline(t), client.Session{Data: []byte(text)}); err == nil {
			t.Errorf("a session of %d bytes was taken", len(text))
		}
	}
	_, err := other.ImportSession(deadline(t), session)
	refused(t, err, "AUTH_KEY_IN_USE")
	if _, err := anna.Delete(deadline(t)); err != nil {
		t.Fatal(err)
	}
	key := sim.World().Keys(anna.UserID)
	info := must(other.ImportSession(deadline(t), session))(t)
	if me := must(other.Me(deadline(t)))(t); me.GetId() != anna.UserID || info.GetUserId() != anna.UserID {
		t.Errorf("the session is of %d, the account of %v", info.GetUserId(), me)
	}
	if again := sim.World().Keys(anna.UserID); len(key) != 1 || !slices.Equal(key, again) {
		t.Errorf("keys before %x, after %x", key, again)
	}
	fresh := here.open(t, anna.ID()+"-fresh")
	must(fresh.ImportSession(deadline(t), client.Session{}))(t)
	if a := must(fresh.Authorization(deadline(t)))(t); a.OK || a.Reason != "AUTH_KEY_UNREGISTERED" {
		t.Errorf("a fresh session: %+v", a)
	}
}

func TestMethod03_IsAuthorized(t *testing.T) {
	t.Parallel()
	anna, boris := here.signedOut(t), account(t)
	if a := must(anna.Authorization(deadline(t)))(t); a.OK || a.Reason != "AUTH_KEY_UNREGISTERED" || a.Remedy == "" {
		t.Errorf("before the login: %+v", a)
	}
	if out, err := cli(t, "me", anna.ID()); err == nil {
		t.Errorf("me of an account that is not signed in: %s", out)
	}
	must(anna.LogIn(deadline(t), anna.Phone, anna.prompts()))(t)
	if a := must(anna.Authorization(deadline(t)))(t); !a.OK || a.Reason != "" {
		t.Errorf("after the login: %+v", a)
	}
	for user, end := range map[*person]struct {
		do   func()
		want client.Reason
	}{
		anna:  {func() { sim.World().Revoke(anna.UserID) }, "SESSION_REVOKED"},
		boris: {func() { sim.World().Deactivate(boris.UserID) }, "USER_DEACTIVATED_BAN"},
	} {
		end.do()
		if a := must(user.Authorization(deadline(t)))(t); a.OK || a.Reason != end.want || a.Remedy == "" {
			t.Errorf("got %+v, want %s", a, end.want)
		}
	}
}

func TestMethod04_SaveSession(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	must(anna.ResolvePeer(deadline(t), boris.Ref()))(t)
	if err := anna.SaveSession(deadline(t)); err != nil {
		t.Fatal(err)
	}
	s, _, err := anna.ExportSession(deadline(t), client.ExportOptions{WhileOnline: true})
	if err != nil {
		t.Fatal(err)
	}
	if info := must(api.InspectSession(deadline(t), s))(t); len(info) != 1 || info[0].GetPeers() == 0 || info[0].GetUserId() != anna.UserID {
		t.Errorf("the saved session: %v", info)
	}
	if out, err := cli(t, "session", "save", anna.ID()); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestMethod05_ExportSession(t *testing.T) {
	t.Parallel()
	anna := account(t)
	_, _, err := anna.ExportSession(deadline(t), client.ExportOptions{})
	refused(t, err, "ACCOUNT_ONLINE")
	own := exported(t, anna, client.Own)
	if !regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`).Match(own.Data) {
		t.Error("our own form is not safe in a URL")
	}
	want := must(api.InspectSession(deadline(t), own))(t)[0]
	// The simulator's ports do not fit into GramJS's form.
	for _, format := range []string{client.Telethon, client.Pyrogram, client.Mtcute, client.Gotd, client.TData} {
		got := must(api.InspectSession(deadline(t), exported(t, anna, format)))(t)
		if len(got) != 1 || got[0].GetKeyId() != want.GetKeyId() || got[0].GetHomeDc() != want.GetHomeDc() {
			t.Errorf("%s: %v, want the key %s", format, got, want.GetKeyId())
		}
	}
}

func TestMethod06_SignOut(t *testing.T) {
	t.Parallel()
	anna := account(t)
	if out, err := anna.LogOut(deadline(t), false); err != nil || !out.Confirmed {
		t.Fatal(out, err)
	}
	if keys := sim.World().Keys(anna.UserID); len(keys) > 0 {
		t.Errorf("still signed in with %x", keys)
	}
	if a := must(anna.Authorization(deadline(t)))(t); a.OK {
		t.Error("still authorized")
	}
	// The future auth token is kept: no code is needed.
	if step := must(anna.RequestCode(deadline(t), anna.Phone))(t); signedIn(step) == nil {
		t.Errorf("the next login asks for %T", step)
	}
	if out, err := cli(t, "logout", anna.ID(), "--yes"); err != nil || len(sim.World().Keys(anna.UserID)) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func signedIn(step client.LoginStep) *client.User {
	if in, ok := step.(*client.SignedIn); ok {
		return in.User
	}
	return nil
}

// pressed is a call that waits: anna has pressed a button, and the bot has heard of it.
func pressed(t *testing.T, anna, robot *person) (query int64, outcome <-chan error) {
	t.Helper()
	must(anna.SendMessage(deadline(t), robot.Ref(), client.Text("start")))(t)
	button := &tg.ReplyInlineMarkup{Rows: []tg.KeyboardButtonRow{{Buttons: []tg.KeyboardButtonClass{&tg.KeyboardButtonCallback{Text: "go", Data: []byte("go")}}}}}
	post := &model.Post{From: robot.UserID, To: model.UserPeer(anna.UserID), Text: "choose", Markup: button, Copies: map[int64]int{}}
	var hash int64
	inside(func(w *model.World) {
		post.Date = w.Now()
		w.Deliver(post, nil)
		hash = w.AccessHash(anna.UserID, model.UserPeer(robot.UserID))
	})
	heard := robot.expect(t, func(e *client.Event) bool { return e.GetCallbackQuery() != nil })
	ended := make(chan error, 1)
	call := encoded(t, &tg.MessagesGetBotCallbackAnswerRequest{
		Peer: &tg.InputPeerUser{UserID: robot.UserID, AccessHash: hash}, MsgID: post.Copies[anna.UserID], Flags: flag(0), Data: []byte("go"),
	})
	go func() {
		_, err := anna.InvokeTL(context.WithoutCancel(t.Context()), call)
		ended <- err
	}()
	return heard().GetCallbackQuery().GetQueryId(), ended
}

func TestMethod07_Disconnect(t *testing.T) {
	t.Parallel()
	anna, robot := account(t), bot(t)
	_, outcome := pressed(t, anna, robot)
	began := time.Now()
	if _, done, err := anna.Disconnect(deadline(t)); err != nil || !done {
		t.Fatal(done, err)
	}
	if err := <-outcome; err == nil {
		t.Error("the pending call succeeded, though nobody answered it")
	}
	if left := time.Since(began); left > patience/2 {
		t.Errorf("it took %s", left) // the bot never answers: waiting for it would take the call's own limit
	}
	anna.awaitStatus(t, func(s *v1.AccountStatus) bool { return s.GetState() == v1.AccountState_ACCOUNT_STATE_PAUSED })
	must(anna.Resume(deadline(t)))(t) // does not wait for the node
	anna.awaitStatus(t, func(s *v1.AccountStatus) bool { return s.GetState() == v1.AccountState_ACCOUNT_STATE_ONLINE })
	must(anna.Me(deadline(t)))(t)
}

func TestMethod07a_GracefulStop(t *testing.T) {
	t.Parallel()
	anna, robot := account(t), bot(t)
	query, outcome := pressed(t, anna, robot)
	paused := make(chan error, 1)
	go func() {
		_, _, err := anna.PauseAndWait(context.WithoutCancel(t.Context()))
		paused <- err
	}()
	must(robot.InvokeTL(deadline(t), encoded(t, &tg.MessagesSetBotCallbackAnswerRequest{QueryID: query})))(t)
	if err := <-outcome; err != nil {
		t.Errorf("the call that was under way: %v", err)
	}
	if err := <-paused; err != nil {
		t.Error(err)
	}
	_, err := anna.SendMessage(deadline(t), client.Self, client.Text("later"))
	if err == nil || len(posts(anna.UserID, model.UserPeer(anna.UserID))) > 0 {
		t.Errorf("a paused account has sent: %v", err)
	}
}

func TestMethod08_SyncUpdateState(t *testing.T) {
	t.Parallel()
	p := start(t)
	anna, boris := p.account(t), p.account(t)
	p.sim.Faults().SetPush(dropAll)
	say := func(text string) { must(p.sim.World().Say(boris.UserID, anna.UserID, text))(t) }
	for _, text := range []string{"one", "two"} {
		say(text)
	}
	must(anna.Sync(deadline(t), false))(t)
	if got := heardBy(t, anna); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("after a sync the log has %q", got)
	}
	say("three")
	skipped := must(anna.Sync(deadline(t), true))(t)
	if len(skipped) == 0 || skipped[0].GetTo() <= skipped[0].GetFrom() {
		t.Errorf("a skip says that it left out %v", skipped)
	}
	if got := heardBy(t, anna); slices.Contains(got, "three") {
		t.Errorf("after a skip the log has %q", got)
	}
}

// connected is whether the account's home connection is up, and why not.
func connected(s *v1.AccountStatus) *v1.Condition {
	for _, c := range s.GetConditions() {
		if c.GetType() == "Connected" {
			return c
		}
	}
	return nil
}

// awaitBackoff waits until the account will not dial by itself before the test is over, and returns when it
// would. A wait that was drawn too short is ended by the signal, though the network is still down: the
// next one is drawn.
func (p *person) awaitBackoff(t *testing.T) (until time.Time) {
	t.Helper()
	for {
		former := until
		p.awaitStatus(t, func(s *v1.AccountStatus) bool {
			c := connected(s)
			until = c.GetUntil().AsTime()
			return c.GetReason() == "BACKOFF" && c.GetUntil() != nil && !until.Equal(former)
		})
		if time.Until(until) > time.Hour {
			return until
		}
		must(p.place.api.NetworkRestored(deadline(t), client.OfAccount(p.ID())))(t)
	}
}

// TestMethod09_NetworkRestored: the server is down and the accounts wait for long; when it is up again, those
// that are told connect now, once however often they are told, and the others wait on. Accounts that are
// well are left alone.
func TestMethod09_NetworkRestored(t *testing.T) {
	t.Parallel()
	p := start(t, func(o *node.Options) { o.Redial = backoff.Policy{Base: 1000 * time.Hour, Max: 1000 * time.Hour} })
	people := []*person{p.account(t), p.account(t), p.account(t)}
	anna, boris := people[0], people[1]
	must(boris.Update(deadline(t), func(a *v1.Account) error {
		a.Labels = map[string]string{"team": "b"}
		return nil
	}))(t)
	nodes := must(p.api.Nodes(deadline(t)))(t)
	accepted := func() int64 { return int64(p.sim.Server().Stats().Accepted) }
	before := accepted()
	for want, target := range map[int]client.Target{1: client.OfAccount(anna.ID()), 3: client.WholeFleet()} {
		if n := must(p.api.NetworkRestored(deadline(t), target))(t); n != want {
			t.Errorf("%d accounts were told, want %d", n, want)
		}
	}
	for _, a := range people {
		must(a.Me(deadline(t)))(t)
	}
	if n := accepted() - before; n != 0 {
		t.Errorf("accounts that were well connected again %d times", n)
	}
	for name, c := range map[string]struct {
		target client.Target
		flags  []string
		told   []*person
	}{
		"account":  {client.OfAccount(anna.ID()), []string{"--account", anna.ID()}, []*person{anna}},
		"selector": {client.OfSelector("team=b"), []string{"-l", "team=b"}, []*person{boris}},
		"node":     {client.OfNode(nodes[0].GetId()), []string{"--node", nodes[0].GetName()}, people},
		"cluster":  {client.WholeFleet(), []string{"--all"}, people},
	} {
		p.sim.Server().SetDown(true)
		waits := map[*person]time.Time{}
		for _, a := range people {
			waits[a] = a.awaitBackoff(t)
		}
		p.sim.Server().SetDown(false)
		before := accepted()
		for range 3 {
			if n := must(p.api.NetworkRestored(deadline(t), c.target))(t); n != len(c.told) {
				t.Errorf("%s: %d accounts were told, want %d", name, n, len(c.told))
			}
		}
		if out, err := p.cli(t, append([]string{"network", "restored"}, c.flags...)...); err != nil || !contains(out, fmt.Sprint(len(c.told)), "told") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		for _, a := range c.told {
			must(a.Me(deadline(t)))(t) // waits for the connection, and no longer than the test's patience
			delete(waits, a)
		}
		if n := accepted() - before; n != int64(len(c.told)) {
			t.Errorf("%s: %d connections of %d accounts", name, n, len(c.told))
		}
		for a, until := range waits {
			got := connected(must(a.Get(deadline(t)))(t).GetStatus())
			if got.GetReason() != "BACKOFF" || !got.GetUntil().AsTime().Equal(until) {
				t.Errorf("%s: %s was not told, and is %v", name, a.ID(), got)
			}
		}
		must(p.api.NetworkRestored(deadline(t), client.WholeFleet()))(t)
		for _, a := range people {
			must(a.Me(deadline(t)))(t)
		}
	}
}
