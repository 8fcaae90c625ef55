package methodtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/telefleet/orchestrator/client"
)

func TestMethod15_StreamUpdates(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	const n = 60
	last := func(e *client.Event) bool { return e.GetMessageNew().GetText() == fmt.Sprint("message ", n-1) }
	first, second := anna.expect(t, last), anna.expect(t, last) // many subscribers
	var want []string
	for i := range n {
		text := fmt.Sprint("message ", i)
		want = append(want, text)
		must(sim.World().Say(boris.UserID, anna.UserID, text))(t)
	}
	if a, b := first(), second(); a.GetId() != b.GetId() || a.GetCursor() == "" {
		t.Errorf("two subscribers heard %v and %v", a, b)
	}
	if got := heardBy(t, anna); !slices.Equal(got, want) {
		t.Errorf("the log has %q", got)
	}
	// It goes on behind any event.
	var cursor string
	for e, err := range anna.Events(deadline(t), client.EventOptions{From: client.Begin, UntilNow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.GetMessageNew().GetText() == want[n/2] {
			cursor = e.GetCursor()
		}
	}
	if got := heardFrom(t, anna, cursor); !slices.Equal(got, want[n/2+1:]) {
		t.Errorf("behind the %dth message come %q", n/2, got)
	}
	for e, err := range anna.Events(deadline(t), client.EventOptions{From: cursor, UntilNow: true, Raw: true}) {
		if err != nil || e.GetMessageNew() != nil && (len(e.GetTl()) == 0 || e.GetJson() == "") {
			t.Fatalf("%v, %v: no payload", e, err)
		}
	}
}

func TestMethod37_IterMessages(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	want := conversation(t, anna, boris, 230)
	var got []string
	for m, err := range anna.History(deadline(t), boris.Ref(), client.HistoryOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.GetText())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d messages, want %d, newest first, each once", len(got), len(want))
	}
	got = nil
	for m := range anna.History(deadline(t), boris.Ref(), client.HistoryOptions{Limit: 7, PageSize: 3}) {
		got = append(got, m.GetText())
	}
	if !slices.Equal(got, want[:7]) {
		t.Errorf("the newest 7 are %q", got)
	}
}

func TestMethod38_GetMessages(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	want := conversation(t, anna, boris, 230)
	page := must(anna.HistoryPage(deadline(t), boris.Ref(), 0, 150))(t)
	if len(page.Messages) != 150 || page.Total != 230 {
		t.Fatalf("%d of %d messages", len(page.Messages), page.Total)
	}
	rest := must(anna.HistoryPage(deadline(t), boris.Ref(), page.Messages[149].GetId(), 150))(t)
	var got []string
	for _, m := range slices.Concat(page.Messages, rest.Messages) {
		got = append(got, m.GetText())
	}
	if !slices.Equal(got, want) {
		t.Errorf("two pages have %d messages", len(got))
	}
	if out, err := cli(t, "history", anna.ID(), boris.Ref(), "--limit", "2"); err != nil || !contains(out, want[0], want[1]) || contains(out, want[2]) {
		t.Errorf("%v: %s", err, out)
	}
}

// conversation lets boris write n messages to anna, and gives their texts, newest first.
func conversation(t *testing.T, anna, boris *person, n int) (texts []string) {
	t.Helper()
	for i := range n {
		text := fmt.Sprint("message ", i)
		must(sim.World().Say(boris.UserID, anna.UserID, text))(t)
		texts = append(texts, text)
	}
	slices.Reverse(texts)
	return texts
}
