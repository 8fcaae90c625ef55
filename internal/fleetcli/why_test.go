package fleetcli

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.Local)

// account has the conditions of an account that is well, but for those given.
func account(owner string, odd ...fleet.Condition) *v1.Account {
	well := []fleet.ConditionReason{
		fleet.ReasonOwned, fleet.ReasonSignedIn, fleet.ReasonConnected, fleet.ReasonUpdatesFlowing, fleet.ReasonCaughtUp,
		fleet.ReasonNoProxy, fleet.ReasonNotLimited, fleet.ReasonUnrestricted,
	}
	var all []fleet.Condition
	for i, r := range well {
		c := fleet.NewCondition(fleet.ConditionTypes[i], r)
		for _, o := range odd {
			if o.Type == c.Type {
				c = o
			}
		}
		all = append(all, c)
	}
	a := &v1.Account{Id: "support-1", Status: &v1.AccountStatus{Node: owner}}
	for _, c := range append(all, fleet.ReadyOf(all)) {
		out := &v1.Condition{Type: string(c.Type), Reason: string(c.Reason), Status: v1.ConditionStatus(c.Status), Message: c.Explain()}
		if c.Good() {
			out.Message = ""
		}
		if !c.Since.IsZero() {
			out.Since = timestamppb.New(c.Since)
		}
		if !c.Until.IsZero() {
			out.Until = timestamppb.New(c.Until)
		}
		a.Status.Conditions = append(a.Status.Conditions, out)
	}
	return a
}

func because(t fleet.ConditionType, r fleet.ConditionReason, message string, since, until time.Duration) fleet.Condition {
	c := fleet.NewCondition(t, r)
	c.Message, c.Since = message, noon.Add(-since)
	if until > 0 {
		c.Until = noon.Add(until)
	}
	return c
}

// TestWhySaysWhatIsWrongAndWhatToDo has a row for each thing that can be wrong.
func TestWhySaysWhatIsWrongAndWhatToDo(t *testing.T) {
	notConnected := []fleet.Condition{
		because(fleet.ConditionUpdatesFlowing, fleet.ReasonNotConnected, "", time.Minute, 0),
		because(fleet.ConditionCaughtUp, fleet.ReasonNotConnected, "", time.Minute, 0),
	}
	nodes := []*v1.Node{{Id: "n-1", Cordoned: true}, {Id: "n-2", Draining: true}}
	with := func(first ...fleet.Condition) []fleet.Condition { return append(first, notConnected...) }
	for _, c := range []struct {
		name  string
		owner string
		odd   []fleet.Condition
		nodes []*v1.Node
		want  string
	}{
		{"well", "n-1", nil, nil, "support-1 is ready: it takes every command\n"},
		{"backoff", "n-1", with(because(fleet.ConditionConnected, fleet.ReasonBackoff, "no route to host", 3*time.Minute, 12*time.Second)), nil,
			"support-1 is not ready:\n  it waits before it connects again: no route to host, since 3m0s, until 12:00:12 (in 12s)\n" +
				"    it is tried again by itself; `orchestrator network restored support-1` tries now\n"},
		{"paused", "n-1", with(because(fleet.ConditionConnected, fleet.ReasonPaused, "", time.Hour, 0)), nil,
			"support-1 is not ready:\n  it is paused, since 1h0m0s\n    resume it: `orchestrator account resume support-1`\n"},
		{"logged out", "n-1", with(
			because(fleet.ConditionAuthorized, fleet.ReasonLoggedOut, "Telegram answered SESSION_REVOKED", time.Minute, 0),
			because(fleet.ConditionConnected, fleet.ReasonLoggedOut, "", time.Minute, 0),
		), nil, "support-1 is not ready:\n  it is no longer signed in: Telegram answered SESSION_REVOKED, since 1m0s\n    sign in again: `orchestrator login support-1`\n"},
		{"conflict", "n-1", with(because(fleet.ConditionAuthorized, fleet.ReasonConflict, "", time.Minute, 0)), nil,
			"support-1 is not ready:\n  it had its session used in two places, and Telegram has ended it, since 1m0s\n" +
				"    find and stop the other copy, then sign in again: `orchestrator login support-1`\n"},
		{"limited, and its proxy just failed", "n-1", []fleet.Condition{
			because(fleet.ConditionRateLimited, fleet.ReasonFloodWait, "", time.Second, 10*time.Minute),
			because(fleet.ConditionProxyHealthy, fleet.ReasonProxyUnreachable, "connection refused", time.Second, 0),
		}, nil, "support-1 is ready, but:\n  it cannot reach its proxy, and connects by nothing else: connection refused, since 1s\n" +
			"    check that the proxy runs, or set another one\n" +
			"  it has to wait: Telegram limits a method, since 1s, until 12:10:00 (in 10m0s)\n" +
			"    short waits are waited out, longer ones go to the caller: call less often\n"},
		{"no node", "", []fleet.Condition{fleet.NewCondition(fleet.ConditionOwned, fleet.ReasonNoOwner)}, nil,
			"support-1 is not ready:\n  it is run by no node: none is alive\n    start one with `orchestrator serve`\n"},
		{"no node takes it", "", []fleet.Condition{fleet.NewCondition(fleet.ConditionOwned, fleet.ReasonNoOwner)}, nodes,
			"support-1 is not ready:\n  it is run by no node: all are cordoned or draining\n    let one take accounts: `orchestrator node uncordon n-1`\n"},
	} {
		var b strings.Builder
		if err := diagnose(account(c.owner, c.odd...), c.nodes).write(&b, noon); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, b.String(), c.want)
		}
	}
	dying := account("n-1", notConnected...)
	dying.DeleteTime = timestamppb.New(noon)
	if p := diagnose(dying, nil).Problems; len(p) == 0 || p[0].Text != "is being deleted" {
		t.Errorf("an account that is being deleted: %v", p)
	}
}

// TestWhyKnowsEveryReason: none is shown without words.
func TestWhyKnowsEveryReason(t *testing.T) {
	for _, typ := range fleet.ConditionTypes[:len(fleet.ConditionTypes)-1] {
		for _, r := range fleet.ReasonsOf(typ) {
			c := fleet.NewCondition(typ, r)
			if c.Good() || r == fleet.ReasonNotReported || r == fleet.ReasonNotConnected || c.Status == fleet.Unknown {
				continue
			}
			d := diagnose(account("n-1", c), nil)
			if len(d.Problems) == 0 || d.Problems[0].Text == "" || d.Problems[0].Remedy == "" || strings.Contains(d.Problems[0].Remedy, "ACCOUNT") {
				t.Errorf("%s %s: %+v", typ, r, d.Problems)
			}
		}
	}
}
