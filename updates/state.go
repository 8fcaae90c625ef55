package updates

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// State is the durable part: the value of every box. The zero State is "never started".
type State struct {
	Pts, Qts, Seq, Date int
	Channels            map[int64]int
}

// ErrState is returned for bytes that are no marshalled State.
var ErrState = errors.New("malformed update state")

// Known reports whether getDifference can be asked from here.
func (s *State) Known() bool { return s.Date > 0 }

// Apply takes over the position of one record. A channel's position 0 forgets the channel;
// a position that no counter can have is ignored.
func (s *State) Apply(p Position) {
	if p.Value < 0 || p.Value > math.MaxInt32 {
		return
	}
	v := int(p.Value)
	switch p.Box.Kind {
	case BoxPts:
		s.Pts = v
	case BoxQts:
		s.Qts = v
	case BoxSeq:
		s.Seq = v
	case BoxDate:
		s.Date = v
	case BoxChannel:
		s.applyChannel(p.Box.Channel, v)
	}
}

func (s *State) applyChannel(id int64, v int) {
	switch {
	case id <= 0:
	case v == 0:
		delete(s.Channels, id)
	default:
		if s.Channels == nil {
			s.Channels = make(map[int64]int)
		}
		s.Channels[id] = v
	}
}

// Positions lists all boxes of a known state, channels by id; nothing of an unknown one but
// its channels.
func (s *State) Positions() []Position {
	out := make([]Position, 0, 4+len(s.Channels))
	if s.Known() {
		out = append(out,
			Position{Box{Kind: BoxPts}, int64(s.Pts)}, Position{Box{Kind: BoxQts}, int64(s.Qts)},
			Position{Box{Kind: BoxSeq}, int64(s.Seq)}, Position{Box{Kind: BoxDate}, int64(s.Date)})
	}
	for _, id := range slices.Sorted(maps.Keys(s.Channels)) {
		out = append(out, Position{ChannelBox(id), int64(s.Channels[id])})
	}
	return out
}

// Clone is a deep copy.
func (s *State) Clone() State {
	c := *s
	c.Channels = maps.Clone(s.Channels)
	return c
}

const stateVersion = 1

// MarshalBinary is the compact, versioned form: about five bytes a channel.
func (s *State) MarshalBinary() ([]byte, error) {
	out := make([]byte, 0, 24+8*len(s.Channels))
	out = append(out, stateVersion)
	for _, v := range []int{s.Pts, s.Qts, s.Seq, s.Date, len(s.Channels)} {
		if v < 0 || v > math.MaxInt32 {
			return nil, fmt.Errorf("marshal update state: counter out of range (got %d): %w", v, ErrState)
		}
		out = binary.AppendUvarint(out, uint64(v))
	}
	last := int64(0)
	for _, id := range slices.Sorted(maps.Keys(s.Channels)) {
		v := s.Channels[id]
		if id <= 0 || v <= 0 || v > math.MaxInt32 {
			return nil, fmt.Errorf("marshal update state: channel %d out of range (got %d): %w", id, v, ErrState)
		}
		out = binary.AppendUvarint(out, uint64(id-last))
		out = binary.AppendUvarint(out, uint64(v))
		last = id
	}
	return out, nil
}

// UnmarshalBinary reads what MarshalBinary wrote; ErrState for anything else. The receiver is
// left as it was after an error.
func (s *State) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != stateVersion {
		return fmt.Errorf("unmarshal update state: unknown version: %w", ErrState)
	}
	r := varints{data: data[1:]}
	out := State{Pts: r.counter(), Qts: r.counter(), Seq: r.counter(), Date: r.counter()}
	n := r.counter()
	if n > len(r.data)/2 { // a channel takes two bytes at least
		return fmt.Errorf("unmarshal update state: %d channels in %d bytes: %w", n, len(r.data), ErrState)
	}
	if n > 0 {
		out.Channels = make(map[int64]int, n)
	}
	last := uint64(0)
	for range n {
		step, v := r.next(), r.counter()
		if step == 0 || v == 0 || step > math.MaxInt64-last {
			return fmt.Errorf("unmarshal update state: channels out of order: %w", ErrState)
		}
		last += step
		out.Channels[int64(last)] = v
	}
	if r.bad || len(r.data) > 0 {
		return fmt.Errorf("unmarshal update state: cut off or too long: %w", ErrState)
	}
	*s = out
	return nil
}

// varints reads numbers until the first that is malformed.
type varints struct {
	data []byte
	bad  bool
}

func (r *varints) next() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 || n > 1 && r.data[n-1] == 0 { // a longer form than needed is not ours
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *varints) counter() int {
	v := r.next()
	if v > math.MaxInt32 {
		r.bad = true
		return 0
	}
	return int(v)
}
