package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tgerr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// post calls a method by plain HTTP with JSON.
func post(t *testing.T, url, method, body string) (int, map[string]any) {
	t.Helper()
	res, err := http.Post(url+"/orchestrator.v1."+method, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return res.StatusCode, out
}

// detail reads the error's detail from a JSON answer.
func detail(t *testing.T, out map[string]any) map[string]any {
	t.Helper()
	list, _ := out["details"].([]any)
	if len(list) != 1 {
		t.Fatalf("no detail in %v", out)
	}
	first := list[0].(map[string]any)
	if first["type"] != "orchestrator.v1.ErrorDetail" {
		t.Fatalf("detail is %v", first["type"])
	}
	debug, _ := first["debug"].(map[string]any)
	return debug
}

func TestHTTPJSON(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].on = answers(alice)
	url, _ := h.start()
	code, out := post(t, url, "UserService/GetMe", `{"account":"a"}`)
	user, _ := out["user"].(map[string]any)
	if code != 200 || user["firstName"] != "Alice" || user["id"] != "1001" {
		t.Fatalf("%d %v", code, out)
	}
	code, out = post(t, url, "RawService/Invoke", `{"account":"a","json":"{\"_\":\"users.getUsers\",\"id\":[{\"_\":\"inputUserSelf\"}]}"}`)
	if text, _ := out["json"].(string); code != 200 || !strings.Contains(text, `"first_name":"Alice"`) {
		t.Fatalf("%d %v", code, out)
	}
}

func TestGRPC(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].on = answers(alice)
	url, _ := h.start()
	conn, err := grpc.NewClient(strings.TrimPrefix(url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := t.Context()
	var me v1.GetMeReply
	if err := conn.Invoke(ctx, orchestratorv1connect.UserServiceGetMeProcedure, &v1.GetMeRequest{Account: "a"}, &me); err != nil {
		t.Fatal(err)
	}
	if me.GetUser().GetUsername() != "alice" {
		t.Errorf("got %v", &me)
	}
	err = conn.Invoke(ctx, orchestratorv1connect.UserServiceGetMeProcedure, &v1.GetMeRequest{Account: "b"}, &me)
	if status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
	if d := status.Convert(err).Details(); len(d) != 1 || d[0].(*v1.ErrorDetail).GetReason() != "ACCOUNT_UNKNOWN" {
		t.Errorf("details %v", d)
	}
	res, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: "orchestrator.v1.MessageService"})
	if err != nil || res.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", res, err)
	}
}

func TestGRPCWeb(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].on = answers(alice)
	url, _ := h.start()
	client := orchestratorv1connect.NewUserServiceClient(http.DefaultClient, url, connect.WithGRPCWeb())
	me, err := client.GetMe(t.Context(), &v1.GetMeRequest{Account: "a"})
	if err != nil || me.GetUser().GetFirstName() != "Alice" {
		t.Fatalf("got %v, %v", me, err)
	}
}

func TestReflectionListsTheServices(t *testing.T) {
	h := newHouse(t)
	url, _ := h.start()
	// reflection is a bidirectional stream, which HTTP/1 cannot carry
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	client := grpcreflect.NewClient(&http.Client{Transport: transport}, url, connect.WithGRPC())
	stream := client.NewStream(t.Context())
	defer stream.Close()
	names, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(names)
	for rpc := range methods.RPCs() {
		if !strings.Contains(got, string(rpc.Parent().FullName())) {
			t.Errorf("%s is missing in %s", rpc.Parent().FullName(), got)
		}
	}
	if _, err := stream.FileContainingSymbol("orchestrator.v1.FleetService"); err != nil {
		t.Error(err)
	}
}

