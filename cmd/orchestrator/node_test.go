package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/simulator"
)

// nodeFiles is a node's place on disk: its configuration survives its process.
type nodeFiles struct {
	t      *testing.T
	dir    string // data_dir
	config string
}

// newNode writes the configuration of a node against the DCs in a file. extra is YAML that
// goes below it.
func newNode(t *testing.T, dcFile string, extra ...string) nodeFiles {
	t.Helper()
	return newNodeIn(t, t.TempDir(), dcFile, extra...)
}

// newNodeIn is newNode with a place of one's own.
func newNodeIn(t *testing.T, root, dcFile string, extra ...string) nodeFiles {
	t.Helper()
	n := nodeFiles{t, filepath.Join(root, "data"), filepath.Join(root, "node.yaml")}
	text := fmt.Sprintf(`cluster_id: test
data_dir: %q
telegram: {api_id: 7, api_hash: cafe, network: file, dc_file: %q}
api: {listen: "127.0.0.1:0"}
events: {min_free_bytes: 1}
pace: {dials_per_second: 1000, dials_per_dc_second: 1000}
%s
`, n.dir, dcFile, strings.Join(extra, "\n"))
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

// server is a running `orchestrator serve`.
type server struct {
	*process
	url string
}

// serve starts the node and waits until its API answers.
func (n nodeFiles) serve() server {
	n.t.Helper()
	p := start(n.t, nil, "serve", "--config", n.config)
	return server{p, p.line(`API on (http://127\.0\.0\.1:\d+)\n`)[1]}
}

// cli runs a command against the node.
func (s server) cli(args ...string) result {
	s.t.Helper()
	return runCLI(s.t, []string{envServer + "=" + s.url}, args...)
}

// terminate ends the node as an operator does.
func (s server) terminate() {
	s.t.Helper()
	s.signal(os.Interrupt)
	if code := s.exit(); code != exitOK {
		s.t.Errorf("serve: exit %d after a signal:\n%s", code, s.stderr)
	}
}

func (s server) fleet() orchestratorv1connect.FleetServiceClient {
	return orchestratorv1connect.NewFleetServiceClient(http.DefaultClient, s.url)
}

func (s server) auth() orchestratorv1connect.AuthServiceClient {
	return orchestratorv1connect.NewAuthServiceClient(http.DefaultClient, s.url)
}

// awaitState waits until the API shows an account in a state.
func (s server) awaitState(account string, want v1.AccountState) *v1.Account {
	s.t.Helper()
	return s.await(account, want.String(), func(a *v1.AccountStatus) bool { return a.GetState() == want })
}

// awaitOnlineAgain waits until an account is online at another node than former: what a dead
// process has said last stays in the store.
func (s server) awaitOnlineAgain(account, former string) *v1.Account {
	s.t.Helper()
	return s.await(account, "online again", func(a *v1.AccountStatus) bool {
		return a.GetState() == v1.AccountState_ACCOUNT_STATE_ONLINE && a.GetNode() != former
	})
}

func (s server) await(account, what string, is func(*v1.AccountStatus) bool) *v1.Account {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	var last *v1.Account
	for {
		r, err := s.fleet().GetAccount(ctx, &v1.GetAccountRequest{Id: account})
		if err == nil {
			if last = r.GetAccount(); is(last.GetStatus()) {
				return last
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			s.t.Fatalf("%s is not %s: %v, last error %v\n%s", account, what, last, err, tail(s.stderr.String()))
		}
	}
}

// signIn adds an account and signs it in by phone, code and, where one is given, password.
func (s server) signIn(sim *simulator.Simulator, account, phone, password string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if _, err := s.fleet().CreateAccount(ctx, &v1.CreateAccountRequest{Id: account}); err != nil {
		s.t.Fatal(err)
	}
	asked, err := s.auth().RequestCode(ctx, &v1.RequestCodeRequest{Account: account, PhoneNumber: phone})
	if err != nil {
		s.t.Fatal(err)
	}
	code, ok := sim.LoginCode(phone)
	if !ok {
		s.t.Fatalf("no code was sent to %s", phone)
	}
	if _, err := s.auth().SignIn(ctx, &v1.SignInRequest{Account: account, Token: asked.GetCode().GetToken(), Code: code}); err != nil {
		s.t.Fatal(err)
	}
	if password != "" {
		if _, err := s.auth().CheckPassword(ctx, &v1.CheckPasswordRequest{Account: account, Password: password}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.awaitState(account, v1.AccountState_ACCOUNT_STATE_ONLINE)
}

// detail is the typed detail of an API error.
func detail(t *testing.T, err error) (connect.Code, *v1.ErrorDetail) {
	t.Helper()
	var rpc *connect.Error
	if errors.As(err, &rpc) {
		for _, d := range rpc.Details() {
			if v, err := d.Value(); err == nil {
				if found, ok := v.(*v1.ErrorDetail); ok {
					return rpc.Code(), found
				}
			}
		}
	}
	t.Fatalf("got %v, want an API error with a detail", err)
	return 0, nil
}

// startSimulator runs a local Telegram inside the test and writes its DC file.
func startSimulator(t *testing.T) (*simulator.Simulator, string) {
	t.Helper()
	sim, err := simulator.Start(context.Background(), simulator.Config{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c := sim.Referee().Counts(); c.Duplicated != 0 || c.Overlaps != 0 {
			t.Errorf("referee: %d keys killed, %d overlapping home connections; want none", c.Duplicated, c.Overlaps)
		}
		_ = sim.Close()
	})
	file := filepath.Join(t.TempDir(), "dcs.json")
	if err := sim.WriteDCFile(file); err != nil {
		t.Fatal(err)
	}
	return sim, file
}

func addUser(t *testing.T, sim *simulator.Simulator, spec simulator.UserSpec) simulator.User {
	t.Helper()
	if spec.FirstName == "" {
		spec.FirstName = spec.Username
	}
	user, err := sim.AddUser(spec)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// seenEvent is one line of `events -o json`.
type seenEvent struct {
	Cursor     string `json:"cursor"`
	Account    string `json:"account"`
	Kind       string `json:"kind"`
	ID         string `json:"id"`
	MessageNew struct {
		ID   int    `json:"id"`
		Out  bool   `json:"out"`
		Text string `json:"text"`
	} `json:"message_new"`
}

// eventsOf reads the lines of `events -o json`.
func eventsOf(t *testing.T, text string) []seenEvent {
	t.Helper()
	var events []seenEvent
	for line := range strings.Lines(text) {
		var e seenEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("not one JSON object a line: %q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// texts lists what an account was told, in order, and fails on an event that came twice.
func texts(t *testing.T, events []seenEvent, account string) []string {
	t.Helper()
	var list []string
	seen := map[string]bool{}
	for _, e := range events {
		if e.Account != account || e.Kind != "message_new" || e.MessageNew.Out {
			continue
		}
		if seen[e.ID] {
			t.Errorf("event %s of %s came twice", e.ID, account)
		}
		seen[e.ID] = true
		list = append(list, e.MessageNew.Text)
	}
	return list
}

// The people of these tests.
var (
	userAnna  = simulator.UserSpec{Phone: "+15550000001", Username: "anna", HomeDC: 2}
	userBoris = simulator.UserSpec{Phone: "+15550000002", Username: "boris", HomeDC: 1, Password: "correct horse"}
	userCarol = simulator.UserSpec{Phone: "+15550000003", Username: "carol", HomeDC: 3} // has no account of ours
)
