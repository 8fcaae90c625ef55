package mtserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Numbers of the protocol's documents.
const (
	saltOverlapFactor = 2                 // a salt is accepted for twice its period: its own and the next one
	maxPast           = 300 * time.Second // msg_id older than this: code 16
	maxFuture         = 30 * time.Second  // msg_id further ahead than this: code 17
	maxContainer      = 1024              // messages in a container
	maxIDs            = 8192              // ids in msgs_ack, msgs_state_req, msg_resend_req
	minPadding        = 12
	maxPadding        = 1024
	exchangeMemory    = 10 * time.Minute // an answer of the key exchange is repeated for this long
	maxFutureSalts    = 64
)

// Numbers of ours.
const (
	maxGunzip         = 16 << 20               // a client's gzip_packed may unpack to this much
	rememberedIDs     = 2048                   // client msg_ids remembered per session
	sessionsPerKey    = 64                     // more: the oldest one without a connection is forgotten
	queuedCalls       = 4096                   // more waiting calls in a session: -429
	unackedAnswers    = 4096                   // more answers without an ack: the oldest are forgotten
	queuedFrameBytes  = 64 << 20               // more unwritten bytes on a connection: it is cut
	writeTimeout      = 10 * time.Second       // a client that does not read for so long is cut
	exchangesPerDC    = 8192                   // unfinished and remembered key exchanges
	heldAtMost        = 300 * time.Millisecond // a push held back for the next one
	containerMessages = 100
	containerBytes    = 512 << 10
	lingerTime        = 2 * time.Second // for a client to read a last transport error
)

// Config says how a Server behaves. The zero value is one DC with id 2 on a
// free port of 127.0.0.1, strict rules, crypto/rand and the system clock.
type Config struct {
	DCs    []int  // ids of the DCs; default 2
	Media  []int  // media_only addresses, as negative ids of their DCs, each with a listener of its own
	Listen string // address of every DC's listener; default "127.0.0.1:0"
	// ListenOn makes a DC's listener in place of Listen; dc is negative for a media_only
	// address. Its connections need not be TCP.
	ListenOn func(ctx context.Context, dc int) (net.Listener, error)

	// Rand draws keys, salts and nonces. Default crypto/rand. It need not be
	// safe for concurrent use.
	Rand io.Reader
	// Keys are the RSA keys by DC. A missing one is drawn, once per DC id and
	// process, because drawing takes a while.
	Keys map[int]*rsa.PrivateKey
	// Faults misbehaves on purpose; nil is a well-behaved server.
	Faults *Faults
	Log    hclog.Logger     // default: null logger
	Now    func() time.Time // default time.Now

	// OddAcks accepts acknowledgements that count as content, for clients that send them so. The
	// default is what the protocol's description says: error 34.
	OddAcks bool

	SaltPeriod  time.Duration // life of a server salt; accepted for two periods. Default 30 min
	AckDelay    time.Duration // a query that takes longer is acknowledged. Default 1 s
	ResendAfter time.Duration // an unacknowledged message is sent again. Default 60 s
	// PushQueue bounds the unacknowledged pushes of a session; at the limit
	// they are replaced by one updatesTooLong. Default 1000.
	PushQueue int
	// Pack is the probability that an answer or push leaves in a container of
	// its own, and that a compressible one is gzipped. Default 0.25; negative: never.
	// Messages that wait together always leave together.
	Pack float64
	// Housekeeping is how often the server looks for what is due: acknowledgements, repetitions,
	// delayed pushes, cuts. Default 50 ms; more where hours of fake time pass.
	Housekeeping time.Duration
	// Uninitialised lets a key that never sent initConnection make queries.
	// Strict servers answer CONNECTION_NOT_INITED.
	Uninitialised bool
}

func (c *Config) fill() error {
	if len(c.DCs) == 0 {
		c.DCs = []int{2}
	}
	seen := map[int]bool{}
	for _, id := range c.DCs {
		if id <= 0 || id >= 10000 || seen[id] {
			return fmt.Errorf("dcs: ids must be different and in 1..9999 (got %d)", id)
		}
		seen[id] = true
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.ListenOn == nil {
		addr := c.Listen
		c.ListenOn = func(ctx context.Context, _ int) (net.Listener, error) {
			var lc net.ListenConfig
			return lc.Listen(ctx, "tcp", addr)
		}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	} else {
		c.Rand = &lockedReader{r: c.Rand}
	}
	if c.Faults == nil {
		c.Faults = NewFaults(1)
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	setDefault(&c.SaltPeriod, 30*time.Minute)
	setDefault(&c.AckDelay, time.Second)
	setDefault(&c.ResendAfter, time.Minute)
	setDefault(&c.Housekeeping, 50*time.Millisecond)
	setDefault(&c.PushQueue, 1000)
	setDefault(&c.Pack, 0.25)
	return nil
}

func setDefault[T int | float64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// lockedReader makes a source of entropy safe for concurrent use.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// DCInfo is what a client must know to reach one DC.
type DCInfo struct {
	ID   int
	Addr string // host:port of its listener
	// MediaOnly says that it is an address for files only.
	MediaOnly bool
	Key       *rsa.PublicKey
}

// Handler answers queries. It may also implement SessionObserver.
type Handler interface {
	// RPC handles one query. It may answer later, from another goroutine; the
	// next call of the same session starts when RPC returns. ctx ends when the
	// server closes.
	RPC(ctx context.Context, call *Call)
}

// SessionObserver may be implemented by a Handler that wants to know what
// happens below it. The methods are called without locks held, and must not block.
type SessionObserver interface {
	// SessionOpened reports that a key used a session id that was new to the server.
	SessionOpened(keyID, sessionID int64)
	// ConnectionClosed reports that a connection of this key has ended.
	ConnectionClosed(keyID int64, connID uint64)
	// KeyKilled reports that the referee killed the key (AUTH_KEY_DUPLICATED).
	KeyKilled(keyID int64)
}

// Init holds the fields of initConnection.
type Init struct {
	APIID                                  int
	DeviceModel, SystemVersion, AppVersion string
	SystemLangCode, LangPack, LangCode     string
}

// ConnInfo describes an open connection to a filter.
type ConnInfo struct {
	ID     uint64
	DC     int
	KeyID  int64 // permanent key; 0 before the first encrypted frame
	Remote string
}
