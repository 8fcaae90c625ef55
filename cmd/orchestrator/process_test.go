package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait. It is far longer than anything takes, so that a slow machine
// under the race detector passes and a hang still fails with its output.
const patience = 60 * time.Second

// raceOptions spare each process the second that the race detector waits before the exit.
const raceOptions = "GORACE=atexit_sleep_ms=0"

// output collects what a process writes and lets a test wait for it.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed and replaced by every write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// find waits for text after the given offset and returns its submatches and where it ends.
func (o *output) find(ctx context.Context, pattern *regexp.Regexp, offset int) ([]string, int, error) {
	for {
		o.mu.Lock()
		text, changed := o.buf.String(), o.changed
		o.mu.Unlock()
		if at := pattern.FindStringSubmatchIndex(text[offset:]); at != nil {
			return pattern.FindStringSubmatch(text[offset:]), offset + at[1], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, offset, ctx.Err()
		}
	}
}

// process is a running program under test.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	stdout  *output
	stderr  *output
	stdin   io.WriteCloser
	ended   chan struct{}
	waitErr error
	readOut int // how much of stdout has been awaited
}

// start runs the program; it is killed at the end of the test if it still runs then.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.Env = append(append(os.Environ(), raceOptions, "TMPDIR="+t.TempDir()), env...)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.waitErr = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		p.checkSound()
		if t.Failed() {
			t.Logf("%s\n--- stdout\n%s\n--- stderr\n%s", strings.Join(args, " "), tail(p.stdout.String()), tail(p.stderr.String()))
		}
	})
	return p
}

// unsound is what no run of the program may leave on stderr.
var unsound = regexp.MustCompile(`DATA RACE|(?m:^panic: )|fatal error: |goroutine \d+ \[|\[PANIC\]|recovered from panic`)

func (p *process) checkSound() {
	p.t.Helper()
	text := p.stderr.String()
	if at := unsound.FindStringIndex(text); at != nil {
		p.t.Errorf("%s: stderr has %q:\n%s", strings.Join(p.cmd.Args[1:], " "), text[at[0]:at[1]], text[at[0]:min(len(text), at[0]+shown)])
	}
}

// shown is how much of a long output a failure shows.
const shown = 4000

// tail is the end of a text.
func tail(s string) string {
	if len(s) > shown {
		return "…" + s[len(s)-shown:]
	}
	return s
}

// line waits for the next output that matches and returns its submatches.
func (p *process) line(pattern string) []string {
	p.t.Helper()
	found, end, err := p.await(p.stdout, pattern, p.readOut)
	if err != nil {
		p.t.Fatalf("%s: no output like %q after %q", strings.Join(p.cmd.Args[1:], " "), pattern, tail(p.stdout.String()[p.readOut:]))
	}
	p.readOut = end
	return found
}

// logged waits for a line of stderr that matches.
func (p *process) logged(pattern string) {
	p.t.Helper()
	if _, _, err := p.await(p.stderr, pattern, 0); err != nil {
		p.t.Fatalf("%s: stderr has nothing like %q:\n%s", strings.Join(p.cmd.Args[1:], " "), pattern, tail(p.stderr.String()))
	}
}

// await waits for output, but no longer than the process lives.
func (p *process) await(o *output, pattern string, offset int) ([]string, int, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	alive, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-p.ended:
			stop()
		case <-alive.Done():
		}
	}()
	re := regexp.MustCompile(pattern)
	found, end, err := o.find(alive, re, offset)
	if err != nil { // it may have said it with its last breath
		done, cancel := context.WithCancel(context.Background())
		cancel()
		return o.find(done, re, offset)
	}
	return found, end, nil
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.ended
}

// exit waits for the end of the process and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-p.ended:
	case <-limit.C:
		p.signal(syscall.SIGQUIT) // shows where it hangs
		<-p.ended
		p.t.Fatalf("%s: still running after %s:\n%s", strings.Join(p.cmd.Args[1:], " "), patience, p.stderr)
	}
	var failed *exec.ExitError
	if p.waitErr != nil && !errors.As(p.waitErr, &failed) {
		p.t.Fatal(p.waitErr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// result is what a finished run of the program amounts to.
type result struct {
	t              *testing.T
	command        string
	stdout, stderr string
	code           int
}

// runCLI runs the program to its end; nothing is on its standard input.
func runCLI(t *testing.T, env []string, args ...string) result {
	t.Helper()
	return runWith(t, env, "", args...)
}

// runWith is runCLI with standard input.
func runWith(t *testing.T, env []string, stdin string, args ...string) result {
	t.Helper()
	p := start(t, env, args...)
	if _, err := io.WriteString(p.stdin, stdin); err != nil && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	p.stdin.Close()
	code := p.exit()
	return result{t, strings.Join(args, " "), p.stdout.String(), p.stderr.String(), code}
}

// ok asserts success and returns what was printed.
func (r result) ok() string {
	r.t.Helper()
	if r.code != exitOK {
		r.t.Fatalf("%s: exit %d\n%s%s", r.command, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// fails asserts the exit code and that stderr is an error and a hint with these words, and
// nothing is on stdout.
func (r result) fails(code int, words ...string) {
	r.t.Helper()
	if r.code != code {
		r.t.Errorf("%s: exit %d, want %d", r.command, r.code, code)
	}
	if !regexp.MustCompile(`(?ms)^orchestrator: error: .+^hint: .+`).MatchString(r.stderr) {
		r.t.Errorf("%s: stderr has no error with a hint:\n%s", r.command, r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			r.t.Errorf("%s: stderr does not say %q:\n%s", r.command, w, r.stderr)
		}
	}
	if r.stdout != "" {
		r.t.Errorf("%s: stdout of a failed command has %q", r.command, r.stdout)
	}
}
