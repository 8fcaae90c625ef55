package standing

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
)

// Change is an account's change of state; its JSON is the payload of an event.
type Change struct {
	From    fleet.State `json:"from,omitempty"`
	To      fleet.State `json:"to"`
	Reason  string      `json:"reason,omitempty"`
	Message string      `json:"message,omitempty"`
}

const (
	// KindAccountState is the kind of the events by which an account tells of itself.
	KindAccountState = "account_state"
	// maxNews events wait for the log; at the limit the oldest go.
	maxNews = 64
)

// News is what an account has to say of its states while its stream does not run, which else says
// it: the log has one append of an account under way at a time. The zero value is empty.
type News struct {
	// Last is the change that was told last.
	Last    Change
	waiting []eventlog.Record
	count   int64 // of events, for their ids
}

// Record makes the event of a change under this ownership; false where the last one said the same,
// as it does for an account that starts again and again.
func (n *News) Record(account fleet.AccountID, token fleet.FencingToken, now time.Time, c Change) (eventlog.Record, bool, error) {
	if n.Last.To == c.To && n.Last.Reason == c.Reason {
		return eventlog.Record{}, false, nil
	}
	n.Last = c
	payload, err := json.Marshal(c)
	if err != nil {
		return eventlog.Record{}, false, fmt.Errorf("state event: %w", err)
	}
	n.count++
	return eventlog.Record{
		Account: account, Kind: KindAccountState, Time: now, Payload: payload,
		ID: "state:" + strconv.FormatInt(int64(token), 10) + ":" + strconv.FormatInt(n.count, 10),
	}, true, nil
}

// Wait keeps an event until it can be stored.
func (n *News) Wait(r eventlog.Record) {
	if n.waiting = append(n.waiting, r); len(n.waiting) > maxNews {
		n.waiting = n.waiting[1:]
	}
}

// Waits reports whether events wait.
func (n *News) Waits() bool { return len(n.waiting) > 0 }

// Take returns the events that wait, oldest first; nothing waits then.
func (n *News) Take() []eventlog.Record {
	records := n.waiting
	n.waiting = nil
	return records
}

// Return gives events back that could not be stored.
func (n *News) Return(records []eventlog.Record) { n.waiting = append(records, n.waiting...) }
