package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/gotd/td/tg"
	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/configs"
)

func newVersion(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version, the Go release and the Telegram layer",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			version := "devel"
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
				version = info.Main.Version
			}
			if g.output == "table" {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "orchestrator %s (%s, TL layer %d)\n", version, runtime.Version(), tg.Layer)
				return err
			}
			b, err := json.Marshal(map[string]any{"version": version, "go": runtime.Version(), "layer": tg.Layer})
			if err != nil {
				return err
			}
			return g.printJSON(cmd.OutOrStdout(), b)
		},
	}
}

func newCheckConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config FILE",
		Short: "Check a configuration file and report all its problems at once",
		Args:  exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := configs.Load(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok (cluster %s, network %s, API on %s)\n", args[0], cfg.ClusterID, cfg.Telegram.Network, cfg.API.Listen)
			return err
		},
	}
}

// compactJSON removes the random spaces of protojson.
func compactJSON(b []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return string(b)
	}
	return out.String()
}
