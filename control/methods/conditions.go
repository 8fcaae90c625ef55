package methods

import (
	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// answer is a condition without its type.
type answer struct {
	status v1.ConditionStatus
	reason string
}

const (
	yes     = v1.ConditionStatus_CONDITION_STATUS_TRUE
	no      = v1.ConditionStatus_CONDITION_STATUS_FALSE
	unknown = v1.ConditionStatus_CONDITION_STATUS_UNSPECIFIED
)

// The reasons of conditions that are not those of a state.
const (
	reasonOwned       = "OWNED"
	reasonNoOwner     = "NO_OWNER"
	reasonNotReported = "NOT_REPORTED"
)

// unconnected are the states without a connection, and the reason that each gives.
var unconnected = map[v1.AccountState]string{
	v1.AccountState_ACCOUNT_STATE_UNSPECIFIED: "FENCED",
	v1.AccountState_ACCOUNT_STATE_NEW:         "CONNECTING",
	v1.AccountState_ACCOUNT_STATE_CONNECTING:  "CONNECTING",
	v1.AccountState_ACCOUNT_STATE_BACKOFF:     "BACKOFF",
	v1.AccountState_ACCOUNT_STATE_PAUSED:      "PAUSED",
	v1.AccountState_ACCOUNT_STATE_DRAINING:    "DRAINING",
	v1.AccountState_ACCOUNT_STATE_QUARANTINED: "QUARANTINED",
	v1.AccountState_ACCOUNT_STATE_LOGGED_OUT:  "LOGGED_OUT",
	v1.AccountState_ACCOUNT_STATE_BANNED:      "BANNED",
	v1.AccountState_ACCOUNT_STATE_CONFLICT:    "CONFLICT",
}

// SetConditions derives the conditions from the rest of a status. reporter is the node that
// reported it, which may be a former owner; empty when none has.
func SetConditions(s *v1.AccountStatus, reporter string) {
	owned := answer{yes, reasonOwned}
	if s.GetNode() == "" {
		owned = answer{no, reasonNoOwner}
	}
	authorized := authorizedOf(s, reporter)
	connected := connectedOf(s, reporter)
	flowing := flowingOf(s, authorized, connected)
	ready := answer{yes, "READY"}
	for _, a := range []answer{owned, authorized, connected, flowing} {
		if a.status != yes {
			ready = a
			break
		}
	}
	s.Conditions = nil
	for i, a := range []answer{owned, authorized, connected, flowing, ready} {
		c := &v1.Condition{
			Type:   []string{"Owned", "Authorized", "Connected", "UpdatesFlowing", "Ready"}[i],
			Status: a.status, Reason: a.reason, Since: s.GetChangeTime(),
		}
		if a.status == no && a.reason != reasonNoOwner {
			c.Message = s.GetMessage()
		}
		s.Conditions = append(s.Conditions, c)
	}
}

func authorizedOf(s *v1.AccountStatus, reporter string) answer {
	switch s.GetState() {
	case v1.AccountState_ACCOUNT_STATE_LOGGED_OUT, v1.AccountState_ACCOUNT_STATE_BANNED, v1.AccountState_ACCOUNT_STATE_CONFLICT:
		return answer{no, unconnected[s.GetState()]}
	case v1.AccountState_ACCOUNT_STATE_CODE_SENT, v1.AccountState_ACCOUNT_STATE_PASSWORD_NEEDED, v1.AccountState_ACCOUNT_STATE_QR_PENDING:
		return answer{no, "LOGIN_RUNNING"}
	}
	switch {
	case s.GetUserId() != 0:
		return answer{yes, "SIGNED_IN"}
	case reporter == "" || s.GetState() == v1.AccountState_ACCOUNT_STATE_NEW:
		return answer{unknown, reasonNotReported} // its session has not been read
	}
	return answer{no, "NOT_SIGNED_IN"}
}

func connectedOf(s *v1.AccountStatus, reporter string) answer {
	switch {
	case s.GetNode() == "":
		return answer{no, reasonNoOwner}
	case reporter != s.GetNode():
		return answer{unknown, reasonNotReported}
	}
	if reason, ok := unconnected[s.GetState()]; ok {
		return answer{no, reason}
	}
	return answer{yes, "CONNECTED"}
}

func flowingOf(s *v1.AccountStatus, authorized, connected answer) answer {
	switch {
	case connected.status != yes:
		return connected
	case authorized.status != yes:
		return authorized
	case s.GetState() == v1.AccountState_ACCOUNT_STATE_ONLINE || s.GetState() == v1.AccountState_ACCOUNT_STATE_RATE_LIMITED:
		return answer{yes, "UPDATES_FLOWING"}
	}
	return answer{no, "NOT_CONNECTED"}
}
