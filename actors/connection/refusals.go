package connection

import (
	"errors"
	"maps"
	"sync"

	"github.com/telefleet/orchestrator/mtproto"
)

// Refusals counts, for a process, the sessions that ended because a server has refused what we sent
// (bad_msg_notification): by its code. Codes 18, 19, 34 and 35 say that we broke a rule of the
// protocol, so they deserve an alarm. The zero value is ready; all methods may be called by any
// goroutine.
type Refusals struct {
	mu     sync.Mutex
	counts map[int]uint64
}

// Counts are the counts so far by code; codes that never came are missing.
func (r *Refusals) Counts() map[int]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

func (r *Refusals) add(code int) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[int]uint64{}
	}
	r.counts[code]++
	return r.counts[code]
}

// noteRefusal tells of a session that a server's refusal has ended.
func (c *connection) noteRefusal(reason error) {
	var bad *mtproto.BadMsgError
	if errors.As(reason, &bad) {
		n := c.acc.Refusals.add(bad.Code)
		c.acc.Log.Warn("MTProto session ended: the server refuses what was sent", "account", string(c.acc.ID), "dc", c.link.dc,
			"code", bad.Code, "reason", bad.Error(), "times", n)
	}
}
