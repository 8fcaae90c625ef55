package updates_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/updates"
)

// script reads numbers from fuzzed bytes.
type script struct{ data []byte }

func (s *script) next(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	v := int(s.data[0])
	s.data = s.data[1:]
	return v % n
}

// counter is mostly small, sometimes absurd.
func (s *script) counter() int {
	v := s.next(256)
	if v < 250 || len(s.data) < 4 {
		return v % 24
	}
	x := int(int32(binary.LittleEndian.Uint32(s.data)))
	s.data = s.data[4:]
	return x
}

func (s *script) events() []updates.Event {
	var out []updates.Event
	for range s.next(3) {
		e := updates.Event{ID: fmt.Sprint("e", s.next(40)), Live: s.next(8) == 0}
		if s.next(4) == 0 {
			e.IfSeen = &updates.Event{ID: fmt.Sprint("e", s.next(40))}
		}
		out = append(out, e)
	}
	return out
}

func (s *script) updates() []updates.Update {
	var out []updates.Update
	for range s.next(4) {
		out = append(out, updates.Update{
			Box: updates.Box{Kind: updates.BoxKind(s.next(7)), Channel: int64(s.next(6)) - 1},
			Pts: s.counter(), Count: s.counter() % 4, TooLong: s.next(6) == 0, Events: s.events(),
		})
	}
	return out
}

func (s *script) state() updates.ServerState {
	return updates.ServerState{Pts: s.counter(), Qts: s.counter(), Seq: s.counter(), Date: s.counter()}
}

func (s *script) input() updates.Input {
	retry := time.Duration(s.next(4)) * time.Second
	switch s.next(14) {
	case 0:
		return updates.Started{}
	case 1:
		return updates.TooLong{MsgID: int64(s.next(9))}
	case 2:
		return updates.SessionCreated{}
	case 3:
		return updates.Behind{}
	case 4:
		return updates.Affected{Box: updates.Box{Kind: updates.BoxKind(s.next(7)), Channel: 2}, Pts: s.counter(), Count: s.counter()}
	case 5:
		return updates.StateReceived{State: s.state()}
	case 6:
		return updates.Difference{Outcome: updates.Outcome(s.next(6)), State: s.state(), Messages: s.events(), Others: s.updates()}
	case 7:
		return updates.ChannelDifference{Channel: int64(s.next(6)), Outcome: updates.Outcome(s.next(6)), More: s.next(2) == 0,
			Pts: s.counter(), Messages: s.events(), Others: s.updates()}
	case 8:
		return updates.DifferenceFailed{Kind: updates.FailureKind(s.next(4)), RetryAfter: retry}
	case 9:
		return updates.ChannelDifferenceFailed{Channel: int64(s.next(6)), Kind: updates.FailureKind(s.next(4)), RetryAfter: retry}
	case 10:
		return updates.TimerFired{}
	}
	return updates.Received{MsgID: int64(s.next(9)), Date: s.counter(), SeqStart: s.counter(), Seq: s.counter(), Updates: s.updates()}
}

// FuzzStep: whatever the server and the network do, the machine does not panic, never has two
// calls for one box in flight, keeps to its budget, and its positions are those it emitted.
func FuzzStep(f *testing.F) {
	f.Add([]byte("\x00\x06\x03\x05\x05\x05\x05"))
	f.Add([]byte("an update stream as bytes, of no meaning, but long enough to reach some places"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &script{data: data}
		state := updates.State{Pts: s.next(9), Date: s.next(3), Channels: map[int64]int{1: 3}}
		m := updates.New(state.Clone(), updates.Config{MaxBuffered: 4, MaxSeen: 16, MaxChannels: 3, MaxFills: 2})
		now, common, channels := epoch, 0, map[int64]bool{}
		for len(s.data) > 0 {
			now = now.Add(time.Duration(s.next(200)) * 10 * time.Millisecond)
			in := s.input()
			switch in := in.(type) {
			case updates.StateReceived, updates.Difference, updates.DifferenceFailed:
				common = 0
			case updates.ChannelDifference:
				delete(channels, in.Channel)
			case updates.ChannelDifferenceFailed:
				delete(channels, in.Channel)
			}
			for _, e := range m.Step(now, in) {
				switch e := e.(type) {
				case updates.Emit:
					for _, p := range e.Positions {
						state.Apply(p)
					}
				case updates.GetState, updates.GetDifference:
					common++
				case updates.GetChannelDifference:
					channels[e.Channel] = true
				}
			}
			if common > 2 || len(channels) > 2 { // a wrong kind of answer does not end a call
				t.Fatalf("%T: %d common and %d channel calls in flight", in, common, len(channels))
			}
		}
		if got := m.State(); !same(got, state) {
			t.Fatalf("state %v, emitted %v", got, state)
		}
	})
}

// BenchmarkPush is one new message in order.
func BenchmarkPush(b *testing.B) {
	m := updates.New(updates.State{Pts: 1, Date: 1}, updates.Config{})
	m.Step(epoch, updates.Started{})
	m.Step(epoch, updates.Difference{Outcome: updates.OutcomeEmpty})
	ids := make([]string, 4096)
	for i := range ids {
		ids[i] = fmt.Sprint("pts:message_new:", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Step(epoch, updates.Received{Updates: []updates.Update{{
			Box: updates.Box{Kind: updates.BoxPts}, Pts: i + 2, Count: 1, Events: []updates.Event{{ID: ids[i%len(ids)]}},
		}}})
	}
}
