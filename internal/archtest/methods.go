package archtest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// MethodRow is one row of docs/METHODS.md. What is not built yet is "-".
type MethodRow struct {
	Number                   string // 1 to 61; with a letter for what belongs to a number
	Name                     string
	RPC, SDK, Command, Proof string
}

// Open reports whether something of the row is not built yet.
func (r MethodRow) Open() bool {
	return r.RPC == "-" || r.SDK == "-" || r.Command == "-" || r.Proof == "-"
}

var methodNumber = regexp.MustCompile(`^\d+[a-z]?$`)

// Methods reads the table of docs/METHODS.md below root.
func Methods(root string) ([]MethodRow, error) {
	text, err := readFile(filepath.Join(root, "docs/METHODS.md"))
	if err != nil {
		return nil, err
	}
	var rows []MethodRow
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i, c := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(c), "`")
		}
		if !methodNumber.MatchString(cells[0]) {
			continue
		}
		if len(cells) != 7 {
			return nil, fmt.Errorf("docs/METHODS.md: row %s has %d cells, want 7", cells[0], len(cells))
		}
		rows = append(rows, MethodRow{cells[0], cells[1], cells[3], cells[4], cells[5], cells[6]})
	}
	return rows, nil
}
