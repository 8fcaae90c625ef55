package formats

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
)

// Pyrogram's session string: URL-safe base64 without padding of, big endian,
//
//	dc       1 byte
//	api_id   4 bytes, since 2.0
//	test     1 byte, 0 or 1
//	auth key 256 bytes
//	user id  4 bytes; 8 since 2.0, and in 1.x for ids of 2^31-1 and more
//	bot      1 byte, 0 or 1
//
// The length tells which; Kurigram and Pyrofork write the form of 2.0.
const (
	pyrogramSize32 = 1 + 1 + 256 + 4 + 1
	pyrogramSize64 = 1 + 1 + 256 + 8 + 1
	pyrogramSize   = 1 + 4 + 1 + 256 + 8 + 1
)

// pyrogramWide is the first user id that 1.x writes in 8 bytes.
const pyrogramWide = math.MaxInt32

func decodePyrogram(text []byte) (Imported, error) {
	r, err := pyrogramReader(Pyrogram, text, pyrogramSize)
	if err != nil {
		return Imported{}, err
	}
	var im Imported
	im.HomeDC = int(r.u8())
	id := r.be32()
	if id > math.MaxInt32 {
		return Imported{}, invalid(Pyrogram, "api_id", "0 to %d (got %d)", math.MaxInt32, id)
	}
	im.APIID = int32(id)
	return r.pyrogramRest(Pyrogram, im, true)
}

func decodePyrogramOld(text []byte) (Imported, error) {
	r, err := pyrogramReader(PyrogramOld, text, pyrogramSize32, pyrogramSize64)
	if err != nil {
		return Imported{}, err
	}
	wide := len(r.b) == pyrogramSize64
	var im Imported
	im.HomeDC = int(r.u8())
	return r.pyrogramRest(PyrogramOld, im, wide)
}

// pyrogramReader starts reading a string of one of the given lengths. The forms are not taken for
// each other: a cut string of 2.0 could pass for one of 1.x.
func pyrogramReader(f Format, text []byte, sizes ...int) (*reader, error) {
	raw, err := decode64(text)
	if err != nil {
		return nil, invalid(f, "base64", "%w", err)
	}
	switch n := len(raw); {
	case slices.Contains(sizes, n):
		return &reader{b: raw}, nil
	case n == pyrogramSize:
		return nil, invalid(f, "length", "it is the string of a release since 2.0").WithRemedy("use the format pyrogram, or auto")
	case n == pyrogramSize32 || n == pyrogramSize64:
		return nil, invalid(f, "length", "it is the string of a release before 2.0, or a part of a newer one").
			WithRemedy("use the format pyrogram-old if it is whole")
	default:
		return nil, invalid(f, "length", "%d bytes since 2.0, %d or %d before (got %d)", pyrogramSize, pyrogramSize32, pyrogramSize64, n)
	}
}

// pyrogramRest reads the fields from test on.
func (r *reader) pyrogramRest(f Format, im Imported, wide bool) (Imported, error) {
	test := r.u8()
	im.Keys = oneKey(im.HomeDC, r.take(256))
	id := uint64(0)
	if wide {
		id = r.be64()
	} else {
		id = uint64(r.be32())
	}
	bot := r.u8()
	if id > maxUserID {
		return Imported{}, invalid(f, "user id", "0 to %d (got %d)", int64(maxUserID), id)
	}
	if test > 1 || bot > 1 {
		return Imported{}, invalid(f, "flags", "test and bot are 0 or 1 (got %d and %d)", test, bot)
	}
	im.UserID, im.Test, im.Bot = int64(id), test == 1, bot == 1
	if id == 0 {
		im.Notes = append(im.Notes, Note{"user id", "the string was made before login was complete, or without it; Telegram tells it on the first connection"})
	}
	im.Notes = append(im.Notes, Note{"server address", "the format does not carry it; the list of DCs is used"})
	return im, nil
}

// needsUser refuses a format whose client takes a session without a user id for logged out.
func (s Session) needsUser(f Format) error {
	if s.UserID == 0 {
		return notExportable(f, "user id", "the format needs it and the session does not know it yet",
			"bring the account online once, then export again")
	}
	return nil
}

func encodePyrogram(s Session) (Exported, error) {
	if err := s.needsUser(Pyrogram); err != nil {
		return Exported{}, err
	}
	b := []byte{byte(s.HomeDC)}
	b = binary.BigEndian.AppendUint32(b, uint32(s.APIID))
	b = s.appendPyrogram(b, true)
	out := Exported{Data: []byte(base64.RawURLEncoding.EncodeToString(b))}
	if s.APIID == 0 {
		out.Notes = append(out.Notes, Note{"api_id", "unknown, 0 is written: give api_id to Pyrogram's Client"})
	}
	out.Notes = append(out.Notes, s.addressNote()...)
	return out, nil
}

func encodePyrogramOld(s Session) (Exported, error) {
	if err := s.needsUser(PyrogramOld); err != nil {
		return Exported{}, err
	}
	b := s.appendPyrogram([]byte{byte(s.HomeDC)}, s.UserID >= pyrogramWide)
	return Exported{Data: []byte(base64.RawURLEncoding.EncodeToString(b)), Notes: s.addressNote()}, nil
}

// appendPyrogram appends the fields from test on.
func (s Session) appendPyrogram(b []byte, wide bool) []byte {
	key := s.HomeKey()
	b = append(b, bit(s.Test))
	b = append(b, key[:]...)
	if wide {
		b = binary.BigEndian.AppendUint64(b, uint64(s.UserID))
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(s.UserID))
	}
	return append(b, bit(s.Bot))
}

// addressNote is the note of formats that leave the address to the client's own list.
func (s Session) addressNote() []Note {
	if s.Addr == "" {
		return nil
	}
	return []Note{{"server address", "not written: the other client uses its own list of DCs"}}
}

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}
