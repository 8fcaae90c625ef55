package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/node"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// demo is one run of everything in one process: simulator, node, accounts that write to each
// other, and a reader of the public API who is held against the simulator's own numbering.
type demo struct {
	g        *globals
	accounts int
	duration time.Duration
	faults   bool
	listen   string
	level    string
	out, err io.Writer

	sim  *simulator.Simulator
	node *node.Node
	api  *client.Client
	cast []*actorOf
}

func newDemo(g *globals) *cobra.Command {
	d := &demo{g: g}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a local Telegram, one node and a few accounts, nothing to install",
		Long: `Start everything in one process: an embedded etcd and JetStream, a local Telegram of three
DCs on real TCP, and one node. Accounts are created and signed in (one by phone and code, one
with a password and another home DC, one bot), write to each other, and their events are shown
as they arrive. Ctrl-C ends it gracefully.

With --for it ends by itself and reports what the simulator owed against what arrived; with
--faults connections are cut and pushes dropped and reordered meanwhile, and still nothing
may be lost. It fails when something was lost or came twice.`,
		Example: "  orchestrator demo\n  orchestrator demo --for 20s -o json\n  orchestrator demo --for 20s --faults",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.out, d.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&d.accounts, "accounts", 3, "how many accounts, 3 to 2000")
	cmd.Flags().DurationVar(&d.duration, "for", 0, "end after this time and report; 0 = until Ctrl-C")
	cmd.Flags().BoolVar(&d.faults, "faults", false, "cut connections, drop and reorder what the server pushes")
	cmd.Flags().StringVar(&d.listen, "listen", "127.0.0.1:0", "address of the API; port 0 takes a free one")
	cmd.Flags().StringVar(&d.level, "log-level", "warn", "trace, debug, info, warn or error")
	return cmd
}

// Times of the demo.
const (
	settleTime   = 20 * time.Second        // how long the last events are waited for
	settleSignal = 1500 * time.Millisecond // the same after Ctrl-C, which must end within 5 s
	shutdownTime = 3 * time.Second
	redialTime   = time.Second // --faults cuts without a pause: longer waits than settleSignal would look like losses
	maxAccounts  = 2000
)

func (d *demo) run(ctx context.Context) error {
	if d.accounts < 3 || d.accounts > maxAccounts {
		return usageError{fmt.Errorf("--accounts: must be 3 to %d (got %d)", maxAccounts, d.accounts), "three show a user, a password and a bot"}
	}
	if d.duration < 0 {
		return usageError{fmt.Errorf("--for: must not be negative (got %s)", d.duration), "for example --for 20s"}
	}
	dir, err := os.MkdirTemp("", "orchestrator-demo-")
	if err != nil {
		return fmt.Errorf("make a data directory: %w", err)
	}
	defer os.RemoveAll(dir) // a leftover in the temporary folder harms nobody
	if err := d.start(ctx, dir); err != nil {
		if stopErr := d.stop(context.WithoutCancel(ctx)); ctx.Err() != nil {
			return errors.Join(context.Canceled, stopErr)
		}
		return err
	}
	report, err := d.play(ctx)
	if stopErr := d.stop(context.WithoutCancel(ctx)); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	return d.show(report)
}

func (d *demo) start(ctx context.Context, dir string) error {
	began := time.Now()
	log := newLogger(configs.Log{Level: d.level}, d.err)
	var err error
	if d.sim, err = simulator.Start(context.WithoutCancel(ctx), simulator.Config{Seed: uint64(began.UnixNano()), Log: log.Named("simulator")}); err != nil {
		return err
	}
	cfg := configs.Default()
	cfg.ClusterID, cfg.DataDir, cfg.API.Listen = "demo", dir, d.listen
	cfg.Telegram.APIID, cfg.Telegram.APIHash = 1, "demo"
	cfg.Pace.DialsPerSecond, cfg.Pace.DialsPerDCSecond = 1000, 1000
	cfg.Events.MinFree = 64 << 20
	if d.node, err = node.Start(ctx, cfg, node.Options{DCs: d.dcs(), Throwaway: true, Redial: backoff.Policy{Base: redialTime}, Log: log}); err != nil {
		return err
	}
	if d.api, err = sdk(&globals{server: d.node.URL()}); err != nil {
		return err
	}
	d.say("API on %s\n", d.node.URL())
	if err := d.signIn(ctx); err != nil {
		return err
	}
	d.say("%d accounts online after %s\n", len(d.cast), time.Since(began).Round(time.Millisecond))
	if d.duration == 0 {
		d.say("try: orchestrator --server %s account list    (Ctrl-C ends the demo)\n", d.node.URL())
	}
	return nil
}

