package fleetcli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
)

func newAccountWhy(g *CLI) *cobra.Command {
	return &cobra.Command{
		Use:   "why ACCOUNT",
		Short: "Say what is wrong with an account, and what to do",
		Long: `Say in words whether an account takes every command, and if not, why and what to do. Then what
else is unusual about it, such as a flood wait that runs.`,
		Example: "  orchestrator account why support-1",
		Args:    g.Args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			a, err := c.Account(args[0]).Get(cmd.Context())
			if err != nil {
				return err
			}
			var nodes []*v1.Node
			if a.GetStatus().GetNode() == "" {
				if nodes, err = c.Nodes(cmd.Context()); err != nil {
					return err
				}
			}
			d := diagnose(a, nodes)
			if g.Format() == "table" {
				return d.write(cmd.OutOrStdout(), time.Now())
			}
			b, err := json.Marshal(d)
			if err != nil {
				return fmt.Errorf("encode the answer: %w", err)
			}
			return g.PrintJSON(cmd.OutOrStdout(), b)
		},
	}
}

// diagnosis is what is to be said about an account.
type diagnosis struct {
	Account string `json:"account"`
	Ready   bool   `json:"ready"`
	// Problems begin with what keeps it from being ready.
	Problems []problem `json:"problems"`
}

// problem is a condition that is not as it should be.
type problem struct {
	Condition string    `json:"condition"`
	Reason    string    `json:"reason"`
	Text      string    `json:"text"` // without the account's name in front
	Remedy    string    `json:"remedy,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Until     time.Time `json:"until,omitzero"`
}

// diagnose judges an account; nodes are those that are alive, where no node owns it.
func diagnose(a *v1.Account, nodes []*v1.Node) diagnosis {
	d := diagnosis{Account: a.GetId(), Problems: []problem{}}
	var ready *problem
	said := map[string]bool{}
	for _, c := range a.GetStatus().GetConditions() {
		p := problemOf(a, c)
		switch {
		case good(c) && c.GetType() == string(fleet.ConditionReady):
			d.Ready = true
		case good(c), c.GetReason() == string(fleet.ReasonNotReported) && c.GetType() != string(fleet.ConditionReady):
		case c.GetType() == string(fleet.ConditionReady):
			ready = &p
		case !follows(fleet.ConditionReason(c.GetReason())):
			if key := p.Reason + p.Text; !said[key] {
				said[key] = true
				d.Problems = append(d.Problems, p)
			}
		}
	}
	if ready != nil {
		if ready.Reason == string(fleet.ReasonNoOwner) {
			ready.Text, ready.Remedy = homeless(nodes, ready.Text, ready.Remedy)
		}
		if a.GetDeleteTime() != nil {
			ready.Text, ready.Remedy = "is being deleted", "wait: its owner cleans up; `orchestrator account delete "+a.GetId()+"` repeats it"
		}
		rest := d.Problems
		d.Problems = []problem{*ready}
		for _, p := range rest {
			if p.Reason != ready.Reason { // the same by another name
				d.Problems = append(d.Problems, p)
			}
		}
	}
	return d
}

// follows tells reasons that only say that another condition is not true.
func follows(r fleet.ConditionReason) bool { return r == fleet.ReasonNotConnected }

func good(c *v1.Condition) bool {
	t := fleet.ConditionType(c.GetType())
	if t == fleet.ConditionRateLimited || t == fleet.ConditionRestricted {
		return c.GetStatus() == v1.ConditionStatus_CONDITION_STATUS_FALSE
	}
	return c.GetStatus() == v1.ConditionStatus_CONDITION_STATUS_TRUE
}

func problemOf(a *v1.Account, c *v1.Condition) problem {
	m, _ := fleet.MeaningOf(fleet.ConditionType(c.GetType()), fleet.ConditionReason(c.GetReason()))
	p := problem{
		Condition: c.GetType(), Reason: c.GetReason(), Text: c.GetMessage(), Remedy: strings.ReplaceAll(m.Remedy, "ACCOUNT", a.GetId()),
		Since: stamp(c.GetSince()), Until: stamp(c.GetUntil()),
	}
	if p.Text == "" {
		p.Text = m.Text
	}
	if p.Text == "" { // of a newer node
		p.Text = "has the reason " + c.GetReason()
	}
	return p
}

// homeless says why no node owns an account.
func homeless(nodes []*v1.Node, text, remedy string) (string, string) {
	var taking []string
	for _, n := range nodes {
		if !n.GetCordoned() && !n.GetDraining() {
			taking = append(taking, n.GetId())
		}
	}
	switch {
	case len(nodes) == 0:
		return "is run by no node: none is alive", "start one with `orchestrator serve`"
	case len(taking) == 0:
		return "is run by no node: all are cordoned or draining", "let one take accounts: `orchestrator node uncordon " + nodes[0].GetId() + "`"
	}
	return text + " yet, though " + strings.Join(taking, ", ") + " could take it", remedy
}

func stamp(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func (d diagnosis) write(w io.Writer, now time.Time) error {
	var b strings.Builder
	switch {
	case d.Ready && len(d.Problems) == 0:
		fmt.Fprintf(&b, "%s is ready: it takes every command\n", d.Account)
	case d.Ready:
		fmt.Fprintf(&b, "%s is ready, but:\n", d.Account)
	default:
		fmt.Fprintf(&b, "%s is not ready:\n", d.Account)
	}
	for _, p := range d.Problems {
		fmt.Fprintf(&b, "  it %s", plainText(p.Text))
		if !p.Since.IsZero() {
			fmt.Fprintf(&b, ", since %s", round(now.Sub(p.Since)))
		}
		if p.Until.After(now) {
			fmt.Fprintf(&b, ", until %s (in %s)", p.Until.Local().Format(time.TimeOnly), round(p.Until.Sub(now)))
		}
		b.WriteString("\n")
		if p.Remedy != "" {
			fmt.Fprintf(&b, "    %s\n", p.Remedy)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// round shows a time as people say it.
func round(d time.Duration) time.Duration {
	if d < time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Minute)
}

// plainText makes a message of the node's harmless for a terminal, on one line.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, s)
}

// Problems are rows that say what is wrong with an account, for the table of it.
func Problems(a *v1.Account) [][]string {
	var rows [][]string
	for _, p := range diagnose(a, nil).Problems {
		rows = append(rows, []string{"", "it " + plainText(p.Text)})
		if p.Remedy != "" {
			rows = append(rows, []string{"", "  " + p.Remedy})
		}
	}
	return rows
}
