package cluster

import (
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// Profile is a consistent set of ownership times.
type Profile struct {
	// Name is default, fast, gentle or single.
	Name string
	// TTL of the node's lease; etcd counts whole seconds.
	TTL time.Duration
	// Margin is taken off the deadline: the longest time between a check and the moment
	// its write has left the machine.
	Margin time.Duration
	// DisconnectDelay is D of ping_delay_disconnect: Telegram closes a home-DC socket that
	// has been silent for so long.
	DisconnectDelay time.Duration
	// PingInterval is how often the ping is sent.
	PingInterval time.Duration
	// Linger is L: how long the next owner waits after an unclean loss, counted from the
	// deletion of the ownership key, before it dials.
	Linger time.Duration
}

// linger gives L = 2D + 5 s: the last ping may have been sent at the deadline, take D to
// arrive at worst before its write is given up, and holds the socket for D more.
func linger(d time.Duration) time.Duration { return 2*d + 5*time.Second }

// ProfileByName returns one of the four profiles; the empty name is default.
//
//	default  TTL 15 s, D 15 s, L 35 s: unclean takeover within 55 s
//	fast     TTL 6 s, D 5 s, L 15 s: unclean takeover within 25 s, three times the pings
//	gentle   TTL 15 s, D 75 s, ping every 60 s, L 155 s
//	single   gentle with L 0: one node; when its process dies, its kernel closes the sockets
func ProfileByName(name string) (Profile, error) {
	p := Profile{Name: name, TTL: 15 * time.Second, Margin: 1500 * time.Millisecond}
	switch name {
	case "", "default":
		p.Name, p.DisconnectDelay, p.PingInterval = "default", 15*time.Second, 5*time.Second
	case "fast":
		p.TTL, p.Margin = 6*time.Second, time.Second
		p.DisconnectDelay, p.PingInterval = 5*time.Second, 5*time.Second/3
	case "gentle", "single":
		p.DisconnectDelay, p.PingInterval = 75*time.Second, 60*time.Second
	default:
		return Profile{}, fleet.Errorf(fleet.CodeInvalidArgument, "PROFILE_UNKNOWN",
			"profile: must be default, fast, gentle or single (got %q)", name)
	}
	if name != "single" {
		p.Linger = linger(p.DisconnectDelay)
	}
	return p, nil
}
