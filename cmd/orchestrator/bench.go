package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/internal/node"
	"github.com/telefleet/orchestrator/internal/updatebench"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

func newBench(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure this program on this machine", Args: exactArgs()}
	cmd.AddCommand(newBenchUpdates(g), newBenchSimulator())
	return cmd
}

func newBenchUpdates(g *globals) *cobra.Command {
	o := updatebench.Options{}
	cmd := &cobra.Command{
		Use:   "updates",
		Short: "Measure how fast a node takes updates in, and how long each one takes",
		Long: `Start a local Telegram in a process of its own and a node in this one, with embedded etcd and
JetStream on disk. Bots get messages: first as fast as the node takes them, then at a rate, while
the time from the sending to the stored event and to a subscriber of the API is taken.

Reported are the updates that the node stored in a second, and for each second of its own CPU.`,
		Example: "  orchestrator bench updates -o json\n  orchestrator bench updates --accounts 500 --rate 2000",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, n := range map[string]int{"accounts": o.Accounts, "updates": o.Updates, "rate": o.Rate} {
				if n < 1 {
					return usageError{fmt.Errorf("--%s: must be at least 1 (got %d)", flag, n), "leave it out for the default"}
				}
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find own binary: %w", err)
			}
			o.Simulator = func(dir string) *exec.Cmd {
				return exec.Command(self, "bench", "simulator", "--dir", dir, "--accounts", strconv.Itoa(o.Accounts))
			}
			r, err := updatebench.Run(cmd.Context(), o, benchNode(cmd))
			if err != nil {
				return fmt.Errorf("bench updates: %w", err)
			}
			b, err := json.Marshal(r)
			if err != nil {
				return err
			}
			if g.output != "table" {
				return g.printJSON(cmd.OutOrStdout(), b)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(),
				"%.0f updates a second, %.0f a second of CPU\nat %d a second: stored after %.1f ms (p99 %.1f), at a subscriber after %.1f ms (p99 %.1f)\n",
				r.UpdatesPerSecond, r.UpdatesPerCPUSecond, r.Rate, r.ToLog.P50, r.ToLog.P99, r.ToSubscriber.P50, r.ToSubscriber.P99)
			return err
		},
	}
	cmd.Flags().IntVar(&o.Accounts, "accounts", 50, "bots that get messages, in turn")
	cmd.Flags().IntVar(&o.Updates, "updates", 50_000, "messages at full speed")
	cmd.Flags().IntVar(&o.Rate, "rate", 500, "messages a second while latency is measured, for five seconds")
	return cmd
}

// newBenchSimulator is the part of bench updates that runs in a process of its own.
func newBenchSimulator() *cobra.Command {
	var dir string
	var accounts int
	cmd := &cobra.Command{
		Use: "simulator", Hidden: true, Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return updatebench.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), dir, accounts)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "where the file of its DCs goes")
	cmd.Flags().IntVar(&accounts, "accounts", 1, "how many bots")
	return cmd
}

// benchNode starts a node as serve does, in a directory of its own.
func benchNode(cmd *cobra.Command) updatebench.Start {
	return func(ctx context.Context, dir, dcFile string, wrap func(updatelog.Log) updatelog.Log) (updatebench.Node, error) {
		list, err := dcs.Load(dcFile)
		if err != nil {
			return updatebench.Node{}, err
		}
		cfg := configs.Default()
		cfg.ClusterID, cfg.DataDir, cfg.API.Listen = "bench", dir, "127.0.0.1:0"
		cfg.Telegram.APIID, cfg.Telegram.APIHash = 1, "bench"
		cfg.Pace.DialsPerSecond, cfg.Pace.DialsPerDCSecond = 1000, 1000
		n, err := node.Start(ctx, cfg, node.Options{
			DCs: list, Log: newLogger(configs.Log{Level: "error"}, cmd.ErrOrStderr()),
			Events: func(log actors.EventLog) actors.EventLog { return wrap(log) },
		})
		if err != nil {
			return updatebench.Node{}, err
		}
		return updatebench.Node{URL: n.URL(), Stop: n.Shutdown}, nil
	}
}
