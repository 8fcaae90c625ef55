package methodtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/chatcli"
	"github.com/telefleet/orchestrator/internal/fleetcli"
	"github.com/telefleet/orchestrator/internal/node"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// patience bounds every wait; nothing is judged by it.
const patience = 2 * time.Minute

// cdnDC is the simulator's CDN DC; 1 to 3 are ordinary ones.
const cdnDC = 4

// place is a simulator, a node that runs accounts at it, and a client of the node.
type place struct {
	sim  *simulator.Simulator
	node *node.Node
	api  *client.Client
}

// here is the place that tests share, sim and api are its simulator and client.
var (
	here *place
	sim  *simulator.Simulator
	api  *client.Client
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "methodtest-")
	if err == nil {
		defer os.RemoveAll(dir)
		here, err = open(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sim, api = here.sim, here.api
	code = m.Run()
	if err := here.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func open(dir string, change ...func(*node.Options)) (p *place, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p = &place{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	p.sim, err = simulator.Start(context.Background(), simulator.Config{DCs: []int{1, 2, 3, cdnDC}, CDN: []int{cdnDC}, Media: []int{1}, Seed: 61})
	if err != nil {
		return p, err
	}
	cfg := configs.Default()
	cfg.ClusterID, cfg.DataDir, cfg.API.Listen = "methodtest", dir, "127.0.0.1:0"
	cfg.Telegram.APIID, cfg.Telegram.APIHash = 1, "methodtest"
	cfg.Pace.DialsPerSecond, cfg.Pace.DialsPerDCSecond = 1000, 1000
	cfg.Events.MinFree = 1 << 20
	log := hclog.New(&hclog.LoggerOptions{Name: "methodtest", Level: hclog.Error, Output: os.Stderr})
	var list dcs.List
	for _, dc := range p.sim.DCs() {
		list.Options = append(list.Options, dcs.Option{ID: dc.ID, Addr: dc.Addr, CDN: dc.ID == cdnDC, MediaOnly: dc.MediaOnly})
		if dc.ID != cdnDC && !dc.MediaOnly { // the key of a CDN comes from help.getCdnConfig
			list.Keys = append(list.Keys, dc.Key)
		}
	}
	o := node.Options{DCs: list, Throwaway: true, Redial: backoff.Policy{Base: time.Second}, Log: log}
	for _, c := range change {
		c(&o)
	}
	if p.node, err = node.Start(ctx, cfg, o); err != nil {
		return p, err
	}
	p.api, err = client.New([]string{p.node.URL()})
	return p, err
}

// close ends the place, and asks the referee.
func (p *place) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if p.api != nil {
		p.api.Close()
	}
	if p.node != nil {
		err = p.node.Shutdown(ctx)
	}
	if p.sim != nil {
		if c := p.sim.Referee().Counts(); c.Duplicated != 0 || c.Overlaps != 0 {
			err = errors.Join(err, fmt.Errorf("referee: %d keys killed, %d overlapping home connections", c.Duplicated, c.Overlaps))
		}
		err = errors.Join(err, p.sim.Close())
	}
	return err
}

// start makes a place of a test's own.
func start(t *testing.T, change ...func(*node.Options)) *place {
	t.Helper()
	p, err := open(t.TempDir(), change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// person is a user or bot of the simulator and the account that signs in as it.
type person struct {
	*client.Account
	place    *place
	UserID   int64
	Phone    string // empty for a bot
	Password string
	Token    string // of a bot
	Username string
}

// Ref names the person as a peer: @username.
func (p *person) Ref() string { return "@" + p.Username }

// numbers tells the tests' people apart.
var numbers atomic.Int64

// account is a new user, signed in. change may edit who it is.
func account(t *testing.T, change ...func(*simulator.UserSpec)) *person {
	t.Helper()
	return here.account(t, change...)
}

func (p *place) account(t *testing.T, change ...func(*simulator.UserSpec)) *person {
	t.Helper()
	a := p.signedOut(t, change...)
	if _, err := a.LogIn(deadline(t), a.Phone, a.prompts()); err != nil {
		t.Fatalf("log in: %v", err)
	}
	return a
}

// signedOut is a new user whose account is not signed in yet.
func (p *place) signedOut(t *testing.T, change ...func(*simulator.UserSpec)) *person {
	t.Helper()
	n := numbers.Add(1)
	spec := simulator.UserSpec{
		Phone: fmt.Sprintf("+1777%07d", n), FirstName: fmt.Sprintf("Person %d", n), Username: fmt.Sprintf("person%04d", n),
		HomeDC: 1 + int(n%3), // on all DCs, so that migration is the rule
	}
	for _, c := range change {
		c(&spec)
	}
	user, err := p.sim.AddUser(spec)
	if err != nil {
		t.Fatal(err)
	}
	a := p.open(t, fmt.Sprintf("person-%d", n))
	a.UserID, a.Phone, a.Password, a.Username = user.ID, user.Phone, spec.Password, user.Username
	return a
}

// bot is a new bot, signed in.
func bot(t *testing.T) *person {
	t.Helper()
	n := numbers.Add(1)
	spec := simulator.BotSpec{Name: fmt.Sprintf("Bot %d", n), Username: fmt.Sprintf("robot%04d_bot", n), HomeDC: 1 + int(n%3)}
	made, err := sim.AddBot(spec)
	if err != nil {
		t.Fatal(err)
	}
	a := here.open(t, fmt.Sprintf("bot-%d", n))
	a.UserID, a.Username, a.Token = made.ID, made.Username, made.Token
	if _, err := a.BotSignIn(deadline(t), made.Token); err != nil {
		t.Fatalf("sign in: %v", err)
	}
	return a
}

// open creates an account.
func (p *place) open(t *testing.T, id string) *person {
	t.Helper()
	if _, err := p.api.CreateAccount(deadline(t), &v1.Account{Id: id}); err != nil {
		t.Fatal(err)
	}
	return &person{Account: p.api.Account(id), place: p}
}

// prompts answer as the person who logs in.
func (p *person) prompts() client.Prompts {
	return client.Prompts{
		Code: func(_ context.Context, _ *client.CodeSent, failed error) (string, error) {
			code, ok := p.place.sim.LoginCode(p.Phone)
			if !ok || failed != nil {
				return "", errors.Join(failed, errors.New("no code was sent that is right"))
			}
			return code, nil
		},
		Password: func(_ context.Context, _ *client.PasswordRequired, failed error) (string, error) {
			return p.Password, failed
		},
	}
}

// deadline is a context that ends with the test, or when its patience does.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// inside looks into the shared simulator while nothing changes.
func inside(look func(w *model.World)) { sim.World().Do(func() { look(sim.World()) }) }

// posts are the messages that the simulator keeps of a user's chat, in the order of their ids there;
// of a channel, all of its posts.
func posts(owner int64, chat model.Peer) (out []model.Post) {
	inside(func(w *model.World) {
		if ch := w.Channels[chat.ID]; ch != nil && chat == ch.Peer() {
			for _, id := range ch.IDs {
				out = append(out, *ch.Posts[id])
			}
			return
		}
		u := w.Users[owner]
		d := u.Dialogs[chat]
		if d == nil {
			return
		}
		for _, id := range d.IDs {
			post := *u.Box.Messages[id].Post
			post.ID = id
			out = append(out, post)
		}
	})
	return out
}

// texts are those of posts.
func texts(posts []model.Post) []string {
	out := make([]string, 0, len(posts))
	for _, p := range posts {
		out = append(out, p.Text)
	}
	return out
}

// expect listens to a person's events from now on, or to those of some kinds, which live ones need. The
// function that it returns waits for the first one that match takes.
func (p *person) expect(t *testing.T, match func(*client.Event) bool, kinds ...string) func() *client.Event {
	t.Helper()
	ctx := deadline(t)
	started, found, ended := make(chan struct{}), make(chan *client.Event, 1), make(chan error, 1)
	go func() {
		for e, err := range p.Events(ctx, client.EventOptions{Kinds: kinds, Started: func(string) { close(started) }}) {
			if err != nil {
				ended <- err
				return
			}
			if match(e) {
				found <- e
				return
			}
		}
	}()
	select {
	case <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	return func() *client.Event {
		t.Helper()
		select {
		case e := <-found:
			return e
		case err := <-ended:
			t.Fatalf("the event did not come: %v", err)
			return nil
		}
	}
}

// awaitStatus waits until the account's status is as is wants it.
func (p *person) awaitStatus(t *testing.T, is func(*v1.AccountStatus) bool) {
	t.Helper()
	var last *v1.Account
	for change, err := range p.place.api.WatchAccounts(deadline(t), client.WatchOptions{}) {
		if err != nil {
			t.Fatalf("%v; last seen: %v", err, last)
		}
		if change.Resource.GetId() != p.ID() {
			continue
		}
		if last = change.Resource; is(last.GetStatus()) {
			return
		}
	}
}

// refused asserts that err is a refusal with this reason.
func refused(t *testing.T, err error, reason client.Reason) {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Errorf("got %v, want a refusal with reason %s", err, reason)
	}
}

// must is the value, or the end of the test.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// cli runs a command of the command line and returns what it prints as a table.
func cli(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return here.cli(t, args...)
}

func (p *place) cli(t *testing.T, args ...string) (string, error) {
	t.Helper()
	g := &fleetcli.CLI{
		Dial:   func() (*client.Client, error) { return client.New([]string{p.node.URL()}) },
		Format: func() string { return "table" },
		Print: func(w io.Writer, _ proto.Message, human func() fleetcli.Table) error {
			for _, row := range human().Rows {
				fmt.Fprintln(w, strings.Join(row, "\t"))
			}
			return nil
		},
		PrintJSON: func(w io.Writer, b []byte) error { _, err := fmt.Fprintln(w, string(b)); return err },
		Report:    func(w io.Writer, err error) int { fmt.Fprintln(w, err); return 1 },
		Args:      func(names ...string) cobra.PositionalArgs { return cobra.ExactArgs(len(names)) },
		Accounts:  func(...*v1.Account) fleetcli.Table { return fleetcli.Table{} },
	}
	root := &cobra.Command{Use: "orchestrator", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(g.Commands()...)
	root.AddCommand(chatcli.Commands(g)...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(deadline(t))
	return out.String(), err
}

// contains reports whether text has all parts.
func contains(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// encoded is a raw call.
func encoded(t *testing.T, call bin.Encoder) []byte {
	t.Helper()
	var b bin.Buffer
	if err := call.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Raw()
}

// flag is a TL flags field with one bit.
func flag(n int) (f bin.Fields) {
	f.Set(n)
	return f
}

// dropAll loses every push.
var dropAll = mtserver.PushFaults{Drop: 1}

// heardBy are the texts of the new messages in a person's event log, the account's own excepted.
func heardBy(t *testing.T, p *person) []string {
	t.Helper()
	return heardFrom(t, p, client.Begin)
}

// heardFrom is heardBy behind a cursor.
func heardFrom(t *testing.T, p *person, cursor string) (texts []string) {
	t.Helper()
	for e, err := range p.Events(deadline(t), client.EventOptions{From: cursor, UntilNow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if m := e.GetMessageNew(); m != nil && !m.GetOut() {
			texts = append(texts, m.GetText())
		}
	}
	return texts
}
