package updates

import (
	"math"
	"time"
)

// The protocol's numbers (core.telegram.org/api/updates).
const (
	gapWait          = 500 * time.Millisecond
	silence          = 15 * time.Minute
	firstChannelPts  = 1  // of a channel of which nothing is known
	firstChannelAsks = 10 // smallest limit that getChannelDifference takes
	pollMin          = time.Second
)

// Ours.
const (
	retryMin     = time.Second
	retryMax     = time.Minute
	maxBuffered  = 1024   // ~10 full containers; beyond it the difference is cheaper
	maxSeen      = 2048   // twice the events of one common difference
	maxChannels  = 20_000 // a user may join 1,000; bots are in more
	maxFills     = 3
	channelLimit = 100 // the most that the server gives users
	unknownTries = 4   // for an access hash that a difference may bring: 15 s
	queueSlack   = 64  // void entries of the queue beyond twice the channels behind
)

// Config bounds the machine. Zero fields take the defaults.
type Config struct {
	GapWait      time.Duration // how long a missing update may be late (0.5 s)
	Silence      time.Duration // without any update for so long, ask for the difference (15 min)
	RetryMin     time.Duration // first wait after a failed call, doubled each time (1 s)
	RetryMax     time.Duration // (60 s)
	MaxBuffered  int           // updates held back, all boxes together; beyond it: difference (1024)
	MaxSeen      int           // event ids remembered (2048)
	MaxChannels  int           // channels tracked; beyond it the oldest one at rest is forgotten (20,000)
	MaxFills     int           // channel differences in flight (3)
	ChannelLimit int           // updates asked per channel difference (100)
}

func (c *Config) setDefaults() {
	orDuration := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orDuration(&c.GapWait, gapWait)
	orDuration(&c.Silence, silence)
	orDuration(&c.RetryMin, retryMin)
	orDuration(&c.RetryMax, retryMax)
	orInt(&c.MaxBuffered, maxBuffered)
	orInt(&c.MaxSeen, maxSeen)
	orInt(&c.MaxChannels, maxChannels)
	orInt(&c.MaxFills, maxFills)
	orInt(&c.ChannelLimit, channelLimit)
}

// usual is the zero Config with the defaults.
var usual = func() (c Config) {
	c.setDefaults()
	return c
}()

// Machine is the ordered update stream of one account; the package comment draws it.
type Machine struct {
	cfg *Config // that of all machines, but in tests
	now time.Time

	common   common
	channels map[int64]place
	fills    map[int64]*channelFill // the channels that are not at rest
	queue    turns                  // the channels behind that wait for a slot, and void entries
	polls    map[int64]poll
	// strangers are updates of unknown channels that wait for the difference under way.
	strangers []Update
	order     uint64 // grows with each channel heard of
	inFlight  int    // channel differences asked
	held      int    // updates held back in all boxes
	seen      seen
	heard     time.Time // of the server's last word

	together int // inputs of this step: about as many events come of it
	emits    []Emit
	calls    []Effect
	msgIDs   []int64
	wake     time.Time // the earliest due time; a late change leaves it too early, never too late
	armed    time.Time
}

// New takes over state, which the caller may go on using.
func New(state State, cfg Config) *Machine {
	shared := &usual
	if cfg != (Config{}) {
		cfg.setDefaults()
		shared = &cfg
	}
	m := &Machine{cfg: shared, seen: seen{max: shared.MaxSeen}}
	m.common.set(state)
	if len(state.Channels) > 0 {
		m.channels = make(map[int64]place, len(state.Channels))
		for id, pts := range state.Channels {
			m.channels[id] = place{pts: int32(pts)}
		}
	}
	return m
}

// Remember marks an event id of the log as emitted; used in replay, oldest first.
func (m *Machine) Remember(id string) {
	if id != "" {
		m.seen.add(hashID(id))
	}
}

// State is a copy of the machine's own state, which is ahead of the log by the Emits that are
// not appended yet.
func (m *Machine) State() State {
	c := &m.common
	s := State{Pts: c.pts, Qts: c.qts, Seq: c.seq, Date: c.durableDate}
	for id, p := range m.channels {
		s.applyChannel(id, int(p.pts))
	}
	return s
}

