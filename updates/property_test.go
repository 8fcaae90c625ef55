package updates_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/updates"
)

const (
	modelChannels = 3
	unknown       = modelChannels // the channel of which the client knows nothing at first
)

// stepper is the machine, or a mutant of it.
type stepper interface {
	Step(time.Time, ...updates.Input) []updates.Effect
	Remember(string)
	CommonPhase() string
	ChannelPhase(id int64) string
}

// record is one record of the durable log.
type record struct {
	event     updates.Event
	positions []updates.Position
}

// world joins a machine, a model server, a bad network and a durable log.
type world struct {
	intn     func(int) int
	make     func(updates.State) stepper
	server   *model
	machine  stepper
	now      time.Time
	timer    time.Time
	way      []updates.Input // pushes on their way
	calls    []updates.Effect
	log      []record
	answered int
	restarts int
	tracing  bool
	trace    []string
	first    int // pts of the unknown channel where it was first told of, ever
	crashAt  int // records until the crash; -1 = none planned
	calm     bool
	took     map[transition]int // transitions of the machine, counted
}

func (w *world) tracef(format string, args ...any) {
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf(format, args...))
	}
}

// start builds a machine from the log alone, as after a crash.
func (w *world) start() {
	state := updates.State{Pts: 1, Qts: 0, Seq: 1, Date: 1000, Channels: map[int64]int{1: 1, 2: 1}}
	for _, r := range w.log {
		for _, p := range r.positions {
			state.Apply(p)
		}
	}
	w.machine = w.make(state)
	for _, r := range w.log {
		w.machine.Remember(r.event.ID)
	}
	w.calls, w.way, w.timer, w.crashAt = nil, nil, time.Time{}, -1
	w.restarts++
	w.tracef("start %v", state)
	w.step(updates.Started{})
}

// losePower takes the last records from the log, which were not synced yet, and starts anew.
func (w *world) losePower(records int) {
	w.first = min(w.first, w.contact(w.log))
	w.log = w.log[:max(0, len(w.log)-records)]
	w.tracef("power loss: %d records", records)
	w.start()
}

// step gives the machine inputs that came together; most come alone.
func (w *world) step(inputs ...updates.Input) {
	for _, in := range inputs {
		w.tracef("%T %+v", in, in)
	}
	before := w.phases()
	effects := w.machine.Step(w.now, inputs...)
	if len(inputs) == 1 {
		w.count(before, inputs[0], effects)
	}
	for _, e := range effects {
		if w.tracing {
			w.tracef("  %s", formatEffect(e))
		}
		switch e := e.(type) {
		case updates.Emit:
			if !w.append(e) {
				w.tracef("crash")
				w.start()
				return
			}
		case updates.SetTimer:
			w.timer = e.At
		default:
			w.calls = append(w.calls, e)
		}
	}
}

// append stores an Emit record by record, the positions with the last one; false = crashed.
func (w *world) append(e updates.Emit) bool {
	var records []record
	for _, event := range e.Events {
		records = append(records, record{event: event})
	}
	if len(e.Positions) > 0 {
		if len(records) == 0 {
			records = []record{{}}
		}
		records[len(records)-1].positions = e.Positions
	}
	for _, r := range records {
		if w.crashAt == 0 {
			return false
		}
		w.crashAt--
		w.log = append(w.log, r)
	}
	return true
}

// act does one random thing.
func (w *world) act() {
	w.now = w.now.Add(time.Duration(w.intn(200)) * time.Millisecond)
	switch choice := w.intn(20); {
	case choice < 8:
		var list []updates.Update
		for range 1 + w.intn(3) {
			list = append(list, w.server.happen(w.server.boxes[w.intn(len(w.server.boxes))]))
		}
		if in := w.server.push(list...); w.intn(5) > 0 { // else dropped
			w.way = append(w.way, in)
		}
	case choice < 14:
		w.deliver()
	case choice < 17:
		w.answer()
	case choice < 18:
		w.fire()
	case choice < 19:
		poll := updates.Poll{Channel: int64(1 + w.intn(modelChannels)), For: time.Duration(w.intn(3)) * time.Second}
		w.step([]updates.Input{updates.TooLong{}, updates.Behind{}, updates.SessionCreated{}, updates.Started{}, poll, updates.Skip{}}[w.intn(6)])
	default:
		w.crashAt = w.intn(4)
	}
}

