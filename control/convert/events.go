package convert

import (
	"strings"

	"github.com/gotd/td/bin"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/telegram/rawjson"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// Payload gives an event of which the kind is set what tlupdates.Encode wrote: typed where the
// contract has a form for it, with TL and JSON where it has none or raw asks for them. What cannot be
// read is handed out as raw, never dropped.
func Payload(out *v1.Event, payload []byte, peers Peers, raw bool) {
	p, err := tlupdates.Decode(payload)
	if err != nil {
		out.Tl = payload
		out.Payload = &v1.Event_Update{Update: &v1.RawUpdate{Name: "unreadable"}}
		return
	}
	fillPayload(out, p, peers)
	_, untyped := out.Payload.(*v1.Event_Update)
	if raw || untyped {
		fillRaw(out, p)
	}
}

func fillPayload(out *v1.Event, p tlupdates.Payload, peers Peers) {
	switch {
	case p.Gap != nil:
		out.Payload = &v1.Event_Gap{Gap: gapOf(p.Gap)}
	case p.Message != nil:
		message := Message(p.Message, peers)
		if out.Kind == tlupdates.KindMessageEdited {
			out.Payload = &v1.Event_MessageEdited{MessageEdited: message}
		} else {
			out.Payload = &v1.Event_MessageNew{MessageNew: message}
		}
	case p.Update != nil:
		fillUpdate(out, p.Update, peers)
	default:
		out.Payload = &v1.Event_Update{Update: &v1.RawUpdate{Name: rawjson.Name(p.Raw)}}
	}
}

// fillRaw adds the TL bytes and, where the schema knows them, the JSON.
func fillRaw(out *v1.Event, p tlupdates.Payload) {
	var value bin.Encoder
	switch {
	case p.Message != nil:
		value = p.Message
	case p.Update != nil:
		value = p.Update
	default:
		out.Tl = p.Raw
		if text, err := rawjson.FormatTL(p.Raw); err == nil {
			out.Json = string(text)
		}
		return
	}
	var b bin.Buffer
	if err := value.Encode(&b); err == nil {
		out.Tl = b.Raw()
	}
	if text, err := rawjson.Format(value); err == nil {
		out.Json = string(text)
	}
}

func gapOf(g *updates.Gap) *v1.Gap {
	reasons := map[updates.GapReason]string{
		updates.GapTooLong:    "Telegram keeps no updates of this gap: read the chats' histories",
		updates.GapReset:      "Telegram replaced the position: updates in between are unknown",
		updates.GapAccessLost: "the channel can no longer be read",
	}
	reason, ok := reasons[g.Reason]
	if !ok {
		reason = string(g.Reason)
	}
	box := g.Box.String()
	if g.Box == (updates.Box{}) { // the log's own: events that are no longer retained
		box = "log"
	}
	return &v1.Gap{Box: box, Reason: reason, From: int64(g.From), To: int64(g.To)}
}

// AccountState is the contract's value for a state's name in lower case: new, online, ...
func AccountState(name string) v1.AccountState {
	return v1.AccountState(v1.AccountState_value["ACCOUNT_STATE_"+strings.ToUpper(name)])
}
