package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/tally"
)

// get asks a handler over HTTP.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// ours are the lines of a scrape that are values of the fleet.
func ours(body string) (lines []string) {
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "orchestrator_") && !strings.HasSuffix(line, " 0\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return lines
}

func sources() Sources {
	t := &tally.Connections{}
	for range 2 {
		t.Refused.Add(48)
	}
	t.Faults.Add(34)
	t.Rejected.Add("padding")
	t.Dials.Add("ok")
	t.Ended.Add("flood")
	t.Answers.OK()
	t.Answers.Error(420)
	t.Calls.Done(nil)
	return Sources{
		Tally: t, Records: func() uint64 { return 7 }, Sockets: func() int { return 3 },
		States:   func() map[fleet.State]int { return map[fleet.State]int{fleet.StateOnline: 2} },
		DiskFree: func() (uint64, error) { return 1 << 30, nil },
		LogFree:  func(context.Context) (uint64, bool, error) { return 1 << 20, true, nil },
		Lags: func(context.Context) ([]Lag, error) {
			return []Lag{{"consumer", "crm", 12, 1}, {"webhook", "crm", 5, 0}}, nil
		},
		Ready: func() error { return nil },
	}
}

func TestEveryValueIsServed(t *testing.T) {
	server := httptest.NewServer(Handler(sources()))
	defer server.Close()
	status, body := get(t, server.URL+"/metrics")
	want := []string{
		`orchestrator_accounts{state="online"} 2`,
		`orchestrator_calls_total{outcome="ok"} 1`,
		`orchestrator_connections_ended_total{reason="flood"} 1`,
		`orchestrator_consumer_accounts_behind{kind="consumer",name="crm"} 1`,
		`orchestrator_consumer_lag_records{kind="consumer",name="crm"} 12`,
		`orchestrator_consumer_lag_records{kind="webhook",name="crm"} 5`,
		`orchestrator_dials_total{result="ok"} 1`,
		`orchestrator_disk_free_bytes 1.073741824e+09`,
		`orchestrator_event_log_free_bytes 1.048576e+06`,
		`orchestrator_event_records_appended_total 7`,
		`orchestrator_messages_refused_total{code="48"} 2`,
		`orchestrator_packets_rejected_total{rule="padding"} 1`,
		`orchestrator_ready 1`,
		`orchestrator_rpc_answers_total{class="420"} 1`,
		`orchestrator_rpc_answers_total{class="ok"} 1`,
		`orchestrator_session_faults_total{code="34"} 1`,
		`orchestrator_sockets 3`,
	}
	if diff := cmp.Diff(want, ours(body)); diff != "" || status != http.StatusOK {
		t.Errorf("status %d\n%s", status, diff)
	}
	for _, s := range fleet.States() { // a state that nobody is in is told, too: alarms need it
		if !strings.Contains(body, `orchestrator_accounts{state="`+string(s)+`"} `) {
			t.Errorf("state %s is missing", s)
		}
	}
	if !strings.Contains(body, "go_goroutines ") || !strings.Contains(body, "process_resident_memory_bytes ") {
		t.Error("the values of the process are missing")
	}
}

// TestASourceThatFailsIsCounted: its values are missing, not wrong, and the others are there.
func TestASourceThatFailsIsCounted(t *testing.T) {
	s := sources()
	away := errors.New("away")
	s.DiskFree = func() (uint64, error) { return 0, away }
	s.LogFree = func(context.Context) (uint64, bool, error) { return 0, false, nil } // nobody says
	s.Lags = func(context.Context) ([]Lag, error) { return nil, away }
	server := httptest.NewServer(Handler(s))
	defer server.Close()
	_, body := get(t, server.URL+"/metrics")
	for name, served := range map[string]bool{
		"orchestrator_disk_free_bytes ": false, "orchestrator_event_log_free_bytes ": false, "orchestrator_consumer_lag_records{": false,
		"orchestrator_sockets 3": true, `orchestrator_scrape_errors_total{source="disk"} 1`: true,
		`orchestrator_scrape_errors_total{source="consumers"} 1`: true, `orchestrator_scrape_errors_total{source="event_log"} 0`: true,
	} {
		if strings.Contains(body, "\n"+name) != served {
			t.Errorf("%q served: %t, want %t", name, !served, served)
		}
	}
}

func TestHealthAndReadinessAreApart(t *testing.T) {
	s := sources()
	s.Ready = func() error { return errors.New("the lease has ended") }
	server := httptest.NewServer(Handler(s))
	defer server.Close()
	if status, _ := get(t, server.URL+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz of a living process: %d", status)
	}
	if status, body := get(t, server.URL+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "lease") {
		t.Errorf("/readyz without a lease: %d %q", status, body)
	}
	if _, body := get(t, server.URL+"/metrics"); !strings.Contains(body, "\norchestrator_ready 0") {
		t.Error("not being ready is no metric")
	}
}
