package main

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
)

// demoKeys are what `demo --for -o json` reports, in this order.
var (
	demoKeys  = []string{"accounts", "online", "sent", "received", "lost", "duplicated", "seconds"}
	faultKeys = []string{"cuts", "dropped", "reordered"}
)

// demoObject asserts that stdout is exactly one JSON object of these keys, on one line.
func demoObject(t *testing.T, stdout string, keys []string) map[string]float64 {
	t.Helper()
	if strings.Count(stdout, "\n") != 1 {
		t.Fatalf("stdout is not one line: %q", stdout)
	}
	object := map[string]float64{}
	if err := json.Unmarshal([]byte(stdout), &object); err != nil {
		t.Fatalf("stdout %q: %v", stdout, err)
	}
	at := -1
	for _, k := range keys {
		i := strings.Index(stdout, `"`+k+`":`)
		if i <= at {
			t.Errorf("%s is missing or out of order in %s", k, stdout)
		}
		at = i
	}
	if len(object) != len(keys) {
		t.Errorf("got %s, want the keys %v", stdout, keys)
	}
	return object
}

// checkDemo asserts what the issue promises of a timed demo.
func checkDemo(t *testing.T, args []string, accounts float64, keys []string) map[string]float64 {
	t.Helper()
	r := runCLI(t, nil, append([]string{"demo", "-o", "json"}, args...)...)
	got := demoObject(t, r.ok(), keys)
	if got["accounts"] != accounts || got["online"] != accounts {
		t.Errorf("%v of %v accounts online, want %v", got["online"], got["accounts"], accounts)
	}
	if got["sent"] < accounts*got["seconds"]/4 {
		t.Errorf("only %v messages sent in %v s", got["sent"], got["seconds"])
	}
	if got["received"] != got["sent"] || got["lost"] != 0 || got["duplicated"] != 0 {
		t.Errorf("lost or duplicated: %s", r.stdout)
	}
	t.Logf("%s", r.stdout)
	return got
}

func TestDemoReportsOneObjectAndLosesNothing(t *testing.T) {
	t.Parallel()
	checkDemo(t, []string{"--for", "5s"}, 3, demoKeys)
}

func TestDemoLosesNothingUnderFaults(t *testing.T) {
	t.Parallel()
	// Ten accounts, so that in so short a time each fault is sure to happen.
	got := checkDemo(t, []string{"--for", "8s", "--faults", "--accounts", "10"}, 10, append(demoKeys[:len(demoKeys):len(demoKeys)], faultKeys...))
	for _, k := range faultKeys {
		if got[k] == 0 {
			t.Errorf("%s is 0", k)
		}
	}
}

func TestDemoLongForms(t *testing.T) {
	if !long {
		t.Skip("runs with " + envLong + "=1")
	}
	checkDemo(t, []string{"--for", "20s"}, 3, demoKeys)
	checkDemo(t, []string{"--for", "20s", "--faults"}, 3, append(demoKeys[:len(demoKeys):len(demoKeys)], faultKeys...))
	checkDemo(t, []string{"--for", "20s", "--accounts", "200"}, 200, demoKeys)
}

// An open-ended demo ends well by a signal: it shows what was sent and received.
func TestDemoEndsGracefullyBySignal(t *testing.T) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, "demo")
			p.line(`API on http://127\.0\.0\.1:\d+\n`)
			p.line(`3 accounts online after \S+\n`)
			p.line(`try: orchestrator --server http://127\.0\.0\.1:\d+ account list    \(Ctrl-C ends the demo\)\n`)
			p.line(`\w+ +message_new +#\d+ from @\w+: message \d+ from`)
			p.signal(s)
			if code := p.exit(); code != exitOK {
				t.Errorf("exit %d", code)
			}
			sum := p.line(`(\d+) sent, (\d+) received, 0 lost, 0 duplicated in \d+ s\n$`)
			if sum[1] == "0" || sum[1] != sum[2] {
				t.Errorf("got %q", sum[0])
			}
		})
	}
}

// However often its connections are cut, a demo ends soon by a signal, and nothing is lost:
// no account sits out a long wait then.
func TestDemoUnderFaultsEndsBySignal(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo", "--faults")
	p.line(`message_new +#\d+ from @\w+: message 8 from`)
	p.signal(os.Interrupt)
	if code := p.exit(); code != exitOK {
		t.Errorf("exit %d", code)
	}
	p.line(`[1-9]\d* sent, [1-9]\d* received, 0 lost, 0 duplicated in \d+ s\n$`)
}

// A timed demo that is cut short still reports, and says by its exit code that it was.
func TestTimedDemoReportsWhenInterrupted(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo", "--for", "1h")
	p.line(`message_new +#\d+ from @\w+: message \d+ from`)
	p.signal(os.Interrupt)
	if code := p.exit(); code != exitCanceled {
		t.Errorf("exit %d, want %d", code, exitCanceled)
	}
	p.line(`[1-9]\d* sent, [1-9]\d* received, 0 lost, 0 duplicated in \d+ s\n$`)
	match(t, p.stderr.String(), `(?m)^orchestrator: error: interrupted$`)
}

// Interrupted while it starts, a demo leaves nothing behind.
func TestDemoInterruptedAtItsStartLeavesNothing(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	p := start(t, []string{"TMPDIR=" + tmp}, "demo")
	p.line(`API on `)
	p.signal(os.Interrupt)
	if code := p.exit(); code != exitOK && code != exitCanceled {
		t.Errorf("exit %d", code)
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		t.Errorf("%s is left behind", f.Name())
	}
}