// deliver hands over pushes, one or a few at once, often not the oldest, sometimes twice.
func (w *world) deliver() {
	var inputs []updates.Input
	for n := max(1, w.intn(6)-2); n > 0 && len(w.way) > 0; n-- {
		i := w.intn(min(3, len(w.way)))
		inputs = append(inputs, w.way[i])
		if w.intn(6) > 0 {
			w.way = slices.Delete(w.way, i, i+1)
		}
	}
	if len(inputs) > 0 {
		w.step(inputs...)
	}
}

func (w *world) answer() {
	if len(w.calls) == 0 {
		return
	}
	i := w.intn(len(w.calls))
	call := w.calls[i]
	w.calls = slices.Delete(w.calls, i, i+1)
	w.answered++
	fail := !w.calm && w.intn(8) == 0
	switch call := call.(type) {
	case updates.GetState:
		if fail {
			w.step(updates.DifferenceFailed{})
			return
		}
		w.step(updates.StateReceived{State: w.server.state()})
	case updates.GetDifference:
		if fail {
			w.step(updates.DifferenceFailed{Kind: updates.FailureKind(w.intn(2)), RetryAfter: time.Duration(w.intn(3)) * time.Second})
			return
		}
		w.step(w.server.difference(call))
	case updates.GetChannelDifference:
		if fail {
			w.step(updates.ChannelDifferenceFailed{Channel: call.Channel, Kind: updates.FailureKind(w.intn(4))})
			return
		}
		w.step(w.server.channelDifference(call))
	}
}

