package main

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// scrape is what a node's metrics say: values by name and labels.
func scrape(t *testing.T, url string) (values map[string]float64, text string) {
	t.Helper()
	client := http.Client{Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v: %s", url, resp.StatusCode, err, body)
	}
	values = map[string]float64{}
	for line := range strings.Lines(string(body)) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			if values[line[:i]], err = strconv.ParseFloat(strings.TrimSpace(line[i:]), 64); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
	return values, string(body)
}

// TestMetricsOfARunningNode: what happens to accounts is seen by who scrapes the node; and nothing of whose they are.
func TestMetricsOfARunningNode(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	addUser(t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	s := newNode(t, dcFile, `metrics: {listen: "127.0.0.1:0"}`).serve()
	base := s.line(`metrics on (http://127\.0\.0\.1:\d+)/metrics\n`)[1]

	s.signIn(sim, "anna", "+15550001", "")
	s.signIn(sim, "boris", "+15550002", "")
	if r := s.cli("consumer", "add", "crm"); r.code != exitOK {
		t.Fatalf("consumer add: %s", r.stderr)
	}
	sim.Faults().Inject(0, mtserver.BadSalt) // whoever speaks next
	if err := s.send("anna", "@boris", "a text that nobody else should see"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sessions().SyncUpdates(s.within(), &v1.SyncUpdatesRequest{Account: "boris"}); err != nil {
		t.Fatal(err)
	}

	atLeast := map[string]float64{
		`orchestrator_accounts{state="online"}`: 2, `orchestrator_sockets`: 2, `orchestrator_dials_total{result="ok"}`: 2,
		`orchestrator_rpc_answers_total{class="ok"}`: 4, `orchestrator_calls_total{outcome="ok"}`: 4, `orchestrator_event_records_appended_total`: 4,
		`orchestrator_messages_refused_total{code="48"}`: 1, `orchestrator_disk_free_bytes`: 1 << 20, `orchestrator_event_log_free_bytes`: 1 << 20,
		`orchestrator_consumer_lag_records{kind="consumer",name="crm"}`: 1, `orchestrator_ready`: 1, `process_open_fds`: 10,
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	var values map[string]float64
	var text string
	within := s.within()
	for missing := "all"; missing != ""; <-poll.C { // states are told once a second, and a consumer's place takes a moment
		if within.Err() != nil {
			t.Fatalf("missing %s:\n%s", missing, text)
		}
		values, text = scrape(t, base+"/metrics")
		missing = ""
		for name, want := range atLeast {
			if got, ok := values[name]; !ok || got < want {
				missing = name
			}
		}
	}
	if values[`orchestrator_accounts{state="online"}`] != 2 {
		t.Errorf("online: %v", values[`orchestrator_accounts{state="online"}`])
	}
	if leak := regexp.MustCompile(`anna|boris|1555000|a text|auth_key`).FindString(text); leak != "" {
		t.Errorf("the metrics hold %q", leak)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if _, body := scrape(t, base+path); body != "ok\n" {
			t.Errorf("%s: %q", path, body)
		}
	}
	s.cli("account", "pause", "boris")
	s.awaitState("boris", v1.AccountState_ACCOUNT_STATE_PAUSED)
	if values, text = scrape(t, base+"/metrics"); values[`orchestrator_accounts{state="paused"}`] != 1 || values[`orchestrator_accounts{state="online"}`] != 1 {
		t.Errorf("after a pause:\n%s", text)
	}
	s.terminate()
	if resp, err := (&http.Client{Timeout: patience}).Get(base + "/healthz"); err == nil {
		_ = resp.Body.Close() // only whether it is there matters
		t.Error("a stopped node serves metrics")
	}
}
