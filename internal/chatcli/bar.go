package chatcli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// bar shows on a terminal how far a transfer is; elsewhere it shows nothing.
type bar struct {
	out   io.Writer // nil: nothing
	name  string
	began time.Time
	last  time.Time
	drawn bool
}

// barEvery is how often a bar is drawn.
const barEvery = 100 * time.Millisecond

func newBar(out io.Writer, name string) *bar {
	b := &bar{name: name, began: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.out = out
	}
	return b
}

// show draws it; size is 0 when it is not known.
func (b *bar) show(done, size int64) {
	now := time.Now()
	if b.out == nil || now.Sub(b.last) < barEvery && done != size {
		return
	}
	b.last, b.drawn = now, true
	fmt.Fprint(b.out, "\r\x1b[K"+barLine(b.name, done, size, now.Sub(b.began)))
}

// end leaves the terminal as it was.
func (b *bar) end() {
	if b.drawn {
		fmt.Fprint(b.out, "\r\x1b[K")
		b.drawn = false
	}
}

// barLine is one state of a bar: name, share, bytes, speed and what is left of the time.
func barLine(name string, done, size int64, took time.Duration) string {
	const width = 20
	speed := float64(done) / max(took.Seconds(), 0.001)
	line := fmt.Sprintf("%s  %s  %s/s", oneLine(name, 30), bytesOf(done), bytesOf(int64(speed)))
	if size <= 0 {
		return line
	}
	full := int(done * width / size)
	line = fmt.Sprintf("%s  [%s%s] %3d%%  %s of %s  %s/s", oneLine(name, 30), strings.Repeat("#", full), strings.Repeat(".", width-full),
		done*100/size, bytesOf(done), bytesOf(size), bytesOf(int64(speed)))
	if done > 0 && done < size {
		left := time.Duration(float64(size-done) / speed * float64(time.Second))
		line += "  " + left.Round(time.Second).String() + " left"
	}
	return line
}

// bytesOf is a number of bytes for people.
func bytesOf(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
