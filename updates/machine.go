package updates

import "time"

// Config bounds the machine. Zero fields take the defaults.
type Config struct {
	GapWait      time.Duration // how long a missing update may be late (0.5 s)
	Silence      time.Duration // without any update for so long, ask for the difference (15 min)
	RetryMin     time.Duration // first wait after a failed call, doubled each time (1 s)
	RetryMax     time.Duration // (60 s)
	MaxBuffered  int           // updates held behind gaps, all boxes together (1024)
	MaxSeen      int           // event ids remembered (2048)
	MaxChannels  int           // channels tracked (20,000)
	MaxFills     int           // channel differences in flight (3)
	ChannelLimit int           // updates asked per channel difference (100)
}

// Machine is the ordered update stream of one account.
type Machine struct{}

// New takes over state.
func New(state State, cfg Config) *Machine { return &Machine{} }

// Step takes one input and returns what to do, in order. The slice is valid until the next Step.
func (m *Machine) Step(now time.Time, in Input) []Effect { return nil }

// Remember marks an event id of the log as emitted; used in replay, oldest first.
func (m *Machine) Remember(id string) {}

// State is a copy of the machine's own state, which is ahead of the log by the Emits that are
// not appended yet.
func (m *Machine) State() State { return State{} }
