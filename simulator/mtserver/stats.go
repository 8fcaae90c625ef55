package mtserver

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats are counts since the start, except for the first three.
type Stats struct {
	Connections, Keys, Sessions int // at this moment

	Accepted     int64 // connections
	KeyExchanges int64 // finished
	FramesIn     int64
	FramesOut    int64
	Calls        int64 // queries, duplicates not counted
	Duplicates   int64 // client messages that came again
	Pushes       int64 // by Push, to a session
	Acked        int64 // messages that clients acknowledged
	Resent       int64 // messages sent again because nobody acknowledged them
	Overflowed   int64 // push queues replaced by updatesTooLong
	Refused      int64 // connections closed for a broken packet
	Disconnects  int64 // connections closed by ping_delay_disconnect
	Dropped      int64 // answers that clients gave up by rpc_drop_answer
	StateAsked   int64 // messages whose state clients asked for by msgs_state_req

	BadMsg          map[int]int64 // bad_msg_notification and bad_server_salt, by code
	TransportErrors map[int]int64 // by code
}

type counters struct {
	accepted, exchanges, framesIn, framesOut, calls, duplicates, pushes atomic.Int64
	acked, resent, overflowed, refused, disconnects                     atomic.Int64
	dropped, stateAsked                                                 atomic.Int64

	mu        sync.Mutex
	bad       map[int]int64
	transport map[int]int64
}

func (c *counters) badMsg(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad == nil {
		c.bad = map[int]int64{}
	}
	c.bad[code]++
}

func (c *counters) transportError(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport == nil {
		c.transport = map[int]int64{}
	}
	c.transport[code]++
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Accepted: c.accepted.Load(), KeyExchanges: c.exchanges.Load(), FramesIn: c.framesIn.Load(),
		FramesOut: c.framesOut.Load(), Calls: c.calls.Load(), Duplicates: c.duplicates.Load(),
		Pushes: c.pushes.Load(), Acked: c.acked.Load(), Resent: c.resent.Load(),
		Overflowed: c.overflowed.Load(), Refused: c.refused.Load(), Disconnects: c.disconnects.Load(),
		Dropped: c.dropped.Load(), StateAsked: c.stateAsked.Load(),
		BadMsg: maps.Clone(c.bad), TransportErrors: maps.Clone(c.transport),
	}
}
