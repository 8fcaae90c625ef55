//go:build !linux

package transport

import (
	"net"
	"time"
)

// setUserTimeout: only Linux has the option.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
