package actors

import (
	"encoding/binary"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// refuse answers the first packet with a transport error.
func refuse(code int) func(net.Conn) {
	return func(c net.Conn) {
		defer func() { _ = c.Close() }()
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			return
		}
		go swallow(c)
		b := binary.LittleEndian.AppendUint32(nil, 4)
		_, _ = c.Write(binary.LittleEndian.AppendUint32(b, uint32(int32(code))))
		time.Sleep(time.Second) // the client closes first
	}
}

// TestRefusedConnectionsAreNamedAndPaced: transport errors -429 and -444, during the key
// exchange and with a key. A server that refuses us for our many connections is not dialled
// sooner than every ten seconds.
func TestRefusedConnectionsAreNamedAndPaced(t *testing.T) {
	for name, tc := range map[string]struct {
		code   int
		key    bool
		reason string
		paced  bool
	}{
		"-429 with a key":      {-429, true, "TOO_MANY_CONNECTIONS", true},
		"-429 in the exchange": {-429, false, "TOO_MANY_CONNECTIONS", true},
		"-444 with a key":      {-444, true, "WRONG_DC", false},
		"-444 in the exchange": {-444, false, "WRONG_DC", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				d := &pipeDialer{serve: refuse(tc.code)}
				h.deps.Transport.Dial = d.dial
				if tc.key {
					h.sessions.records["a"] = &sessionstore.Record{Account: "a", HomeDC: 2, UserID: 1, Keys: map[int]sessionstore.DCKey{
						2: {Key: sessionstore.AuthKey{1}, CreatedAt: time.Now()},
					}}
				}
				f := start(t, h)
				defer stop(f)
				f.Owned(testGrant("a"))
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				want := fleet.StateBackoff
				if tc.code == -429 {
					want = fleet.StateRateLimited
				}
				if st := h.states.of("a"); st.State != want || st.Reason != tc.reason || st.Remedy == "" {
					t.Errorf("status %+v, want %s %s with a remedy", st, want, tc.reason)
				}
				d.mu.Lock()
				defer d.mu.Unlock()
				for i := 1; tc.paced && i < len(d.dials); i++ {
					if gap := d.dials[i].Sub(d.dials[i-1]); gap < floodRedial {
						t.Errorf("dial %d came %v after the one before, want %v at least", i, gap, floodRedial)
					}
				}
				if len(d.dials) < 10 || d.most != 1 {
					t.Errorf("%d dials, at most %d sockets at a time; want several, one at a time", len(d.dials), d.most)
				}
			})
		})
	}
}
