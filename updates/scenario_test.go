package updates_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telefleet/orchestrator/updates"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt")

// TestScenarios plays testdata/*.txt: lines at the margin are inputs, the indented lines
// below are the effects that they must have.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(data), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("effects differ (-want +got); -update rewrites the file:\n%s", diff)
			}
		})
	}
}

var epoch = time.Unix(1_700_000_000, 0).UTC()

func play(t *testing.T, script string) string {
	var out strings.Builder
	var m *updates.Machine
	now := epoch
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&out, line)
		words := strings.Fields(line)
		if len(words) == 0 || line[0] == '#' {
			continue
		}
		if d, ok := strings.CutPrefix(words[0], "+"); ok {
			wait, err := time.ParseDuration(d)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			now = now.Add(wait)
			words = words[1:]
		}
		switch words[0] {
		case "new":
			m = newMachine(t, words[1:])
		case "remember":
			m.Remember(words[1])
		case "show":
			state := m.State()
			fmt.Fprintf(&out, "  %v\n", state.Positions())
		default:
			for _, e := range m.Step(now, parseInput(t, words)) {
				fmt.Fprintln(&out, "  "+formatEffect(e))
			}
		}
	}
	return out.String()
}

func newMachine(t *testing.T, words []string) *updates.Machine {
	var state updates.State
	var cfg updates.Config
	limits := map[string]*int{"fills": &cfg.MaxFills, "buffer": &cfg.MaxBuffered, "channels": &cfg.MaxChannels, "seen": &cfg.MaxSeen}
	for _, w := range words {
		name, v := pair(t, w)
		if limit := limits[name]; limit != nil {
			*limit = v
			continue
		}
		box, err := updates.ParseBox(name)
		if err != nil {
			t.Fatal(err)
		}
		state.Apply(updates.Position{Box: box, Value: int64(v)})
	}
	return updates.New(state, cfg)
}

func pair(t *testing.T, w string) (string, int) {
	name, value, ok := strings.Cut(w, "=")
	v, err := strconv.Atoi(value)
	if !ok || err != nil {
		t.Fatalf("%q: want name=number", w)
	}
	return name, v
}

// parts splits words at "|".
func parts(words []string) [][]string {
	out := [][]string{nil}
	for _, w := range words {
		if w == "|" {
			out = append(out, nil)
			continue
		}
		out[len(out)-1] = append(out[len(out)-1], w)
	}
	return out
}

func parseInput(t *testing.T, words []string) updates.Input {
	sections := parts(words[1:])
	numbers, flags := map[string]int{}, map[string]bool{}
	for _, w := range sections[0] {
		if strings.Contains(w, "=") {
			name, v := pair(t, w)
			numbers[name] = v
		} else {
			flags[w] = true
		}
	}
	n := func(name string) int { return numbers[name] }
	state := updates.ServerState{Pts: n("pts"), Qts: n("qts"), Seq: n("seq"), Date: n("date")}
	channel := int64(n("channel"))
	retry := time.Duration(n("retry")) * time.Second
	messages, others := parseUpdates(t, sections[1:])
	switch words[0] {
	case "started":
		return updates.Started{}
	case "received":
		return updates.Received{MsgID: int64(n("msg")), SeqStart: n("start"), Seq: n("seq"), Date: n("date"), Updates: others}
	case "toolong":
		return updates.TooLong{MsgID: int64(n("msg"))}
	case "session":
		return updates.SessionCreated{}
	case "behind":
		return updates.Behind{}
	case "skip":
		return updates.Skip{}
	case "poll":
		return updates.Poll{Channel: channel, For: time.Duration(n("for")) * time.Second}
	case "affected":
		return updates.Affected{Box: others[0].Box, Pts: others[0].Pts, Count: others[0].Count}
	case "state":
		return updates.StateReceived{State: state}
	case "difference":
		return updates.Difference{Outcome: outcome(flags), State: state, Messages: messages, Others: others}
	case "channel-difference":
		return updates.ChannelDifference{Channel: channel, Outcome: outcome(flags), More: flags["more"], Pts: n("pts"), Timeout: time.Duration(n("timeout")) * time.Second, Messages: messages, Others: others}
	case "failed":
		return updates.DifferenceFailed{Kind: failure(flags), RetryAfter: retry}
	case "channel-failed":
		return updates.ChannelDifferenceFailed{Channel: channel, Kind: failure(flags), RetryAfter: retry}
	case "timer":
		return updates.TimerFired{}
	}
	t.Fatalf("unknown input %q", words[0])
	return nil
}

func outcome(flags map[string]bool) updates.Outcome {
	switch {
	case flags["empty"]:
		return updates.OutcomeEmpty
	case flags["slice"]:
		return updates.OutcomeSlice
	case flags["toolong"]:
		return updates.OutcomeTooLong
	}
	return updates.OutcomeFinal
}

func failure(flags map[string]bool) updates.FailureKind {
	switch {
	case flags["invalid"]:
		return updates.FailureInvalid
	case flags["access"]:
		return updates.FailureAccessLost
	case flags["unknown"]:
		return updates.FailureUnknown
	}
	return updates.FailureTemporary
}

// parseUpdates reads sections such as "pts 11/1 new:1", "channel:5 toolong 12",
// "none ~typing" and "messages new:1>edit:1".
func parseUpdates(t *testing.T, sections [][]string) (messages []updates.Event, others []updates.Update) {
	for _, words := range sections {
		if words[0] == "messages" {
			messages = append(messages, parseEvents(words[1:])...)
			continue
		}
		box, err := updates.ParseBox(words[0])
		if err != nil {
			t.Fatal(err)
		}
		u := updates.Update{Box: box}
		words = words[1:]
		if box.Kind != updates.BoxNone && len(words) > 0 {
			if words[0] == "toolong" {
				u.TooLong = true
				words = append(words[1:], "0")
			}
			pts, count, _ := strings.Cut(words[0], "/")
			u.Pts, _ = strconv.Atoi(pts)
			u.Count, _ = strconv.Atoi(count)
			words = words[1:]
			if u.TooLong {
				words = nil
			}
		}
		u.Events = parseEvents(words)
		others = append(others, u)
	}
	return messages, others
}

func parseEvents(words []string) []updates.Event {
	var out []updates.Event
	for _, w := range words {
		id, seen, _ := strings.Cut(w, ">")
		id, live := strings.CutPrefix(id, "~")
		e := updates.Event{ID: id, Live: live}
		if seen != "" {
			e.IfSeen = &updates.Event{ID: seen}
		}
		out = append(out, e)
	}
	return out
}

func formatEffect(e updates.Effect) string {
	switch e := e.(type) {
	case updates.Emit:
		var b strings.Builder
		b.WriteString("emit")
		if e.Live {
			b.WriteString(" live")
		}
		for _, event := range e.Events {
			b.WriteString(" " + event.ID)
		}
		for _, p := range e.Positions {
			b.WriteString(" " + p.String())
		}
		for _, id := range e.MsgIDs {
			fmt.Fprintf(&b, " processed=%d", id)
		}
		return b.String()
	case updates.GetState:
		return "get-state"
	case updates.GetDifference:
		return fmt.Sprintf("get-difference pts=%d qts=%d date=%d", e.Pts, e.Qts, e.Date)
	case updates.GetChannelDifference:
		return fmt.Sprintf("get-channel-difference channel=%d pts=%d limit=%d", e.Channel, e.Pts, e.Limit)
	case updates.SetTimer:
		return "timer +" + e.At.Sub(epoch).String()
	}
	return fmt.Sprintf("%T", e)
}
