package fleet

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEveryReasonBelongsToACondition: the set is closed both ways. No constant is without a
// meaning, and no condition lacks an answer of yes and no.
func TestEveryReasonBelongsToACondition(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "Reason") {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok {
				text, _ := strconv.Unquote(lit.Value)
				declared[text] = true
			}
		}
		return true
	})
	if len(declared) < 30 {
		t.Fatalf("%d reasons found in conditions.go: the test reads it wrongly", len(declared))
	}
	used := map[string]bool{}
	for _, c := range ConditionTypes {
		answers := map[Truth]bool{}
		for _, r := range ReasonsOf(c) {
			m, ok := MeaningOf(c, r)
			if !ok || m.Text == "" {
				t.Errorf("%s: %s has no meaning", c, r)
			}
			if bad := c == ConditionRateLimited || c == ConditionRestricted; m.Remedy == "" && (m.Status == True) == bad && m.Status != Unknown {
				t.Errorf("%s: %s has no remedy", c, r)
			}
			answers[m.Status], used[string(r)] = true, true
		}
		if !answers[True] || !answers[False] && c != ConditionReady {
			t.Errorf("%s: can only be %v", c, answers)
		}
	}
	for r := range declared {
		if !used[r] {
			t.Errorf("%s belongs to no condition", r)
		}
	}
	for r := range used {
		if !declared[r] {
			t.Errorf("%s is not a constant", r)
		}
	}
}

func TestReadyTakesTheFirstReasonAgainst(t *testing.T) {
	at := time.Unix(1000, 0)
	all := []Condition{
		{ConditionOwned, True, ReasonOwned, "", at, time.Time{}},
		{ConditionAuthorized, True, ReasonSignedIn, "", at.Add(time.Second), time.Time{}},
		{ConditionConnected, False, ReasonBackoff, "no route", at, at.Add(time.Minute)},
		{ConditionUpdatesFlowing, False, ReasonConnecting, "", at, time.Time{}},
	}
	want := Condition{ConditionReady, False, ReasonBackoff, "no route", at, at.Add(time.Minute)}
	if got := ReadyOf(all); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	all[2] = NewCondition(ConditionConnected, ReasonConnected)
	all[3] = NewCondition(ConditionUpdatesFlowing, ReasonUpdatesFlowing)
	if got := ReadyOf(all); got.Status != True || got.Reason != ReasonReady || !got.Since.Equal(at.Add(time.Second)) {
		t.Errorf("got %+v, want READY since the last change", got)
	}
	if _, ok := MeaningOf(ConditionReady, ReasonConnected); ok {
		t.Error("CONNECTED is no reason of Ready")
	}
}
