package formats

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/sessionstore"
)

// Our own session string is URL-safe base64 without padding from its first letter to its last:
// seven letters of magic, one of the version, then, in version 1, with numbers as varints and
// lengths before byte strings,
//
//	flags        1 test, 2 bot
//	home DC      0 in a session without a key
//	user id
//	api_id
//	address      bytes, host:port
//	checkpoint   bytes
//	future token bytes
//	keys         count; each: dc, 256 bytes, time offset (ns), created (ms),
//	             salts: count; each: valid since (ms), until (ms), value 8 bytes
//	peers        count; each: kind<<1|min 1 byte, id, access hash 8 bytes, username bytes
//	checksum     8 bytes, the first of SHA-256 over all letters and bytes before it
//
// The checksum finds strings that were cut or mistyped; it is no signature. The empty string
// is a fresh session.
const (
	ownMagic   = "orcsess"
	ownVersion = '1'
	ownSum     = 8

	ownTest = 1
	ownBot  = 2
)

// Limits of the fields; they only keep a damaged length from being believed.
const (
	maxOwnKeys  = 64
	maxOwnSalts = 256
	maxOwnAddr  = 128
	maxOwnBlob  = 1 << 20
	maxUsername = 64
)

// minPeer is the least that a peer takes: kind, id, access hash, length of the username.
const minPeer = 1 + 1 + 8 + 1

func ownChecksum(body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(ownMagic))
	h.Write([]byte{ownVersion})
	h.Write(body)
	return h.Sum(nil)[:ownSum]
}

// ownText frames the fields as a string.
func ownText(body []byte) []byte {
	body = slices.Concat(body, ownChecksum(body))
	return base64.RawURLEncoding.AppendEncode([]byte(ownMagic+string(ownVersion)), body)
}

func encodeOwn(s Session) (Exported, error) {
	if s.empty() {
		return Exported{Notes: []Note{{"session", "fresh: the empty string stands for it"}}}, nil
	}
	if err := s.fitsOwn(); err != nil {
		return Exported{}, err
	}
	b := binary.AppendUvarint(nil, uint64(bit(s.Test)*ownTest|bit(s.Bot)*ownBot))
	b = binary.AppendUvarint(b, uint64(s.HomeDC))
	b = binary.AppendUvarint(b, uint64(s.UserID))
	b = binary.AppendUvarint(b, uint64(s.APIID))
	b = appendBytes(b, []byte(s.Addr))
	b = appendBytes(b, s.Checkpoint)
	b = appendBytes(b, s.FutureAuthToken)
	dcs := make([]int, 0, len(s.Keys))
	for dc := range s.Keys {
		dcs = append(dcs, dc)
	}
	slices.Sort(dcs)
	b = binary.AppendUvarint(b, uint64(len(dcs)))
	for _, dc := range dcs {
		b = binary.AppendUvarint(b, uint64(dc))
		b = appendKey(b, s.Keys[dc])
	}
	b = binary.AppendUvarint(b, uint64(len(s.Peers)))
	for _, p := range s.Peers {
		b = append(b, byte(p.Kind)<<1|bit(p.Min))
		b = binary.AppendUvarint(b, uint64(p.ID))
		b = binary.BigEndian.AppendUint64(b, uint64(p.AccessHash))
		b = appendBytes(b, []byte(p.Username))
	}
	text := ownText(b)
	if len(text) > maxText {
		return Exported{}, notExportable(Own, "peers", "they make the string larger than 64 MiB", "export with fewer peers")
	}
	return Exported{Data: text}, nil
}

// empty reports whether nothing at all is in the session, so that the empty string can stand
// for it.
func (s Session) empty() bool {
	return s.Fresh() && s.UserID == 0 && !s.Bot && !s.Test && s.Addr == "" && s.APIID == 0 &&
		len(s.Checkpoint) == 0 && len(s.FutureAuthToken) == 0 && len(s.Peers) == 0
}

// fitsOwn refuses what decodeOwn would refuse, before it is written down.
func (s Session) fitsOwn() error {
	if err := s.check(Own); err != nil {
		return err
	}
	switch {
	case len(s.Keys) > maxOwnKeys:
		return invalid(Own, "keys", "at most %d (got %d)", maxOwnKeys, len(s.Keys))
	case len(s.Addr) > maxOwnAddr:
		return invalid(Own, "server address", "at most %d bytes (got %d)", maxOwnAddr, len(s.Addr))
	case len(s.Checkpoint) > maxOwnBlob || len(s.FutureAuthToken) > maxOwnBlob:
		return invalid(Own, "checkpoint or future token", "at most %d bytes", maxOwnBlob)
	case s.APIID < 0:
		return invalid(Own, "api_id", "must not be negative (got %d)", s.APIID)
	}
	for dc, k := range s.Keys {
		if dc < 1 || dc > math.MaxInt16 || len(k.Salts) > maxOwnSalts {
			return invalid(Own, "keys", "DC ids from 1, at most %d salts each (got DC %d, %d salts)", maxOwnSalts, dc, len(k.Salts))
		}
	}
	for i, p := range s.Peers {
		if p.Kind < User || p.Kind > Channel || p.ID < 0 || len(p.Username) > maxUsername {
			return invalid(Own, "peers", "number %d has kind %d, id %d and a username of %d letters", i, p.Kind, p.ID, len(p.Username))
		}
	}
	return nil
}

