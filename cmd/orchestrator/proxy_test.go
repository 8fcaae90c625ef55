package main

import (
	"strings"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/internal/proxytest"
	"github.com/telefleet/orchestrator/simulator"
)

// TestAProxyFromTheCommandLineToTelegram: a pool is added, tested and used; its secrets are shown by
// nothing; the simulator sees no connection that the proxy did not carry; a pool in use stays.
func TestAProxyFromTheCommandLineToTelegram(t *testing.T) {
	const password = "hunter2-secret"
	proxy, err := proxytest.SOCKS5("fleet", password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	sim, dcFile := startSimulator(t)
	n := newNode(t, dcFile)
	s := n.serve()
	link := "socks5://fleet:" + password + "@" + proxy.Addr()
	for _, args := range [][]string{
		{"proxy", "add", "de", link}, {"proxy", "test", "de"}, {"proxy", "list"}, {"proxy", "get", "de", "-o", "json"},
		{"account", "add", "anna", "--proxy", "pool:de", "--dc", "1", "--pfs", "-o", "json"}, {"account", "add", "own", "--proxy", link, "-o", "yaml"},
	} {
		r := s.cli(args...)
		if r.code != 0 {
			t.Fatalf("%v: exit %d: %s", args, r.code, r.stderr)
		}
		if text := r.stdout + r.stderr; strings.Contains(text, password) {
			t.Errorf("%v shows the password: %s", args, text)
		}
	}
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Anna", Username: "anna"})
	sent, err := s.auth().RequestCode(s.within(), &v1.RequestCodeRequest{Account: "anna", PhoneNumber: "+15550001"})
	if err != nil {
		t.Fatal(err)
	}
	code, _ := sim.LoginCode("+15550001")
	if _, err := s.auth().SignIn(s.within(), &v1.SignInRequest{Account: "anna", Token: sent.GetCode().GetToken(), Code: code}); err != nil {
		t.Fatal(err)
	}
	a := s.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	if !a.GetSpec().GetPfs() || a.GetSpec().GetProxy() != "pool:de" || !strings.Contains(conditions(a), "ProxyHealthy=PROXY_HEALTHY") {
		t.Errorf("proxy %q, %s", a.GetSpec().GetProxy(), conditions(a))
	}
	if r := s.cli("account", "pause", "own"); r.code != 0 { // writes the spec back as it was shown
		t.Fatalf("pause: %s", r.stderr)
	}
	if got := sim.Server().Stats().Accepted; got != proxy.Carried() {
		t.Errorf("the simulator accepted %d connections, the proxy carried %d", got, proxy.Carried())
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"proxy", "delete", "de"}, "1 accounts use the pool de"},
		{[]string{"account", "add", "x", "--proxy", "pool:none"}, "no pool of proxies is called none"},
		{[]string{"account", "add", "x", "--proxy", "ftp://h:1"}, "spec.proxy: link: scheme must be"},
		{[]string{"account", "add", "x", "--app", "none"}, "spec.app: must be one of"},
		{[]string{"account", "add", "x", "--dc", "77"}, "spec.dc: must be 0 or one of [1 2 3]"},
		{[]string{"proxy", "add", "de", link}, "a pool of proxies is called de already"},
	} {
		if r := s.cli(c.args...); r.code == 0 || !strings.Contains(r.stderr, c.want) || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("%v: exit %d: %s; want %q and a hint", c.args, r.code, r.stderr, c.want)
		}
	}
	proxy.Stop()
	if r := s.cli("proxy", "test", "de", "-o", "json"); r.code != 1 || !strings.Contains(r.stdout, "PROXY_UNREACHABLE") || strings.Contains(r.stdout, password) {
		t.Errorf("test of a proxy that is down: exit %d: %s", r.code, r.stdout)
	}
	if got := sim.Server().Stats().Accepted; got != proxy.Carried() {
		t.Errorf("the simulator accepted %d connections, the proxy carried %d", got, proxy.Carried())
	}
	s.terminate()
}
