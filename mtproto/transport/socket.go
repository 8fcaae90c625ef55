package transport

import (
	"fmt"
	"net"
	"time"
)

// setSocketOptions prepares a TCP socket; other streams are left alone. Packets leave at once, and there is no
// keep-alive: MTProto has its own ping, which the other side needs anyway.
func setSocketOptions(nc net.Conn, userTimeout time.Duration) error {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := tc.SetNoDelay(true); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if err := tc.SetKeepAlive(false); err != nil {
		return fmt.Errorf("SO_KEEPALIVE: %w", err)
	}
	if userTimeout <= 0 {
		return nil
	}
	return setUserTimeout(tc, userTimeout)
}
