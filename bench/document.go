package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The table of figures in a document stands between these lines.
const (
	tableBegin = "<!-- figures of make bench -->\n"
	tableEnd   = "<!-- end of figures -->\n"
)

// document replaces the table of figures in a Markdown file.
func (r report) document(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(b), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return fmt.Errorf("-doc: %s must have the lines %q and %q", path, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(path, []byte(before+tableBegin+r.table()+tableEnd+after), 0o644)
}

// table shows medians with the least and the greatest sample behind them.
func (r report) table() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Commit %s, %s, %s with %d processors, %s, medians of %d runs (least to greatest):\n\n",
		r.Commit, r.Date.Format("2006-01-02"), r.CPU, r.CPUs, r.Go, r.Runs)
	s.WriteString("| key | ours | gotd | ratio | budget | within |\n|---|---|---|---|---|---|\n")
	for _, f := range figures {
		one, measured := r.Results[f.key]
		if !measured {
			continue
		}
		budget := strconv.FormatFloat(f.budget, 'g', -1, 64)
		if f.relative {
			budget += " of gotd"
		}
		within := "yes"
		if !one.Within {
			within = "**no**"
		}
		fmt.Fprintf(&s, "| `%s` | %.4g (%s) | %.4g (%s) | %.3f | %s | %s |\n",
			f.key, one.Ours, spread(one.OursSamples), one.Gotd, spread(one.GotdSamples), one.Ratio, budget, within)
	}
	return s.String()
}
