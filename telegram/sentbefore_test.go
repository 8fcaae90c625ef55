package telegram

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gotd/td/tg"
)

// photo is an own message with a photo, of an album.
func photo(id, date int, album, file int64, text string) *tg.Message {
	m := message(id, text)
	m.Date = date
	m.SetGroupedID(album)
	media := &tg.MessageMediaPhoto{}
	media.SetPhoto(&tg.Photo{ID: file})
	m.SetMedia(media)
	return m
}

// TestAlbumSentBeforeIsFoundAndNeverGuessed: an album whose answer was lost is the only one that looks like it,
// or the only one of the very same files.
func TestAlbumSentBeforeIsFoundAndNeverGuessed(t *testing.T) {
	items := []AlbumItem{
		{Media: &tg.InputMediaPhoto{ID: &tg.InputPhoto{ID: 71}}, Text: "first"},
		{Media: &tg.InputMediaPhoto{ID: &tg.InputPhoto{ID: 72}}},
	}
	document := photo(22, 1000, 5, 0, "")
	document.SetMedia(&tg.MessageMediaDocument{Document: &tg.Document{ID: 72}})
	theirs := photo(22, 1000, 5, 72, "")
	theirs.Out = false
	single := photo(22, 1000, 0, 71, "first")
	for name, c := range map[string]struct {
		history []tg.MessageClass // newest first
		want    []int             // nil = unknown
	}{
		"these files":              {[]tg.MessageClass{photo(22, 1000, 5, 72, ""), photo(21, 1000, 5, 71, "first")}, []int{21, 22}},
		"uploaded again":           {[]tg.MessageClass{photo(22, 1000, 5, 92, ""), photo(21, 1000, 5, 91, " first ")}, []int{21, 22}},
		"others in between":        {[]tg.MessageClass{photo(23, 1000, 5, 72, ""), single, photo(21, 1000, 5, 71, "first")}, []int{21, 23}},
		"these files among others": {[]tg.MessageClass{photo(24, 1001, 6, 92, ""), photo(23, 1001, 6, 91, "first"), photo(22, 1000, 5, 72, ""), photo(21, 1000, 5, 71, "first")}, []int{21, 22}},
		"two of these files":       {[]tg.MessageClass{photo(24, 1001, 6, 72, ""), photo(23, 1001, 6, 71, "first"), photo(22, 1000, 5, 72, ""), photo(21, 1000, 5, 71, "first")}, nil},
		"two that look like it":    {[]tg.MessageClass{photo(24, 1001, 6, 82, ""), photo(23, 1001, 6, 81, "first"), photo(22, 1000, 5, 92, ""), photo(21, 1000, 5, 91, "first")}, nil},
		"another text":             {[]tg.MessageClass{photo(22, 1000, 5, 72, ""), photo(21, 1000, 5, 71, "second")}, nil},
		"another order":            {[]tg.MessageClass{photo(22, 1000, 5, 71, "first"), photo(21, 1000, 5, 72, "")}, nil},
		"another kind":             {[]tg.MessageClass{document, photo(21, 1000, 5, 71, "first")}, nil},
		"a longer one":             {[]tg.MessageClass{photo(23, 1000, 5, 73, ""), photo(22, 1000, 5, 72, ""), photo(21, 1000, 5, 71, "first")}, nil},
		"no album":                 {[]tg.MessageClass{photo(22, 1000, 0, 72, ""), photo(21, 1000, 0, 71, "first")}, nil},
		"of the other side":        {[]tg.MessageClass{theirs, photo(21, 1000, 5, 71, "first")}, nil},
		"too old":                  {[]tg.MessageClass{photo(22, 900, 5, 72, ""), photo(21, 900, 5, 71, "first")}, nil},
	} {
		env := script(t, step{"messages.sendMultiMedia", rpc(500, "RANDOM_ID_DUPLICATE")},
			step{"messages.getHistory", &tg.MessagesMessages{Messages: c.history}})
		got, err := SendAlbum(context.Background(), env, bobPeer(), Outgoing{Since: time.Unix(1000, 0)}, items)
		if c.want == nil {
			if !errors.Is(err, ErrMessageUnknown) {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
			continue
		}
		var ids []int
		for _, m := range got {
			ids = append(ids, m.ID)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantEqual(t, ids, c.want)
	}
	// A scheduled one is among those that wait for its date.
	env := script(t, step{"messages.sendMultiMedia", rpc(500, "RANDOM_ID_DUPLICATE")},
		step{"messages.getScheduledHistory", &tg.MessagesMessages{Messages: []tg.MessageClass{
			photo(4, 6, 8, 72, ""), photo(3, 6, 8, 71, "first"), photo(2, 5, 7, 72, ""), photo(1, 5, 7, 71, "first"),
		}}})
	got, err := SendAlbum(context.Background(), env, bobPeer(), Outgoing{Schedule: time.Unix(5, 0)}, items)
	if err != nil || len(got) != 2 || got[0].ID != 1 || got[1].ID != 2 {
		t.Errorf("scheduled: %v, %v", got, err)
	}
}
