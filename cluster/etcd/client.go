package etcd

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Our choices for the connection to an external etcd.
const (
	// keepAlive finds a connection that is silently cut well within the shortest TTL.
	keepAlive = 2 * time.Second
	// maxDialBackoff lets nodes be back soon after etcd is.
	maxDialBackoff = 2 * time.Second
	// renewalPause paces the client's own retries of a renewal, which know no pause.
	renewalPause = 100 * time.Millisecond
)

// Client reaches etcd.
type Client = clientv3.Client

// DialConfig says how to reach an external etcd.
type DialConfig struct {
	Endpoints []string
	Username  string
	Password  string
	TLS       *tls.Config
	// Options are added to ours.
	Options []grpc.DialOption
}

// Dial makes a client for Join whose timeouts fit ownership. It does not connect yet.
func Dial(cfg DialConfig) (*Client, error) {
	retry := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.5, MaxDelay: maxDialBackoff}
	c, err := clientv3.New(clientv3.Config{
		Endpoints: cfg.Endpoints, Username: cfg.Username, Password: cfg.Password, TLS: cfg.TLS,
		DialTimeout: maxDialBackoff, DialKeepAliveTime: keepAlive, DialKeepAliveTimeout: keepAlive,
		PermitWithoutStream: true,
		Logger:              zap.NewNop(), // it warns of each retry; our callers log what matters
		DialOptions: append([]grpc.DialOption{
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: maxDialBackoff}),
			grpc.WithChainStreamInterceptor(paceRenewals),
		}, cfg.Options...),
	})
	if err != nil {
		return nil, fmt.Errorf("dial etcd: %w", err)
	}
	return c, nil
}

// paceRenewals waits a moment when a renewal's stream cannot be opened: KeepAliveOnce tries
// again at once for as long as the connection is down, which would keep a core busy.
func paceRenewals(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil && strings.HasSuffix(method, "/LeaseKeepAlive") {
		pause(ctx, renewalPause)
	}
	return stream, err
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
