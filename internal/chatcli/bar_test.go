package chatcli

import (
	"bytes"
	"testing"
	"time"
)

func TestBarSaysHowFarItIs(t *testing.T) {
	for _, c := range []struct {
		done, size int64
		want       string
	}{
		{0, 0, "a.bin  0 B  0 B/s"},
		{3 << 20, 0, "a.bin  3.0 MiB  1.5 MiB/s"},
		{1 << 20, 4 << 20, "a.bin  [#####...............]  25%  1.0 MiB of 4.0 MiB  512.0 KiB/s  6s left"},
		{4 << 30, 4 << 30, "a.bin  [####################] 100%  4.0 GiB of 4.0 GiB  2.0 GiB/s"},
	} {
		if got := barLine("a.bin", c.done, c.size, 2*time.Second); got != c.want {
			t.Errorf("%d of %d:\ngot  %s\nwant %s", c.done, c.size, got, c.want)
		}
	}
}

// TestBarIsSilentWithoutATerminal: output for programs stays as it is.
func TestBarIsSilentWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	b := newBar(&out, "a.bin")
	b.show(1, 1)
	b.end()
	if out.Len() != 0 {
		t.Errorf("got %q", out.String())
	}
}
