package updates

// State is the durable part: the value of every box. The zero State is "never started".
type State struct {
	Pts, Qts, Seq, Date int
	Channels            map[int64]int
}

// Known reports whether getDifference can be asked from here.
func (s *State) Known() bool { return s.Date > 0 }

// Apply takes over the position of one record. A channel's position 0 forgets the channel.
func (s *State) Apply(p Position) {}

// Positions lists all boxes of a known state, channels by id.
func (s *State) Positions() []Position { return nil }

// Clone is a deep copy.
func (s *State) Clone() State { return State{} }

// MarshalBinary is the compact, versioned form.
func (s *State) MarshalBinary() ([]byte, error) { return nil, nil }

// UnmarshalBinary reads what MarshalBinary wrote; ErrState for anything else.
func (s *State) UnmarshalBinary(data []byte) error { return nil }
