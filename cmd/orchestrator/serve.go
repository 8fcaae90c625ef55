package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/internal/node"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// startTimeout bounds the start of a node; a large event log takes a while to open.
const startTimeout = 2 * time.Minute

func newServe() *cobra.Command {
	var config string
	var accept bool
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run a node",
		Example: "  orchestrator serve --config configs/single.yaml\n  orchestrator serve --config configs/cluster.yaml",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config == "" {
				return usageError{fmt.Errorf("--config is missing"), "for example --config configs/single.yaml"}
			}
			cfg, err := configs.Load(config)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, accept, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration file")
	cmd.Flags().BoolVar(&accept, "accept-restored", false, "take etcd and this machine as they are, after a restore from a backup or a move")
	return cmd
}

func serve(ctx context.Context, cfg configs.Config, accept bool, out, errOut io.Writer) error {
	list, err := dcList(cfg.Telegram)
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, errOut)
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	n, err := node.Start(startCtx, cfg, node.Options{DCs: list, Log: log, AcceptRestored: accept})
	cancel()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "API on %s\n", n.URL())
	if url := n.MetricsURL(); url != "" {
		fmt.Fprintf(out, "metrics on %s/metrics\n", url)
	}
	if name, address := n.Peers(); address != "" {
		fmt.Fprintf(out, "node %s (%s), for other nodes on %s\n", n.ID(), name, address)
	}
	failed := n.Wait(ctx)
	log.Info("shutting down")
	end, cancel := context.WithTimeout(context.Background(), n.Drain()+time.Second)
	defer cancel()
	if err := n.Shutdown(end); err != nil && failed == nil {
		return err
	}
	return failed
}

// dcList is the list of DCs that the configuration names.
func dcList(t configs.Telegram) (dcs.List, error) {
	switch t.Network {
	case "file":
		return dcs.Load(t.DCFile)
	case "test":
		return dcs.Test(), nil
	}
	return dcs.Production(), nil
}

func newLogger(c configs.Log, w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "orchestrator", Level: hclog.LevelFromString(c.Level), JSONFormat: c.JSON, Output: w,
		IndependentLevels: true, // a part may be quieter than the rest
	})
}
