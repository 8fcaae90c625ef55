package eventlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// Kinds that the log itself writes or yields. Kinds that begin with an underscore are internal
// and shown to subscribers only on request, except KindGap, which is always shown.
const (
	// KindOwnerChanged: a Claim. No payload, no positions.
	KindOwnerChanged = "_owner_changed"
	// KindErased: Writer.Erase. No payload, no positions; nothing older of the account is kept.
	KindErased = "_erased"
	// KindPositions: positions moved and no event is to be told (a repeated event id).
	KindPositions = "_positions"
	// KindGap: not stored; Record.Gap says which sequences can no longer be read.
	KindGap = "_gap"
)

// Limits of one record.
const (
	// MaxRecordBytes bounds an encoded record: half of NATS' default max_payload, so that
	// headers and future fields fit.
	MaxRecordBytes = 512 << 10
	maxNameBytes   = 512
	maxPositions   = 4096
	recordVersion  = 1
)

// Position is where one box of the account's updates stands after the record. Box is the
// string form of updates.Box.
type Position struct {
	Box   string
	Value int64
}

// Gap is a range of sequences, both inclusive, that were dropped before they were read.
type Gap struct{ From, To uint64 }

// Record is one event of an account. For Append only Kind, ID, Time, Positions and Payload are
// read; the log sets the rest.
type Record struct {
	Account fleet.AccountID
	// Token is the owner that appended the record.
	Token fleet.FencingToken
	// Kind and ID stay in clear; they must hold no secret. At most 512 bytes each.
	Kind, ID string
	// Time is when the event happened; Append sets a zero Time to now.
	Time time.Time
	// Positions hold after this record; at most 4096.
	Positions []Position
	// Prev is the account's previous sequence, 0 when it has none.
	Prev uint64
	// Payload is sealed at rest with the account's data key.
	Payload []byte
	// Seq and Epoch are the record's place; Seq is 0 for a live record.
	Seq, Epoch uint64
	// Gap is set only for KindGap. Account is then empty when any account may be affected, and
	// Cursor is where to resume after it.
	Gap *Gap
}

// Cursor is the place of the record: a subscription from it begins with the next one.
func (r Record) Cursor() Cursor { return Cursor{Epoch: r.Epoch, Seq: r.Seq} }

// Internal reports whether the record is bookkeeping rather than an event.
func (r Record) Internal() bool {
	return strings.HasPrefix(r.Kind, "_") && r.Kind != KindGap
}

// Cursor is a place in the log. The zero Cursor is before everything.
type Cursor struct{ Epoch, Seq uint64 }

// String is "<epoch>-<seq>", safe in URLs.
func (c Cursor) String() string {
	return strconv.FormatUint(c.Epoch, 10) + "-" + strconv.FormatUint(c.Seq, 10)
}

// IsZero reports whether the cursor is before everything.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// ParseCursor reads the form that Cursor.String writes; the empty string is the zero Cursor.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	e, q, ok := strings.Cut(s, "-")
	epoch, err1 := strconv.ParseUint(e, 10, 64)
	seq, err2 := strconv.ParseUint(q, 10, 64)
	if !ok || err1 != nil || err2 != nil || (Cursor{epoch, seq}).String() != s {
		return Cursor{}, fmt.Errorf("%w: cursor: must be <epoch>-<sequence> (got %.64q)", ErrInvalid, s)
	}
	return Cursor{Epoch: epoch, Seq: seq}, nil
}

// encodeRecord writes everything but Account (the subject) and Seq, Epoch (the place). sealed
// takes the place of Payload.
func encodeRecord(r Record, sealed []byte) ([]byte, error) {
	if len(r.Kind) == 0 || len(r.Kind) > maxNameBytes || len(r.ID) > maxNameBytes {
		return nil, fmt.Errorf("%w: record: kind must have 1 to %d bytes and id at most as many (got %d, %d)",
			ErrInvalid, maxNameBytes, len(r.Kind), len(r.ID))
	}
	if len(r.Positions) > maxPositions {
		return nil, fmt.Errorf("%w: record: at most %d positions (got %d)", ErrInvalid, maxPositions, len(r.Positions))
	}
	b := make([]byte, 0, 64+len(r.Kind)+len(r.ID)+24*len(r.Positions)+len(sealed))
	b = append(b, recordVersion)
	b = binary.AppendVarint(b, int64(r.Token))
	b = binary.AppendUvarint(b, r.Prev)
	b = binary.AppendVarint(b, r.Time.UnixNano())
	b = appendBytes(b, r.Kind)
	b = appendBytes(b, r.ID)
	b = binary.AppendUvarint(b, uint64(len(r.Positions)))
	for _, p := range r.Positions {
		b = appendBytes(b, p.Box)
		b = binary.AppendVarint(b, p.Value)
	}
	b = appendBytes(b, sealed)
	if len(b) > MaxRecordBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), MaxRecordBytes)
	}
	return b, nil
}

func appendBytes[T string | []byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// decodeRecord reads what encodeRecord wrote; the payload is still sealed and shares b.
func decodeRecord(account fleet.AccountID, b []byte) (Record, error) {
	d := decoder{b: b}
	if v := d.byte(); v != recordVersion {
		return Record{}, fmt.Errorf("%w: record version %d", ErrCorrupt, v)
	}
	r := Record{Account: account, Token: fleet.FencingToken(d.varint()), Prev: d.uvarint()}
	r.Time = time.Unix(0, d.varint()).UTC()
	r.Kind, r.ID = string(d.bytes()), string(d.bytes())
	n := d.uvarint()
	if n > maxPositions {
		d.bad = true
	}
	if n > 0 && !d.bad {
		r.Positions = make([]Position, 0, min(n, uint64(len(d.b))))
		for range n {
			p := Position{Box: string(d.bytes()), Value: d.varint()}
			if d.bad {
				break
			}
			r.Positions = append(r.Positions, p)
		}
	}
	r.Payload = d.bytes()
	if d.bad || len(d.b) != 0 || r.Kind == "" {
		return Record{}, fmt.Errorf("%w: record does not decode", ErrCorrupt)
	}
	return r, nil
}

// maxErasedBytes bounds an encoded record of KindErased.
const maxErasedBytes = 256

// tellsOfErasure reports whether an encoded record is of KindErased.
func tellsOfErasure(account fleet.AccountID, b []byte) bool {
	if len(b) > maxErasedBytes || !bytes.Contains(b, []byte(KindErased)) {
		return false
	}
	r, err := decodeRecord(account, b)
	return err == nil && r.Kind == KindErased
}

// decoder reads varints and strings; after the first error everything is zero and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if d.bad || len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if d.bad || n > math.MaxInt32 || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	if n == 0 {
		return nil
	}
	return v
}
