package mtserver

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Fault is one way in which the server can misbehave once.
type Fault struct {
	kind faultKind
	code int
}

type faultKind uint8

const (
	faultTransport faultKind = iota + 1
	faultBadMsg
	faultBadSalt
	faultForgetSession
	// Faults of the packet that leaves next.
	faultWrongSession
	faultBadMsgKey
	faultPadding
	faultNested
	faultHuge
	faultBomb
	faultTwice
	faultStaleID
	faultFutureID
	// Faults of the key exchange.
	faultDHRetry
	faultDHFail
)

// TransportError answers the next encrypted frame with a transport error, such as
// -404, -429 or -444, and does not look at the frame.
func TransportError(code int) Fault { return Fault{faultTransport, code} }

// BadMsg refuses the next message with bad_msg_notification and this code.
func BadMsg(code int) Fault { return Fault{faultBadMsg, code} }

// BadPadding encrypts the next packet with this many bytes of padding: 8 and 1040 break
// the rule. It must be a multiple of 4.
func BadPadding(n int) Fault { return Fault{faultPadding, n} }

// Faults that need no number.
var (
	// BadSalt refuses the next message with bad_server_salt, though its salt was right.
	BadSalt = Fault{kind: faultBadSalt}
	// ForgetSession makes the server forget the session before the next message, which
	// is then answered by new_session_created.
	ForgetSession = Fault{kind: faultForgetSession}
	// WrongSession sends the next packet under another session id.
	WrongSession = Fault{kind: faultWrongSession}
	// BadMsgKey sends the next packet with a flipped bit in its msg_key.
	BadMsgKey = Fault{kind: faultBadMsgKey}
	// NestedContainer sends the next packet as a container in a container.
	NestedContainer = Fault{kind: faultNested}
	// HugeContainer adds messages to the next packet until it holds 1,025.
	HugeContainer = Fault{kind: faultHuge}
	// GzipBomb sends 64 MiB of zeros, well packed, before the next packet.
	GzipBomb = Fault{kind: faultBomb}
	// SendTwice sends the next packet a second time, with the same msg_ids.
	SendTwice = Fault{kind: faultTwice}
	// StaleMsgID sends a message that is 400 s old before the next packet.
	StaleMsgID = Fault{kind: faultStaleID}
	// FutureMsgID sends a message that is 100 s ahead before the next packet.
	FutureMsgID = Fault{kind: faultFutureID}
	// DHRetry answers the next set_client_DH_params with dh_gen_retry.
	DHRetry = Fault{kind: faultDHRetry}
	// DHFail answers the next set_client_DH_params with dh_gen_fail.
	DHFail = Fault{kind: faultDHFail}
)

// PushFaults are the probabilities that befall each message sent by Server.Push.
type PushFaults struct {
	Drop    float64 // never sent; the server believes that it was received
	Reorder float64 // held until after the next push (300 ms at most)
	Repeat  float64 // sent again in a message of its own
	Delay   float64 // sent later, by up to MaxDelay
	// MaxDelay bounds Delay. Default 500 ms.
	MaxDelay time.Duration
}

// Counters say what Faults has done so far.
type Counters struct {
	Cuts, Dropped, Reordered, Repeated, Delayed int
	BadSalts                                    int // by SetBadSaltEvery
	RPCErrors                                   int
	Injected                                    int // by Inject
}

// RPCHook may refuse a query before the Handler sees it: a code other than 0 is the answer.
type RPCHook func(call *Call) (code int, message string)

// Faults are the switches that make a Server misbehave. All methods are safe for
// concurrent use, also while the server runs. Its choices come from a seed.
type Faults struct {
	mu       sync.Mutex
	rng      *rand.Rand
	push     PushFaults
	saltN    int
	saltSeen int
	cutEvery time.Duration
	lastCut  time.Time
	queued   []injection
	hook     RPCHook
	opened   uint64 // sessions so far
	wedged   uint64 // of these, how many are wedged
	rpc      map[uint32][]rpcError
	count    Counters
}

type injection struct {
	keyID int64
	fault Fault
}

type rpcError struct {
	code    int
	message string
	left    int
}

// NewFaults returns switches that are all off.
func NewFaults(seed uint64) *Faults {
	return &Faults{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), rpc: map[uint32][]rpcError{}}
}

