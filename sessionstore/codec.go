package sessionstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// recordVersion is the version of the encoding below, checkpointVersion that of a checkpoint's
// seal. They are part of what sealing binds, so a blob of another version is refused, not guessed
// at. Records of older versions, from oldestVersion on, are still read: 2 has no Restriction and no
// Leaving, 3 no DoubtedSince.
const (
	recordVersion     = 4
	oldestVersion     = 2
	checkpointVersion = 2
)

// MaxWaits is how many waits a record may hold.
const MaxWaits = 32

// Limits of a record; they only keep a damaged length from being believed.
const (
	maxKeys  = 64
	maxSalts = 256
)

var errShort = errors.New("ends too early")

// core is a record as it is sealed: without its checkpoint, whose sum it holds, and with the
// number of the write that stored it.
type core struct {
	rec   *Record
	sum   CheckpointSum
	write int64
}

// encodeCore writes a record in a fixed order: varints for numbers, lengths before bytes, keys
// sorted by DC, times in milliseconds.
func encodeCore(c core) ([]byte, error) {
	r := c.rec
	if len(r.Keys) > maxKeys {
		return nil, fmt.Errorf("at most %d auth keys (got %d)", maxKeys, len(r.Keys))
	}
	if len(r.Waits) > MaxWaits {
		return nil, fmt.Errorf("at most %d waits (got %d)", MaxWaits, len(r.Waits))
	}
	b := appendBytes(make([]byte, 0, coreRoom(r)), []byte(r.Account))
	b = binary.AppendVarint(b, c.write)
	b = append(b, c.sum[:]...)
	b = binary.AppendVarint(b, int64(r.HomeDC))
	b = binary.AppendVarint(b, r.UserID)
	b = appendBool(b, r.Bot)
	b = appendBool(b, r.Unverified)
	b = binary.AppendVarint(b, r.UpdatesOf)
	b = appendTime(b, r.UpdatedAt)
	b = appendBytes(b, r.FutureAuthToken)
	b = binary.AppendUvarint(b, uint64(len(r.Waits)))
	for _, w := range r.Waits {
		b = appendBytes(b, []byte(w.Method))
		b = appendBytes(b, []byte(w.Peer))
		b = appendBytes(b, []byte(w.Reason))
		b = appendTime(b, w.Until)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Keys)))
	dcs := slices.Sorted(maps.Keys(r.Keys))
	for _, dc := range dcs {
		k := r.Keys[dc]
		if k.Key.Zero() {
			return nil, fmt.Errorf("the auth key of DC %d is unset", dc)
		}
		if len(k.Salts) > maxSalts {
			return nil, fmt.Errorf("at most %d salts for a DC (got %d)", maxSalts, len(k.Salts))
		}
		b = binary.AppendVarint(b, int64(dc))
		b = append(b, k.Key[:]...)
		b = binary.AppendVarint(b, int64(k.TimeOffset))
		b = appendTime(b, k.CreatedAt)
		b = binary.AppendUvarint(b, uint64(len(k.Salts)))
		for _, s := range k.Salts {
			b = appendSeconds(b, s.ValidSince)
			b = appendSeconds(b, s.ValidUntil)
			b = binary.BigEndian.AppendUint64(b, uint64(s.Value))
		}
	}
	b = appendBool(b, r.Leaving)
	b = appendBytes(b, []byte(r.Restriction.Reason))
	b = appendBytes(b, []byte(r.Restriction.Message))
	b = appendTime(b, r.Restriction.Until)
	for _, dc := range dcs {
		b = appendTime(b, r.Keys[dc].DoubtedSince)
	}
	return b, nil
}

// coreRoom is enough for the encoding of a record: one that grew would leave copies of its keys in memory.
func coreRoom(r *Record) int {
	const number = binary.MaxVarintLen64
	n := len(CheckpointSum{}) + 13*number + len(r.Account) + len(r.FutureAuthToken) + len(r.Restriction.Reason) + len(r.Restriction.Message)
	for _, w := range r.Waits {
		n += 4*number + len(w.Method) + len(w.Peer) + len(w.Reason)
	}
	for _, k := range r.Keys {
		n += 5*number + len(k.Key) + len(k.Salts)*(2*number+8)
	}
	return n
}

