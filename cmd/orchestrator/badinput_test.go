package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

func TestUnknownAccountIsNamed(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	node := newNode(t, dcFile).serve()
	for _, args := range [][]string{
		{"account", "get", "nobody"},
		{"send", "nobody", "me", "x"},
		{"history", "nobody", "me"},
		{"call", "nobody", "help.getNearestDc"},
		{"login", "nobody", "--phone", "+15550001"},
		{"events", "--account", "nobody"},
	} {
		node.cli(args...).fails(exitNotFound, `account: there is none of this name (got "nobody")`,
			"hint: see `orchestrator account list`, or add it with `orchestrator account add nobody`")
	}
	node.cli("account", "add", "anna").ok()
	node.cli("account", "add", "anna").fails(exitFailed, "anna exists already", "choose another name")
	node.terminate()
}

// A wrong code and a wrong password are refused by name, and the right one then succeeds.
func TestWrongCodeThenWrongPasswordThenSuccess(t *testing.T) {
	t.Parallel()
	sim := simulate(t)
	node := newNode(t, sim.dcFile).serve()
	node.cli("account", "add", "boris").ok()
	token := strings.TrimSpace(node.cli("login", "boris", "--phone", "+15550002", "--request").ok())
	code := sim.code("15550002")
	wrong := "11111"
	if code == wrong {
		wrong = "22222"
	}
	node.cli("login", "boris", "--token", token, "--code", wrong).fails(exitAuth, "PHONE_CODE_INVALID", "check the code")
	node.awaitState("boris", v1.AccountState_ACCOUNT_STATE_CODE_SENT)

	bad, good := secretFile(t, "wrong horse\n"), secretFile(t, "correct horse\n")
	r := node.cli("login", "boris", "--token", token, "--code", code, "--password-file", bad)
	r.fails(exitAuth, "PASSWORD_HASH_INVALID", "the password is wrong")
	if strings.Contains(r.stderr, "wrong horse") {
		t.Error("the password is shown")
	}
	node.awaitState("boris", v1.AccountState_ACCOUNT_STATE_PASSWORD_NEEDED)
	// The code was right: only the password is asked again, this time by environment.
	r = runCLI(t, []string{envServer + "=" + node.url, envPassword + "=wrong again"}, "login", "boris")
	r.fails(exitAuth, "PASSWORD_HASH_INVALID")
	match(t, node.cli("login", "boris", "--password-file", good).ok(), `(?m)^boris +\d+ +boris +boris$`)
	node.awaitState("boris", v1.AccountState_ACCOUNT_STATE_ONLINE)
	if text := node.stderr.String(); strings.Contains(text, "horse") || strings.Contains(text, code) || strings.Contains(text, "15550002") {
		t.Errorf("the log has a secret:\n%s", text)
	}
	node.terminate()
}

func TestWrongBotTokenIsRefused(t *testing.T) {
	t.Parallel()
	sim := simulate(t)
	node := newNode(t, sim.dcFile).serve()
	node.cli("account", "add", "helper").ok()
	r := node.cli("login", "helper", "--bot-token-file", secretFile(t, "1:nonsense"))
	r.fails(exitAuth, "ACCESS_TOKEN_INVALID", "@BotFather")
	if strings.Contains(r.stderr, "nonsense") {
		t.Error("the token is shown")
	}
	node.cli("login", "helper", "--bot-token-file", secretFile(t, sim.botToken+"\n")).ok()
	node.awaitState("helper", v1.AccountState_ACCOUNT_STATE_ONLINE)
	node.terminate()
}

func TestMissingInputIsAskedForByName(t *testing.T) {
	t.Parallel()
	sim := simulate(t)
	node := newNode(t, sim.dcFile).serve()
	node.cli("account", "add", "anna").ok()
	node.cli("login", "anna").fails(exitUsage, "phone number: nothing was entered", "orchestrator login --help")
	node.cli("login", "anna", "--phone", "+15550001").fails(exitUsage, "nothing was entered", "orchestrator login --help")
	node.cli("login", "anna", "--bot").fails(exitUsage, "bot token: nothing was entered")
	node.cli("login", "anna", "--phone", "five").fails(exitUsage, "phone_number: ", "international form")
	node.cli("login", "anna", "--bot-token-file", "no/such/file").fails(exitUsage, "no/such/file")
	node.terminate()
}

// apiError is an error of the API as JSON.
type apiError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []struct {
		Debug struct {
			Reason string `json:"reason"`
			Remedy string `json:"remedy"`
		} `json:"debug"`
	} `json:"details"`
}

