package main

import (
	"encoding/json"
	"testing"
)

// TestBenchUpdatesReportsWhatItMeasured: every message came, and each figure is one.
func TestBenchUpdatesReportsWhatItMeasured(t *testing.T) {
	t.Parallel()
	out := runCLI(t, nil, "bench", "updates", "--accounts", "3", "--updates", "400", "--rate", "50", "-o", "json").ok()
	var r struct {
		Accounts   int                        `json:"accounts"`
		Updates    int                        `json:"updates"`
		Rate       int                        `json:"rate"`
		PerSecond  float64                    `json:"updates_per_second"`
		PerCPU     float64                    `json:"updates_per_cpu_second"`
		Log        struct{ P50, P99 float64 } `json:"to_log_ms"`
		Subscriber struct{ P50, P99 float64 } `json:"to_subscriber_ms"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Accounts != 3 || r.Updates != 400 || r.Rate != 50 || r.PerSecond <= 0 || r.PerCPU <= 0 ||
		r.Log.P50 <= 0 || r.Log.P99 < r.Log.P50 || r.Subscriber.P50 <= 0 || r.Subscriber.P99 < r.Subscriber.P50 {
		t.Errorf("got %s", out)
	}
	runCLI(t, nil, "bench", "updates", "--rate", "0").fails(exitUsage, "--rate")
}
