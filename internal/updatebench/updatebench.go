// Package updatebench measures how fast one node takes updates in: a local Telegram in a process
// of its own writes to bots, and each message carries the time at which it was sent.
//
// # Usage
//
//	report, err := updatebench.Run(ctx, opts, start)   // in the process of the node
//	err := updatebench.Serve(ctx, os.Stdin, os.Stdout, dir, accounts)   // in that of the simulator
//
// # Concurrency
//
// Run and Serve return when everything that they started has ended.
//
// # Errors
//
// Plain errors that say which step failed; a message that does not come ends the run.
package updatebench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/internal/updatelog"
)

// Options say how much is measured.
type Options struct {
	Accounts int // bots that are written to, in turn
	Updates  int // at full speed
	Rate     int // a second, while the latency is measured
	// Simulator is the command that runs Serve.
	Simulator func(dir string) *exec.Cmd
}

// Node is a running node.
type Node struct {
	URL  string
	Stop func(context.Context) error
}

// Start starts a node against the DCs in a file. Its event log passes wrap.
type Start func(ctx context.Context, dir, dcFile string, wrap func(updatelog.Log) updatelog.Log) (Node, error)

// Report is what was measured. The node's process has the subscriber in it, too, while the
// latency is measured; not while the speed is.
type Report struct {
	Accounts            int     `json:"accounts"`
	Updates             int     `json:"updates"`
	UpdatesPerSecond    float64 `json:"updates_per_second"`
	UpdatesPerCPUSecond float64 `json:"updates_per_cpu_second"`
	Rate                int     `json:"rate"`
	// From the sending of a message by the server to its event's acknowledged append.
	ToLog Latency `json:"to_log_ms"`
	// And to a subscriber of the API over TCP.
	ToSubscriber Latency `json:"to_subscriber_ms"`
}

// Latency is in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

const (
	latencySeconds = 5
	chunk          = 200   // messages that are asked for at once
	window         = 4_000 // messages on their way at full speed
	signIns        = 16    // at a time
	stall          = 30 * time.Second
)

// Run measures.
func Run(ctx context.Context, o Options, start Start) (Report, error) {
	dir, err := os.MkdirTemp("", "orchestrator-bench-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir) // a leftover in the temporary folder harms nobody
	sim, err := startSimulator(ctx, o, dir)
	if err != nil {
		return Report{}, err
	}
	defer sim.stop()
	log := newMeter()
	n, err := start(ctx, filepath.Join(dir, "node"), filepath.Join(dir, dcFile), log.wrap)
	if err != nil {
		return Report{}, err
	}
	report, err := measure(ctx, o, n, sim, log)
	stopped, cancel := context.WithTimeout(context.WithoutCancel(ctx), stall)
	defer cancel()
	return report, errors.Join(err, n.Stop(stopped))
}

func measure(ctx context.Context, o Options, n Node, sim *simulatorProcess, log *meter) (Report, error) {
	r := Report{Accounts: o.Accounts, Updates: o.Updates, Rate: o.Rate}
	if err := signIn(ctx, n.URL, sim.Tokens); err != nil {
		return r, err
	}
	if err := log.follow(ctx, sim, o.Updates/10, 0); err != nil { // warm up
		return r, err
	}
	began, cpu := time.Now(), cpuTime()
	if err := log.follow(ctx, sim, o.Updates, 0); err != nil {
		return r, err
	}
	r.UpdatesPerSecond = float64(o.Updates) / time.Since(began).Seconds()
	r.UpdatesPerCPUSecond = float64(o.Updates) / (cpuTime() - cpu).Seconds()

	subscriber := newMeter()
	reading, end := context.WithCancel(ctx)
	var group errgroup.Group
	ready := make(chan struct{})
	group.Go(func() error { return subscriber.subscribe(reading, n.URL, ready) })
	select {
	case <-ready:
	case <-time.After(stall):
		end()
		return r, errors.Join(errors.New("subscribe: no answer"), group.Wait())
	}
	log.reset()
	many := latencySeconds * o.Rate
	err := log.follow(ctx, sim, many, o.Rate)
	if err == nil {
		err = subscriber.await(ctx, many)
	}
	end()
	if failed := group.Wait(); err == nil && ctx.Err() == nil {
		err = failed
	}
	r.ToLog, r.ToSubscriber = log.latency(), subscriber.latency()
	return r, err
}

// signIn makes an account of each bot.
func signIn(ctx context.Context, url string, tokens []string) error {
	fleet := orchestratorv1connect.NewFleetServiceClient(http.DefaultClient, url)
	auth := orchestratorv1connect.NewAuthServiceClient(http.DefaultClient, url)
	var group errgroup.Group
	group.SetLimit(signIns)
	for i, token := range tokens {
		group.Go(func() error {
			id := fmt.Sprintf("bench-%d", i)
			if _, err := fleet.CreateAccount(ctx, &v1.CreateAccountRequest{Id: id}); err != nil {
				return fmt.Errorf("create account: %w", err)
			}
			if _, err := auth.BotSignIn(ctx, &v1.BotSignInRequest{Account: id, BotToken: token}); err != nil {
				return fmt.Errorf("sign in: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// stampMark stands before the time in a message's text.
const (
	stampMark   = "sent at "
	stampDigits = 19
)

func stamp(now time.Time) string {
	return fmt.Sprintf("%s%0*d", stampMark, stampDigits, now.UnixNano())
}

// stamped finds the time in a message, or in what holds it.
func stamped(b []byte) (time.Time, bool) {
	_, rest, found := bytes.Cut(b, []byte(stampMark))
	if !found || len(rest) < stampDigits {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(string(rest[:stampDigits]), 10, 64)
	return time.Unix(0, n), err == nil
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// percentile of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(len(sorted)-1, int(p*float64(len(sorted))))
	return float64(sorted[i].Microseconds()) / 1000
}

func latencyOf(all []time.Duration) Latency {
	slices.Sort(all)
	return Latency{P50: percentile(all, 0.5), P99: percentile(all, 0.99)}
}

// simulatorProcess is the process that runs Serve.
type simulatorProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
	served
}

func startSimulator(ctx context.Context, o Options, dir string) (*simulatorProcess, error) {
	s := &simulatorProcess{cmd: o.Simulator(dir)}
	s.cmd.Stderr = os.Stderr
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	s.out = json.NewDecoder(bufio.NewReader(out))
	if err := s.out.Decode(&s.served); err != nil {
		s.stop()
		return nil, fmt.Errorf("start simulator: %w", errors.Join(err, ctx.Err()))
	}
	return s, nil
}

// say lets it send n messages, at most rate a second (0: no limit), and returns when it has.
func (s *simulatorProcess) say(n, rate int) error {
	if err := json.NewEncoder(s.in).Encode(order{N: n, Rate: rate}); err != nil {
		return fmt.Errorf("order messages: %w", err)
	}
	var done order
	if err := s.out.Decode(&done); err != nil {
		return fmt.Errorf("order messages: %w", err)
	}
	return nil
}

func (s *simulatorProcess) stop() {
	_ = s.in.Close() // it ends with its standard input
	_ = s.cmd.Wait()
}