func TestBadRequestsNameTheFieldAndTheNextStep(t *testing.T) {
	h := newHouse(t)
	url, _ := h.start()
	h.envs["a"].on = func(context.Context, bin.Encoder) (bin.Encoder, error) { return nil, tgerr.New(420, "FLOOD_WAIT_30") }
	for _, c := range []struct{ method, body, code, reason, contains string }{
		{"UserService/GetMe", `{"account":"a","acount":"b"}`, "invalid_argument", "REQUEST_INVALID", `unknown field "acount"`},
		{"UserService/GetMe", `{"account":7}`, "invalid_argument", "REQUEST_INVALID", "account: 7"},
		{"UserService/GetMe", `{"account":`, "invalid_argument", "REQUEST_INVALID", "unexpected EOF"},
		{"UserService/GetMe", `{"account":"nobody"}`, "not_found", "ACCOUNT_UNKNOWN", `"nobody"`},
		{"UserService/GetMe", `{"account":"+1555"}`, "invalid_argument", "ACCOUNT_ID_INVALID", `"+1555"`},
		{"UserService/GetMe", `{}`, "invalid_argument", "ACCOUNT_ID_INVALID", "got 0"},
		{"UserService/GetMe", `{"account":"a"}`, "resource_exhausted", "FLOOD_WAIT", "users.getUsers"},
		{"MessageService/SendMessage", `{"account":"a","peer":"77","message":{"text":"x"}}`, "not_found", "PEER_UNKNOWN", "77"},
		{"MessageService/SendMessage", `{"account":"a","peer":"me","message":{"text":"x","entities":[{"type":"ENTITY_TYPE_BOLD"}]}}`, "invalid_argument", "FIELD_INVALID", "message.entities[0]"},
		{"MessageService/GetHistory", `{"account":"a","peer":"me","limit":99999}`, "invalid_argument", "FIELD_INVALID", "limit: must be 0 to 10000 (got 99999)"},
		{"RawService/Invoke", `{"account":"a"}`, "invalid_argument", "FIELD_INVALID", "request"},
		{"RawService/Invoke", `{"account":"a","json":"{\"_\":\"users.getUsers\"}"}`, "invalid_argument", "CALL_INVALID", "json: id: is missing"},
		{"FleetService/CreateAccount", `{"id":"a"}`, "already_exists", "ACCOUNT_EXISTS", "a exists"},
		{"FleetService/CreateAccount", `{"id":"b","labels":{"k k":"v"}}`, "invalid_argument", "FIELD_INVALID", `labels: has the invalid key "k k"`},
		{"FleetService/ListAccounts", `{"selector":"=x"}`, "invalid_argument", "FIELD_INVALID", "selector"},
		{"FleetService/Nothing", `{}`, "unimplemented", "METHOD_UNKNOWN", "/orchestrator.v1.FleetService/Nothing"},
	} {
		_, out := post(t, url, c.method, c.body)
		message, _ := out["message"].(string)
		d := detail(t, out)
		if out["code"] != c.code || d["reason"] != c.reason || !strings.Contains(message, c.contains) {
			t.Errorf("%s %s:\n got %v %v", c.method, c.body, out, d)
		}
		if remedy, _ := d["remedy"].(string); remedy == "" && c.reason != "ACCOUNT_EXISTS" {
			t.Errorf("%s %s: no remedy in %v", c.method, c.body, d)
		}
		if c.reason == "FLOOD_WAIT" && (d["retryAfter"] != "30s" || d["argument"] != 30.0 || d["method"] != "users.getUsers") {
			t.Errorf("flood wait: %v", d)
		}
	}
}

func TestErrorsShowNoSecrets(t *testing.T) {
	h := newHouse(t)
	url, _ := h.start()
	for _, body := range []string{`{"account":"a","password":123456789}`, `{"account":"a","password":["123456789"]}`} {
		_, out := post(t, url, "AuthService/CheckPassword", body)
		if out["code"] != "invalid_argument" || strings.Contains(fmt.Sprint(out), "123456789") {
			t.Errorf("got %v", out)
		}
	}
}

func TestPanicIsOneCallsError(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].on = func(context.Context, bin.Encoder) (bin.Encoder, error) { panic("secret of the method") }
	url, _ := h.start()
	for range 2 { // the server lives on
		_, out := post(t, url, "UserService/GetMe", `{"account":"a"}`)
		if out["code"] != "internal" || strings.Contains(fmt.Sprint(out), "secret") {
			t.Errorf("got %v", out)
		}
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].on = func(context.Context, bin.Encoder) (bin.Encoder, error) { return nil, errors.New("open /etc/secret") }
	url, _ := h.start()
	_, out := post(t, url, "UserService/GetMe", `{"account":"a"}`)
	if out["code"] != "internal" || strings.Contains(fmt.Sprint(out), "/etc") {
		t.Errorf("got %v", out)
	}
}

func TestDeadlineReachesTheMethod(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].on = func(ctx context.Context, _ bin.Encoder) (bin.Encoder, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	h.cfg.Timeout = 20 * time.Millisecond
	url, _ := h.start()
	_, out := post(t, url, "UserService/GetMe", `{"account":"a"}`)
	if out["code"] != "deadline_exceeded" {
		t.Errorf("got %v", out)
	}
}

