// Command picture records the command line at work, against a node and a local Telegram that it
// starts, and draws what the terminal showed as an SVG. Nothing in the picture is written by hand.
//
// # Usage
//
//	go run ./scripts/picture -binary bin/orchestrator -out docs/cli.svg
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// step is one command line of the recording.
type step struct {
	args []string
	// code feeds the login code that the simulator sends while the command runs.
	code bool
}

// session is what is recorded, in order.
var session = []step{
	{args: []string{"account", "add", "support-1", "--label", "team=support"}},
	{args: []string{"login", "support-1", "--phone", "+15550001"}, code: true},
	{args: []string{"wait", "account", "support-1", "--for=condition=Ready"}},
	{args: []string{"send", "support-1", "@boris", "your order is ready", "--request-id", "order-7"}},
	{args: []string{"send", "support-1", "@boris", "your order is ready", "--request-id", "order-7"}},
	{args: []string{"events", "--account", "support-1", "--type", "message_*"}},
	{args: []string{"account", "pause", "-l", "team=support", "--wait"}},
	{args: []string{"account", "get", "support-1"}},
}

const limit = 2 * time.Minute // for all of it

func main() {
	binary := flag.String("binary", "bin/orchestrator", "the program that is shown")
	out := flag.String("out", "docs/cli.svg", "file to draw")
	flag.Parse()
	if err := run(*binary, *out); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(binary, out string) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "orchestrator-picture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	stage := &stage{ctx: ctx, binary: binary, dir: dir}
	defer stage.end()
	shown, err := stage.record()
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(draw(shown)), 0o644)
}

// stage is where the recording takes place.
type stage struct {
	ctx         context.Context
	binary, dir string
	url         string
	simulator   *watched
	running     []*exec.Cmd
}

// watched collects output and lets one wait for a line of it.
type watched struct {
	mu  sync.Mutex
	buf bytes.Buffer
	new chan struct{}
}

func newWatched() *watched { return &watched{new: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.new)
	w.new = make(chan struct{})
	return w.buf.Write(p)
}

func (w *watched) text() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String(), w.new
}

// find waits for a match and returns its first group.
func (w *watched) find(ctx context.Context, pattern string) (string, error) {
	re := regexp.MustCompile(pattern)
	for {
		text, more := w.text()
		if found := re.FindStringSubmatch(text); found != nil {
			return found[1], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", fmt.Errorf("await %s in %q: %w", pattern, text, ctx.Err())
		}
	}
}

func (s *stage) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, s.binary, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "ORCHESTRATOR_API_HASH=any", "ORCHESTRATOR_SERVER="+s.url, "TZ=UTC")
	return cmd
}

// start runs a program beside the recording and waits for a word of it.
func (s *stage) start(ready string, args ...string) (*watched, string, error) {
	out := newWatched()
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	s.running = append(s.running, cmd)
	word, err := out.find(s.ctx, ready)
	return out, word, err
}

func (s *stage) end() {
	for _, cmd := range s.running {
		_ = cmd.Process.Kill() // a throwaway
		_ = cmd.Wait()
	}
}

// record runs the session and gives what the terminal showed.
func (s *stage) record() ([]line, error) {
	var err error
	s.simulator, _, err = s.start(`(DC list) in`, "simulate", "--dc-file", "simulator.json", "--user", "+15550001:anna", "--user", "+15550002:boris")
	if err != nil {
		return nil, err
	}
	config := "telegram: {api_id: 1, network: file, dc_file: simulator.json}\napi: {listen: \"127.0.0.1:0\"}\n"
	if err := os.WriteFile(filepath.Join(s.dir, "local.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	if _, s.url, err = s.start(`API on (http://\S+)`, "serve", "--config", "local.yaml"); err != nil {
		return nil, err
	}
	var shown []line
	for _, step := range session {
		output, err := s.perform(step)
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", strings.Join(step.args, " "), err, output)
		}
		shown = append(shown, line{"orchestrator " + quoted(step.args), true})
		for text := range strings.SplitSeq(strings.TrimRight(output, "\n"), "\n") {
			shown = append(shown, line{strings.TrimRight(text, " "), false})
		}
	}
	return shown, nil
}

// perform runs one command line and gives its output, with what was typed as a terminal echoes it.
func (s *stage) perform(step step) (string, error) {
	out := newWatched()
	cmd := s.command(step.args...)
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if step.code {
		code, err := s.simulator.find(s.ctx, `login code for \d+: (\d+)`)
		if err != nil {
			return "", err
		}
		if _, err := out.find(s.ctx, `(:) $`); err != nil { // the prompt
			return "", err
		}
		_, _ = io.WriteString(out, code) // as the terminal echoes it; the line's end is the command's
		if _, err := io.WriteString(stdin, code+"\n"); err != nil {
			return "", err
		}
	}
	_ = stdin.Close() // it may have ended
	err = cmd.Wait()
	text, _ := out.text()
	return text, err
}

// quoted is a command line as one types it.
func quoted(args []string) string {
	words := make([]string, 0, len(args))
	for _, a := range args {
		if strings.ContainsAny(a, " *!") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// line is one line of the terminal.
type line struct {
	text  string
	typed bool
}

// Measures of the picture, in pixels.
const (
	charWidth10 = 78 // ten characters
	lineHeight  = 18
	margin      = 18
	columns     = 104
)

// draw makes the picture. Each line is stretched to its measure, whatever font the reader has.
func draw(lines []line) string {
	width, height := columns*charWidth10/10+2*margin, len(lines)*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", width, height, width, height)
	b.WriteString("<title>The command line at work</title>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#16191f"/>`+"\n", width, height)
	b.WriteString(`<g font-family="ui-monospace,Menlo,Consolas,monospace" font-size="13" xml:space="preserve">` + "\n")
	for i, l := range lines {
		text, color := l.text, "#c9d1d9"
		if l.typed {
			text, color = "$ "+text, "#7ee787"
		}
		if runes := []rune(text); len(runes) > columns {
			text = string(runes[:columns-1]) + "…"
		}
		if text == "" {
			continue
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s" textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
			margin, margin+13+i*lineHeight, color, float64(len([]rune(text))*charWidth10)/10, html.EscapeString(text))
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}
