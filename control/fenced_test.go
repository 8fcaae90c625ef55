package control

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
)

// TestFencedNodeTakesNoCalls: its accounts may have other owners, and what it would ask of etcd is
// not answered. Callers are told at once to go elsewhere, and probes that it does not serve.
func TestFencedNodeTakesNoCalls(t *testing.T) {
	h := newHouse(t)
	var fenced atomic.Bool
	h.cfg.Joined = func() error {
		if fenced.Load() {
			return NodeFenced()
		}
		return nil
	}
	url, _ := h.start()
	users := orchestratorv1connect.NewUserServiceClient(http.DefaultClient, url)
	accounts := orchestratorv1connect.NewFleetServiceClient(http.DefaultClient, url)
	for _, state := range []bool{false, true, false} {
		fenced.Store(state)
		_, me := users.GetMe(t.Context(), &v1.GetMeRequest{Account: "a"})
		_, list := accounts.ListAccounts(t.Context(), &v1.ListAccountsRequest{})
		watch, err := accounts.WatchAccounts(t.Context(), &v1.WatchAccountsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		watch.Receive()
		for what, err := range map[string]error{"get me": me, "list": list, "watch": watch.Err()} {
			var rpc *connect.Error
			refused := errors.As(err, &rpc) && rpc.Code() == connect.CodeUnavailable && fromConnect(rpc).Reason == reasonNodeFenced
			if refused != state {
				t.Errorf("fenced %v: %s: %v", state, what, err)
			}
		}
		_ = watch.Close()
		res, err := http.Post(url+"/"+grpchealth.HealthV1ServiceName+"/Check", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || strings.Contains(string(body), "NOT_SERVING") != state || !strings.Contains(string(body), "SERVING") {
			t.Errorf("fenced %v: health %s, %v", state, body, err)
		}
	}
}
