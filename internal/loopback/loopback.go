// Package loopback tells hosts that only this machine reaches.
package loopback

import "net"

// Host reports whether a listener on host is reachable from this machine only. Names other than
// localhost are not trusted: they are resolved elsewhere.
func Host(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