// post sends JSON as curl does.
func (s server) post(method, body string) (status int, answer string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/orchestrator.v1."+method, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestUnknownFieldInAnHTTPBodyIsNamed(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	node := newNode(t, dcFile).serve()
	node.cli("account", "add", "anna").ok()
	for _, c := range []struct {
		name, method, body string
		status             int
		want               string
	}{
		{"unknown field", "FleetService/GetAccount", `{"idd":"anna"}`, http.StatusBadRequest, `idd`},
		{"unknown field inside", "MessageService/SendMessage", `{"account":"anna","peer":"me","message":{"txt":"x"}}`, http.StatusBadRequest, `txt`},
		{"wrong type", "MessageService/GetHistory", `{"account":"anna","peer":"me","limit":"many"}`, http.StatusBadRequest, `limit`},
		{"no JSON", "FleetService/GetAccount", `{"id":`, http.StatusBadRequest, ``},
		{"unknown account", "FleetService/GetAccount", `{"id":"nobody"}`, http.StatusNotFound, `nobody`},
		{"unknown method", "FleetService/FetchAccount", `{}`, http.StatusNotImplemented, `FetchAccount`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, answer := node.post(c.method, c.body)
			var e apiError
			if err := json.Unmarshal([]byte(answer), &e); err != nil {
				t.Fatalf("%d %s: %v", status, answer, err)
			}
			if status != c.status || !strings.Contains(e.Message, c.want) {
				t.Errorf("got %d %s, want %d naming %q", status, answer, c.status, c.want)
			}
			if len(e.Details) == 0 || e.Details[0].Debug.Remedy == "" {
				t.Errorf("%s says no next step", answer)
			}
		})
	}
	if status, answer := node.post("FleetService/GetAccount", `{"id":"anna"}`); status != http.StatusOK {
		t.Errorf("a good request after the bad ones: %d %s", status, answer)
	}
	node.terminate()
}

// TestUnreachableDC: the node runs, the account says that it cannot get through, and a call
// ends by its own deadline with a typed error.
func TestUnreachableDCIsSaidByTheAccount(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	files := newNode(t, dcFile)
	node := files.serve()
	node.cli("account", "add", "new").ok()
	node.signIn(sim, "anna", userAnna.Phone, "")
	if err := sim.Close(); err != nil { // its ports refuse connections from now on
		t.Fatal(err)
	}
	status := node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_BACKOFF).GetStatus()
	if status.GetReason() == "" || status.GetMessage() == "" {
		t.Errorf("backoff says neither reason nor message: %v", status)
	}
	match(t, node.cli("account", "get", "anna").ok(), `(?m)^anna +backoff +\S{2,} `, `refused`)
	for _, account := range []string{"anna", "new"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := node.auth().RequestCode(ctx, &v1.RequestCodeRequest{Account: account, PhoneNumber: "+15550001"})
		cancel()
		if code := connect.CodeOf(err); code != connect.CodeDeadlineExceeded && code != connect.CodeUnavailable {
			t.Errorf("%s: a call ended by %v", account, err)
		}
	}
	// A start against a dead list of DCs is a start like any other.
	node.terminate()
	node = files.serve()
	node.await("anna", "in backoff again", func(a *v1.AccountStatus) bool {
		return a.GetState() == v1.AccountState_ACCOUNT_STATE_BACKOFF && a.GetNode() != status.GetNode()
	})
	node.cli("account", "list").ok()
	node.terminate()
}

func TestOccupiedPortIsNamed(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	files := newNode(t, dcFile)
	text, err := os.ReadFile(files.config)
	if err != nil {
		t.Fatal(err)
	}
	addr := taken.Addr().String()
	free := string(text)
	if err := os.WriteFile(files.config, []byte(strings.Replace(free, "127.0.0.1:0", addr, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runCLI(t, nil, "serve", "--config", files.config)
	r.fails(exitFailed, fmt.Sprintf("api.listen: the address is in use (got %q)", addr), "hint: stop the process that uses it, or choose another port")
	if strings.Contains(r.stderr, "ownership was not renewed") {
		t.Errorf("a failed start frightens with lost ownership:\n%s", r.stderr)
	}
	// Nothing of the failed start is in the way of the next.
	if err := os.WriteFile(files.config, []byte(free), 0o600); err != nil {
		t.Fatal(err)
	}
	node := files.serve()
	match(t, node.cli("account", "add", "anna").ok(), `(?m)^anna `)
	node.terminate()
}

func TestSecondProcessOnTheDataDirectoryNamesTheFirst(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	files := newNode(t, dcFile)
	node := files.serve()
	runCLI(t, nil, "serve", "--config", files.config).fails(exitFailed,
		fmt.Sprintf("data_dir: already used by process %d (got %s)", node.cmd.Process.Pid, files.dir), "hint: stop that process, or give this one a data_dir of its own")
	node.cli("account", "add", "anna").ok() // the first took no harm
	node.terminate()
}

// A damaged list of DCs is the configuration's fault, and said so before anything starts.
func TestDamagedDCFileIsNamed(t *testing.T) {
	t.Parallel()
	files := newNode(t, secretFile(t, `{"dcs":[{"id":1,"addr":"nowhere"}]}`))
	r := runCLI(t, nil, "serve", "--config", files.config)
	if r.code == exitOK || !strings.HasPrefix(r.stderr, "orchestrator: error: ") || !strings.Contains(r.stderr, "nowhere") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if _, err := os.Stat(files.dir); err == nil {
		t.Error("a data directory was made")
	}
}