// decodeCore reads what encodeCore has written, or had in an older version, and nothing else.
func decodeCore(b []byte, version byte) (core, error) {
	d := decoder{b: b}
	r := &Record{Account: fleet.AccountID(d.bytes())}
	c := core{rec: r, write: d.varint()}
	copy(c.sum[:], d.take(uint64(len(c.sum))))
	r.HomeDC = d.int()
	r.UserID = d.varint()
	r.Bot = d.bool()
	r.Unverified = d.bool()
	r.UpdatesOf = d.varint()
	r.UpdatedAt = d.time()
	r.FutureAuthToken = d.bytes()
	for range d.count(MaxWaits) {
		r.Waits = append(r.Waits, Wait{Method: string(d.bytes()), Peer: string(d.bytes()), Reason: string(d.bytes()), Until: d.time()})
	}
	if n := d.count(maxKeys); n > 0 {
		r.Keys = make(map[int]DCKey, n)
		for range n {
			dc := d.int()
			if _, twice := r.Keys[dc]; twice {
				d.fail(fmt.Errorf("DC %d occurs twice", dc))
			}
			r.Keys[dc] = d.dcKey()
		}
	}
	if version > 2 {
		r.Leaving = d.bool()
		r.Restriction = Restriction{Reason: string(d.bytes()), Message: string(d.bytes()), Until: d.time()}
	}
	if version > 3 {
		for _, dc := range slices.Sorted(maps.Keys(r.Keys)) {
			k := r.Keys[dc]
			k.DoubtedSince = d.time()
			r.Keys[dc] = k
		}
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail(fmt.Errorf("%d bytes too many", len(d.b)))
	}
	if d.err != nil {
		return core{}, fmt.Errorf("decode record: %w", d.err)
	}
	return c, nil
}

func appendBytes(b, v []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(v))), v...) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendTime writes milliseconds since 1970, and the smallest number for the zero time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, math.MinInt64)
	}
	return binary.AppendVarint(b, t.UnixMilli())
}

// appendSeconds writes Unix seconds as appendTime writes a time, 0 as the zero time.
func appendSeconds(b []byte, s int64) []byte {
	if s == 0 {
		return appendTime(b, time.Time{})
	}
	return appendTime(b, time.Unix(s, 0))
}

// decoder reads from b; after the first error it yields zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err, d.b = err, nil
	}
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail(errShort)
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int { return int(d.varint()) }

func (d *decoder) count(limit uint64) int {
	n := d.uvarint()
	if n > limit {
		d.fail(fmt.Errorf("%d elements, at most %d", n, limit))
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n == 0 {
		return nil
	}
	return slices.Clone(d.take(n))
}

func (d *decoder) bool() bool {
	v := d.take(1)
	if len(v) == 1 && v[0] > 1 {
		d.fail(fmt.Errorf("bool is %d", v[0]))
	}
	return len(v) == 1 && v[0] == 1
}

func (d *decoder) time() time.Time {
	ms := d.varint()
	if ms == math.MinInt64 || d.err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (d *decoder) seconds() int64 {
	t := d.time()
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func (d *decoder) dcKey() (k DCKey) {
	copy(k.Key[:], d.take(uint64(len(k.Key))))
	k.TimeOffset = time.Duration(d.varint())
	k.CreatedAt = d.time()
	if n := d.count(maxSalts); n > 0 {
		k.Salts = make([]Salt, n)
		for i := range k.Salts {
			k.Salts[i].ValidSince = d.seconds()
			k.Salts[i].ValidUntil = d.seconds()
			if v := d.take(8); len(v) == 8 {
				k.Salts[i].Value = int64(binary.BigEndian.Uint64(v))
			}
		}
	}
	return k
}
