package methods

import (
	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
)

// SetConditions completes a status by its conditions. reporter is the node that reported it, empty
// when none has, and reported are the conditions that it judged. What a former owner has reported
// no longer counts: its state and whatever may change without us are taken out.
func SetConditions(s *v1.AccountStatus, reporter string, reported []fleet.Condition) {
	owner := s.GetNode()
	fresh := owner != "" && reporter == owner && len(reported) > 0
	if !fresh {
		s.State, s.Reason, s.Message, s.ChangeTime, s.ObservedGeneration = v1.AccountState_ACCOUNT_STATE_UNSPECIFIED, "", "", nil, 0
	}
	all := make([]fleet.Condition, 0, len(fleet.ConditionTypes))
	for _, t := range fleet.ConditionTypes {
		if t == fleet.ConditionReady {
			all = append(all, fleet.ReadyOf(all))
			continue
		}
		c, known := find(reported, t)
		if !known || !fresh && t != fleet.ConditionAuthorized { // a login stays what it is without an owner
			c = fleet.NewCondition(t, absent(t, owner))
		}
		all = append(all, c)
	}
	s.Conditions = make([]*v1.Condition, len(all))
	for i, c := range all {
		s.Conditions[i] = conditionOf(c)
	}
}

func find(reported []fleet.Condition, t fleet.ConditionType) (fleet.Condition, bool) {
	for _, c := range reported {
		if c.Type == t {
			return c, true
		}
	}
	return fleet.Condition{}, false
}

// absent is the reason of a condition that the present owner has not reported, or that there is no
// owner for.
func absent(t fleet.ConditionType, owner string) fleet.ConditionReason {
	switch t {
	case fleet.ConditionOwned:
		if owner != "" {
			return fleet.ReasonOwned
		}
		return fleet.ReasonNoOwner
	case fleet.ConditionConnected, fleet.ConditionUpdatesFlowing, fleet.ConditionCaughtUp:
		if owner == "" {
			return fleet.ReasonNoOwner
		}
	}
	return fleet.ReasonNotReported
}

func conditionOf(c fleet.Condition) *v1.Condition {
	out := &v1.Condition{
		Type: string(c.Type), Status: truths[c.Status], Reason: string(c.Reason), Since: convert.Time(c.Since), Until: convert.Time(c.Until),
	}
	if !c.Good() {
		out.Message = c.Explain()
	}
	return out
}

var truths = map[fleet.Truth]v1.ConditionStatus{
	fleet.True: v1.ConditionStatus_CONDITION_STATUS_TRUE, fleet.False: v1.ConditionStatus_CONDITION_STATUS_FALSE,
}
