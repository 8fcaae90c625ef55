package qrterm

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

// modules reads a picture back: true is dark.
func modules(t *testing.T, picture string, style Style) [][]bool {
	t.Helper()
	picture = strings.NewReplacer(blackOnWhite, "", reset, "").Replace(picture)
	var rows [][]bool
	for line := range strings.Lines(picture) {
		var upper, lower []bool
		for _, r := range strings.TrimSuffix(line, "\n") {
			u, l := r == '█' || r == '▀', r == '█' || r == '▄'
			upper, lower = append(upper, u == (style == Colour)), append(lower, l == (style == Colour))
		}
		rows = append(rows, upper, lower)
	}
	return rows
}

func TestPictureShowsTheCodeInAWhiteBorder(t *testing.T) {
	const text = "tg://login?token=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	for _, style := range []Style{Colour, Plain} {
		picture, err := Draw(text, style)
		if err != nil {
			t.Fatal(err)
		}
		rows := modules(t, picture, style)
		if want := code.Size + 2*quiet; len(rows) < want || len(rows[0]) != want {
			t.Fatalf("style %d: %d rows of %d modules, want %d", style, len(rows), len(rows[0]), want)
		}
		for y, row := range rows {
			for x, dark := range row {
				if want := code.Black(x-quiet, y-quiet); dark != want {
					t.Fatalf("style %d: module %d,%d is dark: %t", style, x, y, dark)
				}
			}
		}
		if strings.Contains(picture, "\x1b") != (style == Colour) {
			t.Errorf("style %d: escape sequences are wrong", style)
		}
	}
	if _, err := Draw(strings.Repeat("x", 5000), Plain); err == nil || strings.Contains(err.Error(), "xxx") {
		t.Errorf("a text that is too long: %v", err)
	}
}
