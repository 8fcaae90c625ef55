// Command bench compares the orchestrator's accounts with gotd's telegram.Client on the same
// local server in the same run. The server and each client are processes of their own, so that
// a client's CPU and memory are its own.
//
// # Usage
//
//	go run ./bench -runs 5 -out bench/latest.json
//	go run ./bench -only rpc_cpu_us_1x64
//
// Every figure is the median of interleaved runs; samples are kept beside it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figure is one measured key: how a child measures it, and which of its numbers it is.
type figure struct {
	key      string
	what     string  // the child's task
	n        int     // accounts, or exchanges
	lower    bool    // lower is better
	budget   float64 // of ours: absolute, or relative to gotd's where relative
	relative bool
}

var figures = []figure{
	{"idle_bytes_per_account", "idle", 1000, true, 12 << 10, false},
	{"idle_goroutines_per_account", "idle", 1000, true, 1, false},
	{"idle_bytes_per_account_obfuscated", "idle_obfuscated", 1000, true, 1, true},
	{"idle_bytes_per_account_at_once", "at_once", 1000, true, 1, true},
	{"idle_bytes_per_account_5000", "idle_5000", 5000, true, 12 << 10, false},
	{"idle_goroutines_per_account_5000", "idle_5000", 5000, true, 1, false},
	{"rpc_cpu_us_1x64", "rpc1x64", 1, true, 0.4, true},
	{"rpc_allocs", "rpc1x64", 1, true, 20, false},
	{"rpc_cpu_us_500x1", "rpc500x1", 500, true, 0.4, true},
	{"send_cpu_us", "sends", 1, true, 0.6, true},
	{"send_per_s", "sends", 1, false, 0.9, true},
	{"channel_bytes", "channels", 20, true, 200, false},
	{"channel_goroutines", "channels", 20, true, 0, false},
	{"account_bytes_0_channels", "channels", 20, true, 1, true},
	{"account_bytes_50_channels", "channels", 20, true, 1, true},
	{"account_bytes_6000_channels", "channels", 20, true, 1, true},
	{"account_goroutines_0_channels", "channels", 20, true, 1, true},
	{"account_goroutines_50_channels", "channels", 20, true, 1, true},
	{"account_goroutines_6000_channels", "channels", 20, true, 1, true},
	{"update_cpu_us", "updates1", 1, true, 0.5, true},
	{"update_cpu_us_500", "updates500", 500, true, 0.5, true},
	{"key_exchange_cpu_ms", "exchange", 8, true, 20, false},
	{"resume_per_s", "at_once", 1000, false, 0.9, true},
	{"upload_cpu_ms_mb", "files", 1, true, 0.8, true},
	{"upload_mb_s", "files", 1, false, 0.9, true},
	{"download_cpu_ms_mb", "files", 1, true, 0.8, true},
	{"download_mb_s", "files", 1, false, 0.9, true},
	{"transfer_peak_mb", "huge", 1, true, 64, false},
}

// result is one figure of both clients.
type result struct {
	Ours        float64   `json:"ours"`
	Gotd        float64   `json:"gotd"`
	Ratio       float64   `json:"ratio"`
	Within      bool      `json:"within_budget"`
	OursSamples []float64 `json:"ours_samples"`
	GotdSamples []float64 `json:"gotd_samples"`
}

// report is what -out holds.
type report struct {
	Commit  string            `json:"commit"`
	Go      string            `json:"go"`
	CPU     string            `json:"cpu"`
	CPUs    int               `json:"cpus"`
	Runs    int               `json:"runs"`
	Date    time.Time         `json:"date"`
	Results map[string]result `json:"results"`
}

func main() {
	role := flag.String("role", "", "internal: the part that a child process plays")
	bots := flag.Int("bots", 0, "internal: accounts of the server")
	runs := flag.Int("runs", 5, "interleaved runs of each figure")
	only := flag.String("only", "", "measure only this key")
	out := flag.String("out", "", "file for the JSON report")
	doc := flag.String("doc", "", "Markdown file whose table of figures is replaced")
	profile := flag.String("profile", "", "directory for ours' profiles: heap of idle tasks, CPU of calls")
	flag.Parse()
	err := dispatch(*role, *bots, plan{*runs, *only, *out, *doc, *profile})
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(1)
	}
}

// plan is what the command line asks for.
type plan struct {
	runs                    int
	only, out, doc, profile string
}

func dispatch(role string, bots int, p plan) error {
	switch role {
	case "":
		return compare(p)
	case "server":
		return serve(bots)
	}
	var t job
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	numbers, err := t.run(role)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", t.What, role, err)
	}
	return json.NewEncoder(os.Stdout).Encode(numbers)
}

func compare(p plan) error {
	var chosen []figure
	for _, f := range figures {
		if p.only == "" || f.key == p.only {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("-only: there is no key %q", p.only)
	}
	bots := 0
	for _, f := range chosen {
		bots = max(bots, f.n+warm)
	}
	server, err := startServer(bots)
	if err != nil {
		return err
	}
	defer server.stop()
	rep := report{Commit: commit(), Go: runtime.Version(), CPU: cpuModel(), CPUs: runtime.NumCPU(), Runs: p.runs, Date: time.Now().UTC(), Results: map[string]result{}}
	done := map[string]map[string][]numbers{}
	for _, f := range chosen {
		if done[f.what] == nil {
			if done[f.what], err = measure(server, f, p); err != nil {
				return err
			}
		}
		rep.Results[f.key] = f.result(done[f.what])
		fmt.Fprintln(os.Stderr, f.line(rep.Results[f.key]))
	}
	b, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	if p.out == "" {
		_, err = fmt.Printf("%s\n", b)
		return err
	}
	if err := os.WriteFile(p.out, append(b, '\n'), 0o644); err != nil || p.doc == "" {
		return err
	}
	return rep.document(p.doc)
}

// measure runs a task in turn for both clients: ours, gotd, ours, gotd, …
func measure(s *serverProcess, f figure, p plan) (map[string][]numbers, error) {
	all := map[string][]numbers{}
	for range p.runs {
		for _, role := range []string{"ours", "gotd"} {
			n := f.n
			if f.what == "exchange" && role == "gotd" {
				n = 2 // each costs it most of a second
			}
			j := job{What: f.what, N: n, Server: s.info}
			if role == "ours" {
				j.Profile = p.profile
			}
			got, err := child(role, j)
			if err != nil {
				return nil, err
			}
			all[role] = append(all[role], got)
		}
	}
	return all, nil
}

func (f figure) result(all map[string][]numbers) result {
	pick := func(role string) []float64 {
		var v []float64
		for _, n := range all[role] {
			v = append(v, n[f.key])
		}
		return v
	}
	r := result{OursSamples: pick("ours"), GotdSamples: pick("gotd")}
	r.Ours, r.Gotd = median(r.OursSamples), median(r.GotdSamples)
	r.Ratio = r.Ours / r.Gotd
	value := r.Ours
	if f.relative {
		value = r.Ratio
	}
	r.Within = value <= f.budget
	if !f.lower {
		r.Within = value >= f.budget
	}
	return r
}

func (f figure) line(r result) string {
	return fmt.Sprintf("%-28s ours %.4g (%s)  gotd %.4g (%s)  ratio %.3f  within budget %t",
		f.key, r.Ours, spread(r.OursSamples), r.Gotd, spread(r.GotdSamples), r.Ratio, r.Within)
}

func spread(v []float64) string { return fmt.Sprintf("%.4g-%.4g", slices.Min(v), slices.Max(v)) }

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s) == 0 {
		return 0
	}
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

func commit() string {
	b, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return runtime.GOARCH
}
