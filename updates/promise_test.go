package updates_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/updates"
)

// TestEachUpdateArrivesOnceInOrder: nothing is lost, doubled or overtaken without being said.
// rapid shrinks what it finds.
func TestEachUpdateArrivesOnceInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{intn: func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "n") }, make: newReal, took: map[transition]int{}, tracing: true}
		if err := w.run(); err != nil {
			rt.Fatalf("%v\n%s", err, strings.Join(w.trace, "\n"))
		}
	})
}

// Runs of the property over fixed seeds: every run has at least five boxes, slices, both TooLong
// forms and a restart.
const (
	shortRuns  = 2_000
	longRuns   = 100_000
	mutantRuns = 2_000
)

func wantedRuns() uint64 {
	if os.Getenv("ORCHESTRATOR_LONG") != "" {
		return longRuns
	}
	return shortRuns
}

func seeded(seed uint64) *world {
	return &world{intn: rand.New(rand.NewPCG(seed, 1)).IntN, make: newReal, took: map[transition]int{}}
}

// TestSeedsHold is the same property over fixed seeds, in parallel: a found mistake keeps its
// seed. The runs together take every transition of the machine: testdata/coverage names them.
func TestSeedsHold(t *testing.T) {
	began, runs := time.Now(), wantedRuns()
	var next atomic.Uint64
	var wg sync.WaitGroup
	var mu sync.Mutex
	took := map[transition]int{}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			mine := map[transition]int{}
			for !t.Failed() {
				seed := next.Add(1) - 1
				if seed >= runs {
					break
				}
				w := seeded(seed)
				w.took = mine
				if err := w.run(); err != nil {
					again := seeded(seed)
					again.tracing = true
					_ = again.run() // the same, with its trace
					t.Errorf("seed %d: %v\n%s", seed, err, strings.Join(again.trace, "\n"))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for k, n := range mine {
				took[k] += n
			}
		})
	}
	wg.Wait()
	t.Logf("%d runs in %s", runs, time.Since(began).Round(time.Millisecond))
	checkTransitions(t, took)
}

// gapless is the machine with a mistake: it takes every new counter for the next one.
type gapless struct{ *updates.Machine }

func (g gapless) Step(now time.Time, inputs ...updates.Input) []updates.Effect {
	changed := make([]updates.Input, 0, len(inputs))
	for _, in := range inputs {
		changed = append(changed, g.close(in))
	}
	return g.Machine.Step(now, changed...)
}

func (g gapless) close(in updates.Input) updates.Input {
	if r, ok := in.(updates.Received); ok {
		state := g.State()
		values := map[updates.Box]int{}
		for _, p := range state.Positions() {
			values[p.Box] = int(p.Value)
		}
		list := slices.Clone(r.Updates)
		for i, u := range list {
			if v, ok := values[u.Box]; ok && !u.TooLong && u.Pts > v {
				list[i].Count = u.Pts - v
				values[u.Box] = u.Pts
			}
		}
		r.Updates = list
		in = r
	}
	return in
}

// forgetful is the machine with another mistake: it does not know what the log holds.
type forgetful struct{ *updates.Machine }

func (forgetful) Remember(string) {}

// hasty says its positions before the events that they cover.
type hasty struct{ *updates.Machine }

func (h hasty) Step(now time.Time, inputs ...updates.Input) []updates.Effect {
	var out []updates.Effect
	for _, e := range h.Machine.Step(now, inputs...) {
		if emit, ok := e.(updates.Emit); ok && len(emit.Positions) > 0 && len(emit.Events) > 0 {
			out = append(out, updates.Emit{Positions: emit.Positions})
			emit.Positions = nil
			e = emit
		}
		out = append(out, e)
	}
	return out
}

// tampered is the machine behind changed inputs or effects.
type tampered struct {
	*updates.Machine
	in  func(updates.Input) updates.Input
	out func(updates.Effect) (updates.Effect, bool)
}

