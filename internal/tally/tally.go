// Package tally counts what happens in a process, for its metrics. Nothing in it names an account.
//
// # Usage
//
//	var ended tally.Set[string]
//	ended.Add("flood")
//
// # Concurrency
//
// The zero values are ready, and safe for concurrent use.
package tally

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
)

// Set counts by a key of which there are few.
type Set[K comparable] struct {
	mu     sync.Mutex
	counts map[K]uint64
}

// Add counts one more and returns how many there are now.
func (s *Set[K]) Add(k K) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[K]uint64{}
	}
	s.counts[k]++
	return s.counts[k]
}

// Counts are the counts so far; keys that never came are missing.
func (s *Set[K]) Counts() map[K]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// Connections is what the connections of a process have met. Keys are words of the protocol.
type Connections struct {
	// Dials are tries to reach a DC: ok, failed.
	Dials Set[string]
	// Ended are the sockets and dials that have ended other than on request, by what that asked for.
	Ended Set[string]
	// Refused are our messages that servers have refused, by the code of bad_msg_notification; most are
	// repaired and sent again.
	Refused Set[int]
	// Faults are those that ended a session. Codes 18, 19, 34 and 35 say that we broke a rule of the
	// protocol, so they deserve an alarm.
	Faults Set[int]
	// Rejected are packets of servers that we have refused, by the rule that they broke.
	Rejected Set[string]
	// Answers are the servers' answers to queries.
	Answers Answers
	// Calls are the calls of users, of which one may take several queries.
	Calls Calls
}

// classes of answers: "ok", an error code of Telegram, "other" for codes of no class.
var classes = [...]string{"ok", "303", "400", "401", "403", "404", "406", "420", "500", "-503", "other"}

var codes = map[int]int{303: 1, 400: 2, 401: 3, 403: 4, 404: 5, 406: 6, 420: 7, 500: 8, -503: 9}

// Answers counts answers by their class.
type Answers struct{ n [len(classes)]atomic.Uint64 }

// OK counts a result.
func (a *Answers) OK() { a.n[0].Add(1) }

// Error counts an RPC error by its code.
func (a *Answers) Error(code int) {
	class, ok := codes[code]
	if !ok {
		class = len(classes) - 1
	}
	a.n[class].Add(1)
}

// Counts are the counts by class, with all classes.
func (a *Answers) Counts() map[string]uint64 { return named(classes[:], a.n[:]) }

// outcomes of calls: a result, an error of Telegram's, a call of which nobody knows whether it took effect, one
// whose caller has gone, and one that was not carried out.
var outcomes = [...]string{"ok", "telegram_error", "unknown_outcome", "cancelled", "not_done"}

// Calls counts calls by their outcome.
type Calls struct{ n [len(outcomes)]atomic.Uint64 }

// Done counts a call by its error.
func (c *Calls) Done(err error) {
	i := 0
	switch {
	case err == nil:
	case ofTelegram(err):
		i = 1
	case errors.Is(err, &fleet.Error{Reason: "OUTCOME_UNKNOWN"}):
		i = 2
	case errors.Is(err, context.Canceled):
		i = 3
	default:
		i = 4
	}
	c.n[i].Add(1)
}

// ofTelegram reports whether an error is Telegram's answer, as it came or, of a wait that is too long, in our words.
func ofTelegram(err error) bool {
	if _, ok := tgerr.As(err); ok {
		return true
	}
	own, ok := errors.AsType[*fleet.Error](err)
	return ok && own.Method != "" && own.RetryAfter > 0
}

// Counts are the counts by outcome, with all outcomes.
func (c *Calls) Counts() map[string]uint64 { return named(outcomes[:], c.n[:]) }

func named(names []string, counts []atomic.Uint64) map[string]uint64 {
	out := make(map[string]uint64, len(names))
	for i, name := range names {
		out[name] = counts[i].Load()
	}
	return out
}
