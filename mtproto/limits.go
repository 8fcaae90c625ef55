package mtproto

import "time"

// Limits of ours. Those of the specification are in package wire.
const (
	// MaxBody is the longest query in bytes: other clients keep a packet to 1,044,448 bytes
	// and so do we, headers included.
	MaxBody = 1_044_448 - 64
	// MaxCalls is how many calls may wait for their answers in one engine.
	MaxCalls = 4096

	// maxContainerMessages: other clients put at most 100 messages in a container. Rare
	// messages leave room for queries.
	maxContainerMessages                                      = 100
	maxDropsPerPacket, maxRepeatsPerPacket, maxRepliesWaiting = 32, 32, 16
	// softPacketSize: a packet takes no further query beyond this size, and a query beyond
	// it travels alone, so that small answers do not wait behind large questions.
	softPacketSize = 32 << 10

	// maxWaitingAcks: more than these are acknowledged without waiting for a query.
	maxWaitingAcks = 16
	// ackDelay is how long an acknowledgement waits for a query to travel with. A server
	// repeats after 60 to 120 s.
	ackDelay = 30 * time.Second
	// maxUnprocessed is how many updates may wait for Processed; further ones are dropped
	// unseen, so that the server keeps and repeats them.
	maxUnprocessed = 4096

	// maxInflated bounds one unpacked object, maxInflatedFrame all of one packet.
	maxInflated, maxInflatedFrame = 10 << 20, 32 << 20
	// maxDepth is how often an object may be packed.
	maxDepth = 2

	// windowSize is how many incoming message ids are remembered for duplicates;
	// windowQuiet how many are kept over quiet times (they are what an idle engine costs).
	windowSize, windowQuiet = 1024, 64

	// maxPast and maxFuture bound a server's message id by our synchronised clock
	// (core.telegram.org/mtproto/description: 300 s and 30 s).
	maxPast, maxFuture = 300 * time.Second, 30 * time.Second
	// offsetStep: smaller deviations of the clock are not worth a Persist.
	offsetStep = 3 * time.Second

	// saltDelay: a future salt is used only so long after its beginning, because the
	// server's clock and our idea of it differ.
	saltDelay = 60 * time.Second
	// saltsWanted are asked for at once: some 4 hours.
	saltsWanted = 8
	// saltsAhead: when the last known salt ends sooner than this, more are asked for.
	saltsAhead = 30 * time.Minute
	// saltsRetry: an unanswered question for salts is repeated after this time.
	saltsRetry = time.Minute

	// maxRefusals messages may be refused and sent again in refusalPeriod; then the session
	// is given up.
	maxRefusals, refusalPeriod = 3, 10 * time.Second

	defaultPingInterval, defaultDisconnectDelay = 60 * time.Second, 75 * time.Second
	// maxPongDelay: a socket without a pong for so long is dead (or DisconnectDelay, if
	// that is shorter).
	maxPongDelay = 15 * time.Second
)

// rate counts events in a period.
type rate struct {
	since time.Time
	count int
}

// exceeded counts one event and reports whether there were more than limit in period.
func (r *rate) exceeded(now time.Time, limit int, period time.Duration) bool {
	if now.Sub(r.since) > period || now.Before(r.since) {
		r.since, r.count = now, 0
	}
	r.count++
	return r.count > limit
}