func (w *world) fire() {
	if !w.timer.IsZero() {
		w.now = maxTime(w.now, w.timer)
		w.timer = time.Time{}
		w.step(updates.TimerFired{})
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// settle ends the faults: one more message in each box that is sure to arrive, then all that
// is asked is answered until nothing is left to do.
func (w *world) settle() error {
	w.crashAt, w.calm = -1, true
	w.step(updates.Behind{})
	for _, b := range w.server.boxes {
		w.step(updates.Received{Updates: []updates.Update{w.server.happen(b)}})
	}
	for range 1000 {
		switch {
		case len(w.calls) > 0:
			w.answer()
		case w.timer.Sub(w.now) > 5*time.Minute: // only the silence is left to wait for
			return nil
		default:
			w.fire()
		}
	}
	return fmt.Errorf("the machine does not come to rest")
}

// provoke makes much happen that is not pushed, so that the next difference is cut into slices,
// or too long, in the common box or in a channel.
func (w *world) provoke(box int, much int) {
	b := w.server.boxes[box]
	for range much {
		w.server.happen(b)
	}
	w.server.mustTooLong = much > tooLongAfter
	if b.box.Kind == updates.BoxChannel {
		w.step(updates.Received{Updates: []updates.Update{{Box: b.box, TooLong: true}}})
		return
	}
	w.step(updates.TooLong{})
}

// complete sees to it that each run has had slices, both TooLong forms and a restart.
func (w *world) complete() error {
	w.crashAt, w.calm = -1, true
	s := w.server
	for _, want := range []struct {
		what      string
		had       *int
		box, much int
	}{{"slice", &s.slices, 0, sliceLimit + 2}, {"too long", &s.commonTooLong, 0, tooLongAfter + 2}, {"channel too long", &s.channelTooLong, 2, tooLongAfter + 2}} {
		for tries := 0; *want.had == 0; tries++ {
			if tries%20 == 0 {
				w.provoke(want.box, want.much)
			}
			if tries == 200 {
				return fmt.Errorf("no %s in 200 answers", want.what)
			}
			if len(w.calls) > 0 {
				w.answer()
			} else {
				w.fire()
			}
		}
	}
	s.mustTooLong = false
	if w.restarts < 2 {
		return fmt.Errorf("no restart")
	}
	return nil
}

// run plays one world and checks its log.
func run(intn func(int) int, make func(updates.State) stepper) (*world, error) {
	w := &world{intn: intn, make: make, took: map[transition]int{}}
	return w, w.run()
}

func (w *world) run() error {
	w.server, w.now, w.crashAt, w.first = newModel(w.intn, modelChannels), epoch, -1, 1<<30
	w.start()
	steps := 60 + w.intn(120)
	restart, slice, long, channelLong := w.intn(steps), w.intn(steps), w.intn(steps), w.intn(steps)
	for i := range steps {
		if i == restart {
			w.losePower(restart % 8)
		}
		if i == slice {
			w.provoke(0, sliceLimit+2)
		}
		if i == long {
			w.provoke(0, tooLongAfter+2)
		}
		if i == channelLong {
			w.provoke(2, tooLongAfter+2)
		}
		w.act()
	}
	if err := w.complete(); err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return err
	}
	return w.check()
}

// check is the promise: each numbered update, or a later state of its message, is in the log
// once under one id, in order per box for new messages, or a gap event covers it.
func (w *world) check() error {
	ids := map[string]bool{}
	last := map[updates.Box]int{}
	var gaps []updates.Gap
	first := min(w.first, w.contact(w.log))
	for i, r := range w.log {
		if r.event.ID == "" {
			continue
		}
		if ids[r.event.ID] {
			return fmt.Errorf("%s twice", r.event.ID)
		}
		ids[r.event.ID] = true
		switch p := r.event.Payload.(type) {
		case updates.Gap:
			if p.Box.Kind == updates.BoxDate { // an unknown channel begins anew after it, wherever it is
				p.To = w.contact(w.log[i:])
			}
			gaps = append(gaps, p)
		case fact:
			late := p.box.Channel == unknown // may start anywhere, any number of times
			if p.kind == "new" && p.id < last[p.box] && !late && !reset(gaps, p.box) {
				return fmt.Errorf("%s after message %d", r.event.ID, last[p.box])
			}
			if p.kind == "new" {
				last[p.box] = p.id
			}
		}
	}
	for _, b := range w.server.boxes {
		for i, e := range b.entries {
			if b.box.Channel == unknown && e.pts < first || covered(gaps, b.box, e) {
				continue
			}
			for _, id := range e.ids {
				if !w.arrived(ids, gaps, b, i, id) {
					return fmt.Errorf("%s pts %d: %s of %d is lost", b.box, e.pts, e.kind, id)
				}
			}
		}
	}
	return nil
}

// contact is the pts of the first event of the unknown channel in a part of the log.
func (w *world) contact(log []record) int {
	for _, r := range log {
		f, ok := r.event.Payload.(fact)
		if !ok || f.box.Channel != unknown {
			continue
		}
		for _, e := range w.server.boxes[1+unknown].entries {
			if e.kind == f.kind && e.version == f.version && slices.Contains(e.ids, f.id) {
				return e.pts
			}
		}
	}
	return 1 << 30
}

// reset reports whether the box was given up at some time: it starts anew with any update.
func reset(gaps []updates.Gap, box updates.Box) bool {
	return slices.ContainsFunc(gaps, func(g updates.Gap) bool {
		return g.Box == box && g.Reason != updates.GapTooLong && box.Kind == updates.BoxChannel
	})
}

func covered(gaps []updates.Gap, box updates.Box, e entry) bool {
	return slices.ContainsFunc(gaps, func(g updates.Gap) bool {
		if g.Box.Kind == updates.BoxDate {
			return box.Channel == unknown && e.date >= g.From && e.pts < g.To
		}
		return g.Box == box && e.pts > g.From && (e.pts-e.count < g.To || g.To == 0 || g.Box.Kind == updates.BoxChannel && g.Reason != updates.GapTooLong)
	})
}

// arrived reports whether an entry, or a later state of its message, is in the log or said to
// be lost.
func (w *world) arrived(ids map[string]bool, gaps []updates.Gap, b *modelBox, from, id int) bool {
	for _, e := range b.entries[from:] {
		if slices.Contains(e.ids, id) && (covered(gaps, b.box, e) || ids[b.events(e.kind, []int{id}, e.version)[0].ID]) {
			return true
		}
	}
	e := b.entries[from]
	return slices.ContainsFunc(w.log, func(r record) bool {
		f, ok := r.event.Payload.(fact)
		return ok && f.box == b.box && f.id == id && f.kind != "delete" && e.kind == "edit" && f.version >= e.version
	})
}

func newReal(s updates.State) stepper {
	return updates.New(s, updates.Config{MaxBuffered: 12, MaxFills: 2})
}
