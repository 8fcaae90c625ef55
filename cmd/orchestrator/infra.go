package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/configs"
	natsd "github.com/telefleet/orchestrator/eventlog/embedded"
	"github.com/telefleet/orchestrator/internal/loopback"
)

// infraSync is how often the NATS of `infra` syncs to disk.
const infraSync = time.Second

// infra is what `infra` is asked for.
type infra struct {
	data, etcd, nats string
	allowRemote      bool
	level            string
}

func newInfra() *cobra.Command {
	i := &infra{}
	cmd := &cobra.Command{
		Use:   "infra",
		Short: "Run etcd and NATS for a trial cluster",
		Long: `Run what the nodes of a cluster share, etcd and NATS with JetStream, as one process: for
tests and for trials on one or two machines. Neither asks who connects, and each is a single
server: for production run etcd and NATS clusters of your own.`,
		Example: "  orchestrator infra --data infra --etcd-listen 127.0.0.1:2379 --nats-listen 127.0.0.1:4222",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := i.check(); err != nil {
				return err
			}
			return i.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&i.data, "data", "", "directory for the data of both")
	cmd.Flags().StringVar(&i.etcd, "etcd-listen", "127.0.0.1:0", "address of etcd; port 0 takes a free one")
	cmd.Flags().StringVar(&i.nats, "nats-listen", "127.0.0.1:0", "address of NATS; port 0 takes a free one")
	cmd.Flags().BoolVar(&i.allowRemote, "allow-remote", false, "listen on other addresses than loopback ones, where everybody who reaches them can do anything")
	cmd.Flags().StringVar(&i.level, "log-level", "warn", "trace, debug, info, warn or error")
	return cmd
}

func (i *infra) check() error {
	if i.data == "" {
		return usageError{fmt.Errorf("--data is missing"), "name a directory for the data, for example --data infra"}
	}
	for _, l := range []struct{ flag, address string }{{"--etcd-listen", i.etcd}, {"--nats-listen", i.nats}} {
		host, _, err := net.SplitHostPort(l.address)
		if err != nil {
			return usageError{fmt.Errorf("%s: must be host:port (got %q)", l.flag, l.address), "for example " + l.flag + " 127.0.0.1:0"}
		}
		if !loopback.Host(host) && !i.allowRemote {
			return usageError{
				fmt.Errorf("%s: is not a loopback address (got %q)", l.flag, l.address),
				"there is no authentication: add --allow-remote only on a network where you trust everybody",
			}
		}
	}
	return nil
}

func (i *infra) run(ctx context.Context, out, errOut io.Writer) error {
	log := newLogger(configs.Log{Level: i.level}, errOut)
	start, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	etcd, err := embedded.Start(start, embedded.Config{Dir: i.data, Listen: "http://" + i.etcd, Log: log.Named("etcd")})
	if err != nil {
		return err
	}
	defer func() { _ = etcd.Close() }() // the process ends, and everything is synced
	nats, err := natsd.Start(start, natsd.Config{
		Dir: filepath.Join(i.data, "nats"), Name: "infra", Listen: i.nats, SyncInterval: infraSync, Logger: log.Named("nats"),
	})
	if err != nil {
		return err
	}
	defer nats.Shutdown()
	fmt.Fprintf(out, "etcd on http://%s\nNATS on nats://%s\n", etcd.Endpoint(), nats.Addr())
	fmt.Fprintf(out, `For the configuration of each node:
  etcd: {endpoints: ["http://%s"]}
  events: {nats_url: "nats://%s", sync_interval: %s}
`, etcd.Endpoint(), nats.Addr(), infraSync)
	select {
	case <-ctx.Done():
		return nil
	case err := <-etcd.Err():
		return fmt.Errorf("etcd ended: %w", err)
	}
}
