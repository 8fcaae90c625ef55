package tlupdates

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/updates"
)

// Payload is what an event carries: exactly one field is set.
type Payload struct {
	Update  tg.UpdateClass
	Message tg.MessageClass // new and edited messages
	Gap     *updates.Gap
	Raw     []byte // TL bytes of a constructor that the schema does not know
}

// Encoded is a payload in the form of the log.
type Encoded []byte

// ErrPayload is returned for bytes that Encode never wrote.
var ErrPayload = errors.New("malformed event payload")

// The form in the log: version, tag, layer (2 bytes, little endian), then TL bytes or, for a
// gap, JSON.
const (
	payloadVersion = 1
	payloadHeader  = 4

	tagUpdate  = 1
	tagMessage = 2
	tagGap     = 3
	tagRaw     = 4
)

// putHead writes the head of a payload.
func putHead(b []byte, tag byte) {
	b[0], b[1] = payloadVersion, tag
	binary.LittleEndian.PutUint16(b[2:], tg.Layer)
}

type gapRecord struct {
	Box    string            `json:"box"`
	From   int               `json:"from"`
	To     int               `json:"to"`
	Reason updates.GapReason `json:"reason"`
}

// Encode is the form of an event's payload in the log (an Encoded, a Payload, or an updates.Gap).
func Encode(payload any) ([]byte, error) {
	if encoded, ok := payload.(Encoded); ok {
		return encoded, nil
	}
	p, ok := payload.(Payload)
	if gap, isGap := payload.(updates.Gap); isGap {
		p, ok = Payload{Gap: &gap}, true
	}
	if !ok {
		return nil, fmt.Errorf("encode event payload: unknown type %T", payload)
	}
	b := &bin.Buffer{Buf: make([]byte, payloadHeader, 256)}
	var err error
	switch {
	case p.Message != nil:
		putHead(b.Buf, tagMessage)
		err = p.Message.Encode(b)
	case p.Update != nil:
		putHead(b.Buf, tagUpdate)
		err = p.Update.Encode(b)
	case p.Gap != nil:
		putHead(b.Buf, tagGap)
		var text []byte
		text, err = json.Marshal(gapRecord{p.Gap.Box.String(), p.Gap.From, p.Gap.To, p.Gap.Reason})
		b.Put(text)
	default:
		putHead(b.Buf, tagRaw)
		b.Put(p.Raw)
	}
	if err != nil {
		return nil, fmt.Errorf("encode event payload: %w", err)
	}
	return b.Buf, nil
}

// Decode reads what Encode wrote. Updates and messages that this schema cannot read (another
// layer wrote them) come back as Raw, a copy of their bytes.
func Decode(data []byte) (Payload, error) {
	if len(data) < payloadHeader || data[0] != payloadVersion {
		return Payload{}, fmt.Errorf("decode event payload: unknown version: %w", ErrPayload)
	}
	body := data[payloadHeader:]
	raw := func() (Payload, error) { return Payload{Raw: append([]byte{}, body...)}, nil }
	switch data[1] {
	case tagMessage:
		b := &bin.Buffer{Buf: body}
		m, err := tg.DecodeMessage(b)
		if err != nil || b.Len() > 0 {
			return raw()
		}
		return Payload{Message: m}, nil
	case tagUpdate:
		b := &bin.Buffer{Buf: body}
		u, err := tg.DecodeUpdate(b)
		if err != nil || b.Len() > 0 {
			return raw()
		}
		return Payload{Update: u}, nil
	case tagGap:
		var g gapRecord
		if err := json.Unmarshal(body, &g); err != nil {
			return Payload{}, fmt.Errorf("decode gap: %w: %w", ErrPayload, err)
		}
		box, err := updates.ParseBox(g.Box)
		if err != nil {
			return Payload{}, fmt.Errorf("decode gap: %w: %w", ErrPayload, err)
		}
		return Payload{Gap: &updates.Gap{Box: box, From: g.From, To: g.To, Reason: g.Reason}}, nil
	case tagRaw:
		return raw()
	}
	return Payload{}, fmt.Errorf("decode event payload: unknown tag %d: %w", data[1], ErrPayload)
}
