package control

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/loopback"
)

// checkListen says whether the address may be bound: loopback always, others only with TLS and
// tokens.
func checkListen(address string, secure bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fleet.Errorf(fleet.CodeInvalidArgument, "LISTEN_INVALID", "api.listen: must be host:port (got %q)", address).
			WithRemedy("use 127.0.0.1:8420")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fleet.Errorf(fleet.CodeInvalidArgument, "LISTEN_INVALID", "api.listen: port must be 0 to 65535 (got %q)", address).
			WithRemedy("use 127.0.0.1:8420")
	}
	if loopback.Host(host) || secure {
		return nil
	}
	return fleet.Errorf(fleet.CodeFailedPrecondition, "LISTEN_INSECURE",
		"api.listen: is not a loopback address, which needs TLS and tokens (got %q)", address).
		WithRemedy("listen on 127.0.0.1, or set api.tls_cert_file, api.tls_key_file and api.tokens_file")
}

// Listen binds a TCP address; field is the name of the setting that errors blame.
func Listen(ctx context.Context, field, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "LISTEN_OCCUPIED", "%s: the address is in use (got %q)", field, address).
			WithRemedy("stop the process that uses it, or choose another port")
	case errors.Is(err, syscall.EACCES):
		return nil, fleet.Errorf(fleet.CodePermissionDenied, "LISTEN_DENIED", "%s: the address may not be bound (got %q)", field, address).
			WithRemedy("choose a port of 1024 or more")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "LISTEN_INVALID", "%s: the address is none of this machine's (got %q)", field, address).
			WithRemedy("listen on 127.0.0.1 or on an address of this machine")
	}
	return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "LISTEN_FAILED", "%s: %w", field, err)
}