// SetPush sets what befalls pushed messages.
func (f *Faults) SetPush(p PushFaults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.MaxDelay <= 0 {
		p.MaxDelay = 500 * time.Millisecond
	}
	f.push = p
}

// SetBadSaltEvery refuses every nth message with bad_server_salt; 0 ends it.
func (f *Faults) SetBadSaltEvery(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.saltN, f.saltSeen = n, 0
}

// SetCutEvery resets one connection, chosen at random, each d; 0 ends it.
func (f *Faults) SetCutEvery(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutEvery, f.lastCut = d, time.Time{}
}

// Inject does the fault once, at the next opportunity of this key; key 0 means any key.
// Several wait in line.
func (f *Faults) Inject(keyID int64, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queued = append(f.queued, injection{keyID, fault})
}

// Pending returns how many injected faults still wait.
func (f *Faults) Pending() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queued)
}

// WedgeSessions makes every session that exists now deaf and dumb for ever: pings and other
// service messages work, but queries are never answered and pushes are lost. New sessions work.
func (f *Faults) WedgeSessions() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wedged = f.opened
}

// openSession numbers a new session.
func (f *Faults) openSession() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	return f.opened
}

func (f *Faults) isWedged(session uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return session <= f.wedged
}

// RPCError answers the next n queries that have this constructor id with an error.
func (f *Faults) RPCError(constructor uint32, code int, message string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rpc[constructor] = append(f.rpc[constructor], rpcError{code, message, n})
}

// SetRPCHook asks the hook about every query; nil ends it.
func (f *Faults) SetRPCHook(hook RPCHook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Counters returns what was done so far.
func (f *Faults) Counters() Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// take removes and returns the first waiting fault of this key whose kind is in [from, to].
func (f *Faults) take(keyID int64, from, to faultKind) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, q := range f.queued {
		if (q.keyID == 0 || q.keyID == keyID) && q.fault.kind >= from && q.fault.kind <= to {
			f.queued = append(f.queued[:i], f.queued[i+1:]...)
			f.count.Injected++
			return q.fault, true
		}
	}
	return Fault{}, false
}

// refuse says whether a query is to be answered with an error.
func (f *Faults) refuse(call *Call) (code int, message string) {
	f.mu.Lock()
	id := call.Constructor()
	if waiting := f.rpc[id]; len(waiting) > 0 {
		e := &waiting[0]
		code, message = e.code, e.message
		if e.left--; e.left <= 0 {
			f.rpc[id] = waiting[1:]
		}
		f.count.RPCErrors++
		f.mu.Unlock()
		return code, message
	}
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return 0, ""
	}
	if code, message = hook(call); code != 0 {
		f.mu.Lock()
		f.count.RPCErrors++
		f.mu.Unlock()
	}
	return code, message
}

// badSalt says whether this message is the nth.
func (f *Faults) badSalt() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.saltN <= 0 {
		return false
	}
	if f.saltSeen++; f.saltSeen%f.saltN != 0 {
		return false
	}
	f.count.BadSalts++
	return true
}

// fate is what befalls one pushed message.
type fate struct {
	drop, hold, repeat bool
	delay              time.Duration
}

func (f *Faults) pushFate() fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.push
	if p.Drop > 0 && f.rng.Float64() < p.Drop {
		f.count.Dropped++
		return fate{drop: true}
	}
	var t fate
	if p.Repeat > 0 && f.rng.Float64() < p.Repeat {
		f.count.Repeated++
		t.repeat = true
	}
	switch {
	case p.Reorder > 0 && f.rng.Float64() < p.Reorder:
		f.count.Reordered++
		t.hold = true
	case p.Delay > 0 && f.rng.Float64() < p.Delay:
		f.count.Delayed++
		t.delay = time.Duration(f.rng.Int64N(int64(p.MaxDelay))) + 1
	}
	return t
}

// cutDue says whether a connection is to be cut now, and draws which of n.
func (f *Faults) cutDue(now time.Time, n int) (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cutEvery <= 0 || n == 0 {
		return 0, false
	}
	if f.lastCut.IsZero() {
		f.lastCut = now
		return 0, false
	}
	if now.Sub(f.lastCut) < f.cutEvery {
		return 0, false
	}
	f.lastCut = now
	f.count.Cuts++
	return f.rng.IntN(n), true
}

func (f *Faults) cut(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.Cuts += n
}

// chance is true with probability p.
func (f *Faults) chance(p float64) bool {
	if p <= 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Float64() < p
}