func decodeOwn(text []byte) (Imported, error) {
	if !bytes.HasPrefix(text, []byte(ownMagic)) {
		return Imported{}, invalid(Own, "start", "the first letters must be %s", ownMagic)
	}
	if len(text) == len(ownMagic) {
		return Imported{}, invalid(Own, "version", "the string ends before it")
	}
	if v := text[len(ownMagic)]; v != ownVersion {
		return Imported{}, invalid(Own, "version", "must be %c (got %q)", ownVersion, v).
			WithRemedy("a newer orchestrator made it: import it there, or export it there in another format")
	}
	raw, err := decode64(text[len(ownMagic)+1:])
	if err != nil {
		return Imported{}, invalid(Own, "base64", "%w", err)
	}
	if len(raw) < ownSum || !bytes.Equal(ownChecksum(raw[:len(raw)-ownSum]), raw[len(raw)-ownSum:]) {
		return Imported{}, invalid(Own, "checksum", "does not fit: the string was cut or changed")
	}
	r := reader{b: raw[:len(raw)-ownSum]}
	im := Imported{Session: r.ownSession()}
	if err := r.end(); err != nil {
		return Imported{}, invalid(Own, "fields", "%w", err)
	}
	if err := im.fitsOwn(); err != nil {
		return Imported{}, err
	}
	if len(im.Checkpoint) > 0 {
		im.Notes = append(im.Notes, Note{"updates", "the update state is that of the moment of export"})
	}
	return im, nil
}

func (r *reader) ownSession() Session {
	var s Session
	flags := r.uvarint()
	if flags&^(ownTest|ownBot) != 0 {
		r.fail(errRange)
	}
	s.Test, s.Bot = flags&ownTest != 0, flags&ownBot != 0
	s.HomeDC = int(r.number(maxDC))
	s.UserID = r.number(maxUserID)
	s.APIID = int32(r.number(math.MaxInt32))
	s.Addr = string(r.bytes(maxOwnAddr))
	s.Checkpoint = r.bytes(maxOwnBlob)
	s.FutureAuthToken = r.bytes(maxOwnBlob)
	if n := r.count(256); n > 0 {
		s.Keys = make(map[int]sessionstore.DCKey, n)
		for range n {
			dc := int(r.number(math.MaxInt16))
			if _, twice := s.Keys[dc]; twice {
				r.fail(errRange)
			}
			s.Keys[dc] = r.key()
		}
	}
	if n := r.count(minPeer); n > 0 {
		s.Peers = make([]Peer, n)
		for i := range s.Peers {
			kind := r.u8()
			s.Peers[i] = Peer{
				Kind: Kind(kind >> 1), Min: kind&1 != 0, ID: r.number(math.MaxInt64),
				AccessHash: int64(r.be64()), Username: string(r.bytes(maxUsername)),
			}
		}
	}
	return s
}

// number reads a number from 0 to limit.
func (r *reader) number(limit int64) int64 {
	v := r.uvarint()
	if v > uint64(limit) {
		r.fail(errRange)
		return 0
	}
	return int64(v)
}

func (r *reader) key() sessionstore.DCKey {
	var k sessionstore.DCKey
	copy(k.Key[:], r.take(len(k.Key)))
	k.TimeOffset = time.Duration(r.varint())
	k.CreatedAt = r.time()
	if n := r.count(10); n > 0 {
		k.Salts = make([]sessionstore.Salt, n)
		for i := range k.Salts {
			k.Salts[i] = sessionstore.Salt{ValidSince: r.varint() / 1000, ValidUntil: r.varint() / 1000, Value: int64(r.be64())}
		}
	}
	return k
}

func appendKey(b []byte, k sessionstore.DCKey) []byte {
	b = append(b, k.Key[:]...)
	b = binary.AppendVarint(b, int64(k.TimeOffset))
	b = appendTime(b, k.CreatedAt)
	b = binary.AppendUvarint(b, uint64(len(k.Salts)))
	for _, s := range k.Salts {
		b = binary.AppendVarint(b, 1000*s.ValidSince) // milliseconds, as all times here
		b = binary.AppendVarint(b, 1000*s.ValidUntil)
		b = binary.BigEndian.AppendUint64(b, uint64(s.Value))
	}
	return b
}

// appendTime writes milliseconds since 1970, 0 for the zero time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, t.UnixMilli())
}

func (r *reader) time() time.Time {
	if ms := r.varint(); ms != 0 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}
