package eventcli

import (
	"testing"
	"time"

	"github.com/telefleet/orchestrator/client"
)

func TestPlacesOfAReplay(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"begin": client.ReplayPosition("begin").String(), "3-77": client.ReplayPosition("3-77").String(),
		"90m": client.ReplayTime(now.Add(-90 * time.Minute)).String(), "2026-01-31T10:00:00Z": client.ReplayTime(now.Add(-2 * time.Hour)).String(),
	} {
		if got, err := pointOf(text, now); err != nil || got.String() != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "3-", "2026-01-31", "a-b"} {
		if got, err := pointOf(text, now); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