// Behind reports whether a state of the server is ahead of the common boxes, as far as they are
// known and no call is on its way that says so anyhow.
func (m *Machine) Behind(s ServerState) bool {
	c := &m.common
	return c.known() && c.flowing() && (s.Pts > c.pts || s.Qts > c.qts)
}

// Step takes inputs, one after the other, and returns what to do after the last of them, in order:
// what arrived together becomes one append. The slice, not what is in it, is valid until the next
// Step.
func (m *Machine) Step(now time.Time, inputs ...Input) []Effect {
	m.now, m.together = now, len(inputs)
	for _, in := range inputs {
		m.take(in)
	}
	m.settle()
	return m.flush()
}

func (m *Machine) take(in Input) {
	switch in := in.(type) {
	case Started:
		m.started()
	case Received:
		m.received(in)
	case TooLong:
		m.acknowledge(in.MsgID)
		m.wantDifference()
	case SessionCreated:
		m.hurry()
	case Behind:
		m.wantDifference()
	case Skip:
		m.common.refuse()
		m.hurry()
	case Affected:
		m.counted(Update{Box: in.Box, Pts: in.Pts, Count: in.Count})
	case StateReceived:
		m.stateReceived(in.State)
	case Difference:
		m.difference(in)
	case ChannelDifference:
		m.channelDifference(in)
	case DifferenceFailed:
		m.differenceFailed(in)
	case ChannelDifferenceFailed:
		m.channelFailed(in)
	case Poll:
		m.poll(in)
	case TimerFired:
		m.timerFired()
	}
}

// received walks the inner updates that have a counter first, then the rest by seq.
func (m *Machine) received(in Received) {
	m.heard = m.now
	p := packet{start: in.SeqStart, seq: in.Seq, date: in.Date, msgID: in.MsgID}
	if !validCounter(p.seq) {
		p.seq = 0
	}
	if p.start <= 0 {
		p.start = p.seq
	}
	for _, u := range in.Updates {
		if u.counts() {
			m.counted(u)
			continue
		}
		p.events = append(p.events, u.Events...)
	}
	m.packet(p)
}

// counts reports whether the update moves a counter of its own.
func (u *Update) counts() bool {
	return u.Box.Kind == BoxPts || u.Box.Kind == BoxQts || u.Box.Kind == BoxChannel
}

// valid reports whether a counter can have these values.
func (u *Update) valid() bool {
	return validCounter(u.Pts) && validCounter(u.Count) && (u.Box.Kind != BoxChannel || u.Box.Channel > 0)
}

func validCounter(v int) bool { return v >= 0 && v <= math.MaxInt32 }

func (s *ServerState) valid() bool {
	return validCounter(s.Pts) && validCounter(s.Qts) && validCounter(s.Seq) && validCounter(s.Date)
}

func (m *Machine) counted(u Update) {
	switch {
	case !u.counts() || !u.valid():
	case u.Box.Kind == BoxChannel:
		m.channelCounted(u)
	default:
		m.commonCounted(u)
	}
}

// settle decides what this step leaves to do: gaps to wait for, calls to make.
func (m *Machine) settle() {
	m.settleCommon()
	m.meet()
	m.askChannels()
	m.releaseDate()
}

func (m *Machine) timerFired() {
	m.armed, m.wake = time.Time{}, time.Time{}
	c := &m.common
	quiet := c.phase == phaseIdle && c.known() && !m.now.Before(m.heard.Add(m.cfg.Silence))
	if quiet || c.due(m.now) {
		m.ask()
	}
	m.channelsDue()
	m.dueAt(c.until)
	if c.phase == phaseIdle && c.known() {
		m.dueAt(m.heard.Add(m.cfg.Silence))
	}
}

// dueAt makes sure that the timer fires at t or before.
func (m *Machine) dueAt(t time.Time) {
	if !t.IsZero() && (m.wake.IsZero() || t.Before(m.wake)) {
		m.wake = t
	}
}
