package chatcli

import (
	"fmt"
	"strings"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// EventLine is one event for a person.
func EventLine(e *v1.Event) string {
	head := fmt.Sprintf("%s  %-12s %-16s ", e.GetTime().AsTime().Local().Format("15:04:05.000"), e.GetAccount(), e.GetKind())
	switch p := e.GetPayload().(type) {
	case *v1.Event_MessageNew:
		return head + messageLine(p.MessageNew)
	case *v1.Event_MessageEdited:
		return head + messageLine(p.MessageEdited)
	case *v1.Event_MessagesDeleted:
		return head + strings.Trim(fmt.Sprint(p.MessagesDeleted.GetIds()), "[]")
	case *v1.Event_Gap:
		return head + fmt.Sprintf("%s lost from %d to %d: %s", p.Gap.GetBox(), p.Gap.GetFrom(), p.Gap.GetTo(), p.Gap.GetReason())
	case *v1.Event_AccountState:
		return head + fleetcli.StateName(p.AccountState.GetTo()) + " " + p.AccountState.GetReason()
	}
	return strings.TrimSpace(head + updateLine(e))
}

func messageLine(m *v1.Message) string {
	arrow := "from " + senderName(m)
	if m.GetOut() {
		arrow = "to " + peerName(m.GetPeer())
	}
	return fmt.Sprintf("#%d %s: %s", m.GetId(), arrow, messageText(m))
}

// updateLine is an event that is no message for a person.
func updateLine(e *v1.Event) string {
	switch p := e.GetPayload().(type) {
	case *v1.Event_CallbackQuery:
		return fmt.Sprintf("%d from %s under #%d", p.CallbackQuery.GetQueryId(), peerName(p.CallbackQuery.GetUser()), p.CallbackQuery.GetMessageId())
	case *v1.Event_InlineQuery:
		return fmt.Sprintf("%d from %s: %s", p.InlineQuery.GetQueryId(), peerName(p.InlineQuery.GetUser()), oneLine(p.InlineQuery.GetQuery(), 60))
	case *v1.Event_InlineSend:
		return fmt.Sprintf("%s chose %s", peerName(p.InlineSend.GetUser()), p.InlineSend.GetResultId())
	case *v1.Event_ChatAction:
		return fmt.Sprintf("%s in %s: %s", peerName(p.ChatAction.GetSender()), peerName(p.ChatAction.GetPeer()), p.ChatAction.GetAction())
	case *v1.Event_UserStatus:
		return peerName(p.UserStatus.GetUser()) + " " + enumWord(p.UserStatus.GetStatus().String(), "ONLINE_STATUS_")
	case *v1.Event_Read:
		return readLine(p.Read)
	case *v1.Event_Reaction:
		return fmt.Sprintf("to #%d in %s", p.Reaction.GetMessageId(), peerName(p.Reaction.GetPeer()))
	case *v1.Event_Participant:
		return fmt.Sprintf("%s in %s: %s", peerName(p.Participant.GetUser()), peerName(p.Participant.GetPeer()), enumWord(p.Participant.GetNow().String(), "MEMBERSHIP_"))
	case *v1.Event_JoinRequest:
		names := make([]string, 0, len(p.JoinRequest.GetUsers()))
		for _, u := range p.JoinRequest.GetUsers() {
			names = append(names, peerName(u))
		}
		return fmt.Sprintf("%s asks to join %s", strings.Join(names, ", "), peerName(p.JoinRequest.GetPeer()))
	case *v1.Event_Poll:
		if p.Poll.GetVoter() != nil {
			return fmt.Sprintf("%d answered by %s", p.Poll.GetPollId(), peerName(p.Poll.GetVoter()))
		}
		return fmt.Sprintf("%d has %d voters", p.Poll.GetPollId(), p.Poll.GetTotalVoters())
	case *v1.Event_Update:
		return p.Update.GetName()
	}
	return ""
}

func readLine(r *v1.ReadReceipt) string {
	by := "read by us"
	if r.GetOutbox() {
		by = "read by others"
	}
	if len(r.GetMessageIds()) > 0 {
		return fmt.Sprintf("contents of %s seen", strings.Trim(fmt.Sprint(r.GetMessageIds()), "[]"))
	}
	return fmt.Sprintf("%s up to #%d, %s", peerName(r.GetPeer()), r.GetMaxId(), by)
}

// enumWord is the word of an enum value, as people write it.
func enumWord(value, prefix string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(value, prefix)), "_", " ")
}
