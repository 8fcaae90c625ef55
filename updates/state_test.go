package updates_test

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"reflect"
	"testing"

	"github.com/telefleet/orchestrator/updates"
)

func TestBoxNamesAreStable(t *testing.T) {
	for _, name := range []string{"none", "pts", "qts", "seq", "date", "channel:1", "channel:9223372036854775807"} {
		box, err := updates.ParseBox(name)
		if err != nil || box.String() != name {
			t.Errorf("ParseBox(%q) = %v, %v", name, box, err)
		}
	}
	for _, name := range []string{"", "PTS", "channel:", "channel:0", "channel:-1", "channel:01", "channel:1x", "box(9)"} {
		if box, err := updates.ParseBox(name); err == nil {
			t.Errorf("ParseBox(%q) = %v, want an error", name, box)
		}
	}
}

func TestStateSurvivesItsForms(t *testing.T) {
	states := []updates.State{
		{},
		{Pts: 1, Qts: 2, Seq: 3, Date: 4},
		{Pts: math.MaxInt32, Date: math.MaxInt32, Channels: map[int64]int{1: 1, 77: math.MaxInt32, math.MaxInt64: 5}},
	}
	for _, want := range states {
		data, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got updates.State
		if err := got.UnmarshalBinary(data); err != nil || !same(got, want) {
			t.Errorf("bytes: %v, %v; want %v", got, err, want)
		}
		got = updates.State{}
		for _, p := range want.Positions() {
			got.Apply(p)
		}
		if !same(got, want) {
			t.Errorf("positions: %v, want %v", got, want)
		}
		if clone := want.Clone(); !same(clone, want) {
			t.Errorf("clone: %v, want %v", clone, want)
		}
	}
	bad := updates.State{Pts: -1}
	if _, err := bad.MarshalBinary(); !errors.Is(err, updates.ErrState) {
		t.Errorf("negative pts: %v", err)
	}
}

func same(a, b updates.State) bool {
	return a.Pts == b.Pts && a.Qts == b.Qts && a.Seq == b.Seq && a.Date == b.Date && maps.Equal(a.Channels, b.Channels)
}

func TestPositionsOutOfRangeAreIgnored(t *testing.T) {
	s := updates.State{Pts: 5, Channels: map[int64]int{3: 7}}
	for _, v := range []int64{-1, math.MaxInt32 + 1} {
		s.Apply(updates.Position{Box: updates.Box{Kind: updates.BoxPts}, Value: v})
		s.Apply(updates.Position{Box: updates.ChannelBox(3), Value: v})
	}
	s.Apply(updates.Position{Box: updates.ChannelBox(-3), Value: 1})
	if s.Pts != 5 || !reflect.DeepEqual(s.Channels, map[int64]int{3: 7}) {
		t.Errorf("state = %v", s)
	}
	s.Apply(updates.Position{Box: updates.ChannelBox(3), Value: 0})
	if len(s.Channels) != 0 {
		t.Errorf("channel 3 is not forgotten: %v", s)
	}
}

func FuzzStateUnmarshal(f *testing.F) {
	s := updates.State{Pts: 1, Qts: 2, Seq: 3, Date: 4, Channels: map[int64]int{5: 6, 1 << 40: 7}}
	data, _ := s.MarshalBinary()
	f.Add(data)
	f.Add([]byte{1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x07})
	f.Fuzz(func(t *testing.T, data []byte) {
		var s updates.State
		if err := s.UnmarshalBinary(data); err != nil {
			if !errors.Is(err, updates.ErrState) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := s.MarshalBinary()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x became %x, %v", data, again, err)
		}
	})
}
