package media

import (
	"context"
	"testing"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/telegram"
)

// TestEditFindsAFileWhoseReferenceHasExpired as often as it helps, and no more.
func TestEditFindsAFileWhoseReferenceHasExpired(t *testing.T) {
	for _, c := range []struct {
		expires, calls, found int
		reason                string
	}{{0, 1, 1, ""}, {2, 3, 3, ""}, {100, 1 + maxRefreshes, 1 + maxRefreshes, "FILE_REFERENCE_EXPIRED"}} {
		e := newEnv(t, files.Config{})
		found := 0
		file := Attachment{Find: func(context.Context) (Stored, error) {
			found++
			return Stored{Kind: Photo, Media: &tg.InputMediaPhoto{ID: &tg.InputPhoto{ID: int64(found)}}}, nil
		}}
		e.before = func(string) error {
			if e.count("messages.editMessage") <= c.expires {
				return tgerr.New(400, "FILE_REFERENCE_EXPIRED")
			}
			return nil
		}
		chat := telegram.Peer{Kind: telegram.PeerUser, ID: 5, AccessHash: 6}
		m, err := Edit(t.Context(), e, chat, telegram.Edit{ID: 7, Text: "caption"}, file)
		if reason(err) != c.reason || c.reason == "" && (m.GetMessage() != "caption" || m.ID != 7) {
			t.Errorf("expired %d times: %v, %v", c.expires, m, err)
		}
		if n := e.count("messages.editMessage"); n != c.calls || found != c.found {
			t.Errorf("expired %d times: %d calls, found %d times", c.expires, n, found)
		}
	}
}
