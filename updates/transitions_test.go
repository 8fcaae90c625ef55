package updates_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/telefleet/orchestrator/updates"
)

// transition is one way that a machine took: of which boxes, from which phase to which, and by
// which input. A step that asks again without leaving its phase counts as well.
type transition struct{ boxes, from, to, by string }

// String is a line of testdata/coverage/transitions.
func (t transition) String() string {
	return fmt.Sprintf("%-8s %-9s %-9s %s", t.boxes, t.from, t.to, t.by)
}

const transitionsFile = "testdata/coverage/transitions"

// phases are where the machine stands: the common boxes, then each channel of the model.
func (w *world) phases() [1 + modelChannels]string {
	var p [1 + modelChannels]string
	p[0] = w.machine.CommonPhase()
	for i := range modelChannels {
		p[1+i] = w.machine.ChannelPhase(int64(i + 1))
	}
	return p
}

// count notes which transitions one step took.
func (w *world) count(before [1 + modelChannels]string, in updates.Input, effects []updates.Effect) {
	after, by := w.phases(), inputName(in)
	asked := [1 + modelChannels]bool{}
	for _, e := range effects {
		switch e := e.(type) {
		case updates.GetDifference, updates.GetState:
			asked[0] = true
		case updates.GetChannelDifference:
			asked[e.Channel] = true
		}
	}
	for i := range before {
		if before[i] == after[i] && !asked[i] {
			continue
		}
		boxes := "channel"
		if i == 0 {
			boxes = "common"
		}
		w.took[transition{boxes, before[i], after[i], by}]++
	}
}

var (
	outcomeNames = map[updates.Outcome]string{
		updates.OutcomeEmpty: "empty", updates.OutcomeSlice: "slice", updates.OutcomeFinal: "final", updates.OutcomeTooLong: "too long",
	}
	failureNames = map[updates.FailureKind]string{
		updates.FailureTemporary: "temporary", updates.FailureInvalid: "invalid", updates.FailureAccessLost: "access lost", updates.FailureUnknown: "unknown",
	}
)

func inputName(in updates.Input) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", in), "updates.")
	switch in := in.(type) {
	case updates.Difference:
		name += " " + outcomeNames[in.Outcome]
	case updates.ChannelDifference:
		name += " " + outcomeNames[in.Outcome]
		if in.More {
			name += ", more"
		}
	case updates.DifferenceFailed:
		name += " " + failureNames[in.Kind]
	case updates.ChannelDifferenceFailed:
		name += " " + failureNames[in.Kind]
	}
	return name
}

// checkTransitions holds what was taken against the list: nothing may be missing, and in the
// short form, whose seeds are fixed, nothing may be new.
func checkTransitions(t *testing.T, took map[transition]int) {
	var seen []string
	for k := range maps.Keys(took) {
		seen = append(seen, k.String())
	}
	slices.Sort(seen)
	if *update {
		if err := os.WriteFile(transitionsFile, []byte(strings.Join(seen, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(transitionsFile)
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for _, line := range listed {
		if !slices.Contains(seen, line) {
			t.Errorf("no run took the transition\n%s", line)
		}
	}
	for _, line := range seen {
		if !slices.Contains(listed, line) && wantedRuns() == shortRuns {
			t.Errorf("a transition that nobody listed; if it is right, -update\n%s", line)
		}
	}
}
