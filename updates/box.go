package updates

import (
	"fmt"
	"strconv"
	"strings"
)

// BoxKind is one of Telegram's counters.
type BoxKind uint8

// The counters of core.telegram.org/api/updates. BoxNone marks updates that carry none.
const (
	BoxNone    BoxKind = iota // no counter: ordered by the seq of the enclosing container
	BoxPts                    // users and basic groups; an update may count more than one
	BoxQts                    // secret chats and what bots get; an update always counts one
	BoxSeq                    // the containers themselves
	BoxDate                   // server time, seconds; never compared, only sent with getDifference
	BoxChannel                // pts of one channel or supergroup
)

// Box names one counter of an account. Channel is set for BoxChannel only.
type Box struct {
	Kind    BoxKind
	Channel int64
}

// ChannelBox is the box of one channel or supergroup, by its bare positive id.
func ChannelBox(id int64) Box { return Box{Kind: BoxChannel, Channel: id} }

var boxNames = [...]string{BoxNone: "none", BoxPts: "pts", BoxQts: "qts", BoxSeq: "seq", BoxDate: "date"}

const channelPrefix = "channel:"

// String is the box in the form of the event log: pts, qts, seq, date, channel:123.
func (b Box) String() string {
	if b.Kind != BoxChannel && int(b.Kind) < len(boxNames) {
		return boxNames[b.Kind]
	}
	return string(b.Append(nil))
}

// Append appends what String gives.
func (b Box) Append(to []byte) []byte {
	switch {
	case b.Kind == BoxChannel:
		return strconv.AppendInt(append(to, channelPrefix...), b.Channel, 10)
	case int(b.Kind) < len(boxNames):
		return append(to, boxNames[b.Kind]...)
	}
	return fmt.Appendf(to, "box(%d)", b.Kind)
}

// ParseBox reads what String wrote.
func ParseBox(s string) (Box, error) {
	if id, ok := strings.CutPrefix(s, channelPrefix); ok {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n <= 0 || strconv.FormatInt(n, 10) != id {
			return Box{}, fmt.Errorf("parse box: channel id must be a positive number (got %q)", s)
		}
		return ChannelBox(n), nil
	}
	for kind, name := range boxNames {
		if name == s {
			return Box{Kind: BoxKind(kind)}, nil
		}
	}
	return Box{}, fmt.Errorf("parse box: must be none, pts, qts, seq, date or channel:ID (got %q)", s)
}

// Position is the value of one box.
type Position struct {
	Box   Box
	Value int64
}

// String is box=value.
func (p Position) String() string { return p.Box.String() + "=" + strconv.FormatInt(p.Value, 10) }