func TestRouterNamesTheOwner(t *testing.T) {
	h := newHouse(t)
	h.list["b"] = &v1.Account{Id: "b", Status: &v1.AccountStatus{Node: "n2"}}
	h.list["c"] = &v1.Account{Id: "c"}
	url, _ := h.start()
	_, out := post(t, url, "UserService/GetMe", `{"account":"b"}`)
	if out["message"] != "account b is owned by node n2" || detail(t, out)["reason"] != "NOT_OWNER" {
		t.Errorf("got %v", out)
	}
	_, out = post(t, url, "UserService/GetMe", `{"account":"c"}`)
	if d := detail(t, out); d["reason"] != "NO_OWNER" || d["retryAfter"] != "1s" {
		t.Errorf("got %v", out)
	}
}

func TestRouterWaitsForAnOwner(t *testing.T) {
	h := newHouse(t)
	h.list["c"] = &v1.Account{Id: "c"}
	polled := make(chan struct{}, 1)
	h.cfg.Accounts = watched{h, func() {
		select {
		case polled <- struct{}{}:
		default:
		}
	}}
	url, _ := h.start()
	go func() {
		<-polled // the call has found no owner yet
		h.own("c", answers(alice))
	}()
	code, out := post(t, url, "UserService/GetMe", `{"account":"c"}`)
	if code != 200 {
		t.Errorf("got %v", out)
	}
}

// watched tells when an account is read.
type watched struct {
	*house
	read func()
}

func (w watched) Get(ctx context.Context, id fleet.AccountID) (*v1.Account, error) {
	defer w.read()
	return w.house.Get(ctx, id)
}

func TestTooLargeRequestsAreRefused(t *testing.T) {
	h := newHouse(t)
	h.cfg.MaxMessage = 1000
	url, _ := h.start()
	_, out := post(t, url, "UserService/GetMe", `{"account":"`+strings.Repeat("a", 2000)+`"}`)
	if out["code"] != "resource_exhausted" {
		t.Errorf("got %v", out)
	}
}

func TestPublicAddressNeedsTLSAndTokens(t *testing.T) {
	h := newHouse(t)
	for _, listen := range []string{"0.0.0.0:0", ":0", "10.0.0.1:0", "example.org:80", "[::]:0"} {
		h.cfg.Listen = listen
		_, err := NewServer(h.cfg)
		var own *fleet.Error
		if !errors.As(err, &own) || own.Reason != "LISTEN_INSECURE" || !strings.Contains(own.Message, listen) || own.Remedy == "" {
			t.Errorf("%s: %v", listen, err)
		}
	}
	for _, listen := range []string{"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"} {
		h.cfg.Listen = listen
		var own *fleet.Error
		if _, err := NewServer(h.cfg); !errors.As(err, &own) || own.Reason != "LISTEN_INVALID" {
			t.Errorf("%q: %v", listen, err)
		}
	}
	h.cfg.Tokens = Tokens{{}: "x"}
	h.cfg.Listen = "0.0.0.0:0"
	if _, err := NewServer(h.cfg); err == nil {
		t.Error("tokens without TLS were enough")
	}
}

func TestOccupiedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newHouse(t)
	h.cfg.Listen = l.Addr().String()
	s, err := NewServer(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Start()
	var own *fleet.Error
	if !errors.As(err, &own) || own.Reason != "LISTEN_OCCUPIED" || !strings.Contains(own.Message, l.Addr().String()) || own.Remedy == "" {
		t.Errorf("got %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTokensGuardTheAPI(t *testing.T) {
	sum := sha256.Sum256([]byte("right"))
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("# name hash\n\nops "+hex.EncodeToString(sum[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	var err error
	if h.cfg.Tokens, err = LoadTokens(path); err != nil {
		t.Fatal(err)
	}
	h.envs["a"].on = answers(alice)
	url, _ := h.start()
	for token, want := range map[string]int{"": 401, "Bearer wrong": 401, "right": 401, "Bearer right": 200} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/orchestrator.v1.UserService/GetMe", strings.NewReader(`{"account":"a"}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: %d", token, res.StatusCode)
		}
	}
	for _, bad := range []string{"", "ops", "ops zz", "ops " + strings.Repeat("z", 64)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadTokens(path); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := LoadTokens(path + "x"); err == nil || !strings.Contains(err.Error(), "api.tokens_file") {
		t.Errorf("got %v", err)
	}
}

func TestWebPagesCannotReachTheAPIByTheirOwnName(t *testing.T) {
	h := newHouse(t)
	url, _ := h.start()
	for host, want := range map[string]int{"evil.example": 403, "evil.example:7700": 403, "localhost:1": 404, "[::1]:1": 404, "127.0.0.1": 404} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/orchestrator.v1.UserService/GetMe", bytes.NewReader([]byte(`{"account":"b"}`)))
		req.Header.Set("Content-Type", "application/json")
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d", host, res.StatusCode)
		}
	}
}