func (m tampered) Step(now time.Time, inputs ...updates.Input) []updates.Effect {
	inputs = slices.Clone(inputs)
	for i, in := range inputs {
		if m.in != nil {
			inputs[i] = m.in(in)
		}
	}
	effects := m.Machine.Step(now, inputs...)
	if m.out == nil {
		return effects
	}
	var kept []updates.Effect
	for _, e := range effects {
		if e, keep := m.out(e); keep {
			kept = append(kept, e)
		}
	}
	return kept
}

// backwards takes the messages of a difference from the end.
func backwards(in updates.Input) updates.Input {
	turn := func(list []updates.Event) []updates.Event {
		list = slices.Clone(list)
		slices.Reverse(list)
		return list
	}
	switch d := in.(type) {
	case updates.Difference:
		d.Messages = turn(d.Messages)
		return d
	case updates.ChannelDifference:
		d.Messages = turn(d.Messages)
		return d
	}
	return in
}

// otherless overlooks what a difference has besides messages.
func otherless(in updates.Input) updates.Input {
	switch d := in.(type) {
	case updates.Difference:
		d.Others = nil
		return d
	case updates.ChannelDifference:
		d.Others = nil
		return d
	}
	return in
}

// deaf does not hear updateChannelTooLong.
func deaf(in updates.Input) updates.Input {
	drop := func(list []updates.Update) []updates.Update {
		return slices.DeleteFunc(slices.Clone(list), func(u updates.Update) bool { return u.TooLong })
	}
	switch d := in.(type) {
	case updates.Difference:
		d.Others = drop(d.Others)
		return d
	case updates.Received:
		d.Updates = drop(d.Updates)
		return d
	}
	return in
}

// secretive tells nobody what was lost.
func secretive(e updates.Effect) (updates.Effect, bool) {
	if emit, ok := e.(updates.Emit); ok {
		emit.Events = slices.DeleteFunc(slices.Clone(emit.Events), func(e updates.Event) bool { return e.Kind == updates.KindGap })
		return emit, true
	}
	return e, true
}

// editless loses what a collapsed difference says of an edit.
func editless(in updates.Input) updates.Input {
	strip := func(list []updates.Event) []updates.Event {
		list = slices.Clone(list)
		for i := range list {
			list[i].IfSeen = nil
		}
		return list
	}
	switch d := in.(type) {
	case updates.Difference:
		d.Messages = strip(d.Messages)
		return d
	case updates.ChannelDifference:
		d.Messages = strip(d.Messages)
		return d
	}
	return in
}

// TestTheCheckerSeesMistakes: the checker of the property above is worth something.
func TestTheCheckerSeesMistakes(t *testing.T) {
	with := func(in func(updates.Input) updates.Input, out func(updates.Effect) (updates.Effect, bool)) func(updates.State) stepper {
		return func(s updates.State) stepper { return tampered{updates.New(s, updates.Config{}), in, out} }
	}
	mutants := map[string]func(updates.State) stepper{
		"ignores gaps":              func(s updates.State) stepper { return gapless{updates.New(s, updates.Config{})} },
		"forgets the log":           func(s updates.State) stepper { return forgetful{updates.New(s, updates.Config{})} },
		"positions before events":   func(s updates.State) stepper { return hasty{updates.New(s, updates.Config{})} },
		"turns a difference around": with(backwards, nil),
		"overlooks other updates":   with(otherless, nil),
		"does not hear of channels": with(deaf, nil),
		"hides gaps":                with(nil, secretive),
		"loses collapsed edits":     with(editless, nil),
	}
	for name, mutant := range mutants {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(mutantRuns) {
				if _, err := run(rand.New(rand.NewPCG(seed, 0)).IntN, mutant); err != nil {
					t.Logf("caught in run %d: %v", seed+1, err)
					return
				}
			}
			t.Fatalf("%d runs of a broken machine passed", mutantRuns)
		})
	}
}
