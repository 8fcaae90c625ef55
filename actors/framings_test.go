package actors

import (
	"fmt"
	"net"
	"testing"

	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/simulator"
)

// TestEveryFramingCarriesAnAccount: over IPv4 and IPv6, sign in with a migration, messages both ways,
// another DC and a cut.
func TestEveryFramingCarriesAnAccount(t *testing.T) {
	t.Parallel()
	for _, framing := range []transport.Framing{transport.Abridged, transport.Intermediate, transport.PaddedIntermediate, transport.Full} {
		for _, obfuscated := range []bool{false, true} {
			if obfuscated && framing == transport.Full {
				continue // there is no such thing
			}
			for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
				t.Run(fmt.Sprintf("%v obfuscated=%v %s", framing, obfuscated, listen), func(t *testing.T) {
					t.Parallel()
					needListener(t, listen)
					r := newRig(t, simulator.Config{Seed: 95, Listen: listen}, func(d *Deps) {
						d.Transport.Framing, d.Transport.Obfuscated = framing, obfuscated
					})
					ann, _ := r.person(t, "ann", 3), r.person(t, "bob", 2)
					r.send(t, "ann", "@user_bob", "there")
					r.send(t, "bob", "@user_ann", "and back")
					if dc, err := nearestOn(t, ann, 1); err != nil || dc != 1 {
						t.Fatalf("on a side connection: DC %d, %v", dc, err)
					}
					r.sim.Server().KillConnections(nil)
					r.send(t, "ann", "@user_bob", "after a cut")
					r.sync(t, "ann")
					r.sync(t, "bob")
					r.verify(t)
				})
			}
		}
	}
}

// needListener leaves a test out where the system has no such address: some have no IPv6.
func needListener(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skip("this system cannot listen there: ", err)
	}
	_ = l.Close()
}