func (d *demo) dcs() dcs.List {
	var list dcs.List
	for _, dc := range d.sim.DCs() {
		list.Options = append(list.Options, dcs.Option{ID: dc.ID, Addr: dc.Addr})
		list.Keys = append(list.Keys, dc.Key)
	}
	return list
}

// setFaults lets the simulator misbehave, or behave again.
func (d *demo) setFaults(on bool) {
	f := d.sim.Faults()
	if !on {
		f.SetPush(mtserver.PushFaults{})
		f.SetCutEvery(0)
		return
	}
	f.SetPush(mtserver.PushFaults{Drop: 0.2, Reorder: 0.2})
	f.SetCutEvery(2 * time.Second)
}

// stop shuts the node down gracefully, then the simulator.
func (d *demo) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	var err error
	if d.api != nil {
		d.api.Close()
	}
	if d.node != nil {
		err = d.node.Shutdown(ctx)
	}
	if d.sim != nil {
		err = errors.Join(err, d.sim.Close())
	}
	return err
}

// say tells a person what happens; a program that wants JSON gets nothing else on stdout.
func (d *demo) say(format string, args ...any) {
	w := d.out
	if d.g.output != "table" {
		w = d.err
	}
	fmt.Fprintf(w, format, args...)
}

// demoReport is what a run amounts to.
type demoReport struct {
	Accounts   int     `json:"accounts"`
	Online     int     `json:"online"`
	Sent       int     `json:"sent"`
	Received   int     `json:"received"`
	Lost       int     `json:"lost"`
	Duplicated int     `json:"duplicated"`
	Seconds    float64 `json:"seconds"`
	Cuts       *int    `json:"cuts,omitempty"`
	Dropped    *int    `json:"dropped,omitempty"`
	Reordered  *int    `json:"reordered,omitempty"`

	timed       bool // it ran for the time that was asked for
	interrupted bool
}

// problem says why a run is not as it must be, or nothing.
func (r demoReport) problem() string {
	zero := func(n *int) bool { return n != nil && *n == 0 }
	switch {
	case r.Online != r.Accounts:
		return fmt.Sprintf("%d of %d accounts online", r.Online, r.Accounts)
	case r.Lost > 0 || r.Duplicated > 0 || r.Received != r.Sent:
		return fmt.Sprintf("%d sent, %d received, %d lost, %d duplicated", r.Sent, r.Received, r.Lost, r.Duplicated)
	case r.timed && float64(r.Sent) < float64(r.Accounts)*r.Seconds/4:
		return fmt.Sprintf("only %d messages sent by %d accounts in %.0f s", r.Sent, r.Accounts, r.Seconds)
	case r.timed && (zero(r.Cuts) || zero(r.Dropped) || zero(r.Reordered)):
		return "some fault did not happen: run it longer"
	}
	return ""
}

func (d *demo) show(r demoReport) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	switch d.g.output {
	case "json": // one line, in the order of the fields
		_, err = fmt.Fprintf(d.out, "%s\n", b)
	case "yaml":
		err = d.g.printJSON(d.out, b)
	default:
		d.say("%d sent, %d received, %d lost, %d duplicated in %.0f s\n", r.Sent, r.Received, r.Lost, r.Duplicated, r.Seconds)
	}
	if err != nil {
		return err
	}
	if p := r.problem(); p != "" {
		return fmt.Errorf("demo: %s", p)
	}
	if r.interrupted && d.duration > 0 {
		return context.Canceled
	}
	return nil
}
