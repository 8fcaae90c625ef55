package mtproto

import (
	"cmp"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/mtproto/wire"
)

// Salt is a server salt and the time in which the server accepts it.
type Salt = fleet.Salt

// saltList is ordered by the beginning of validity. The first is in use until the next has
// been valid for saltDelay.
type saltList struct {
	list  []Salt    // never changed in place: Config and Persist share it
	asked time.Time // last get_future_salts
}

func (s *saltList) load(salts []Salt) {
	if !slices.IsSortedFunc(salts, bySince) {
		salts = slices.SortedStableFunc(slices.Values(salts), bySince)
	}
	s.list = salts
}

func bySince(a, b Salt) int { return cmp.Compare(a.ValidSince, b.ValidSince) }

// current is the salt to send with, 0 if none is known: the server then answers with one.
// It forgets those whose time is over.
func (s *saltList) current(server time.Time) int64 {
	if len(s.list) == 0 {
		return 0
	}
	usable := server.Add(-saltDelay).Unix()
	for len(s.list) > 1 && s.list[1].ValidSince <= usable {
		s.list = s.list[1:]
	}
	return s.list[0].Value
}

// set makes the salt the one in use, and reports whether it is another than before. A salt
// that was not foreseen shows that the others are worth nothing.
func (s *saltList) set(server time.Time, value int64) bool {
	if s.current(server) == value && len(s.list) > 0 {
		return false
	}
	if at := slices.IndexFunc(s.list, func(one Salt) bool { return one.Value == value }); at > 0 {
		s.list = slices.Clone(s.list[at:])
		s.list[0].ValidSince = min(s.list[0].ValidSince, server.Add(-saltDelay).Unix())
		return true
	}
	s.replace(value)
	return true
}

// replace forgets all salts but this one.
func (s *saltList) replace(value int64) {
	s.list = []Salt{{Value: value}}
	s.asked = time.Time{}
}

// wanted reports whether it is time for get_future_salts.
func (s *saltList) wanted(now, server time.Time) bool {
	if !s.asked.IsZero() && now.Sub(s.asked) < saltsRetry {
		return false
	}
	if len(s.list) == 0 {
		return true
	}
	return s.list[len(s.list)-1].ValidUntil < server.Add(saltsAhead).Unix()
}

// future adds what the server foresees; the salt in use stays first until its time is over.
func (s *saltList) future(server time.Time, salts []Salt) {
	inUse := s.current(server)
	list := append(make([]Salt, 0, max(len(s.list), len(salts))), s.list...) // most often it has one, which is among them
	for _, one := range salts {
		at := slices.IndexFunc(list, func(known Salt) bool { return known.Value == one.Value })
		switch {
		case at < 0 && len(list) < 2*saltsWanted:
			list = append(list, one)
		case at >= 0 && one.Value == inUse:
			list[at].ValidUntil = one.ValidUntil
		case at >= 0:
			list[at] = one
		}
	}
	slices.SortFunc(list, bySince)
	s.list = list
}

// onFutureSalts takes future_salts#ae500895 req_msg_id:long now:int salts:vector<future_salt>
// where the vector is bare.
func (e *Engine) onFutureSalts(now time.Time, body []byte) error {
	r := wire.NewReader(body)
	r.Uint32()
	req := r.Int64()
	r.Int32() // the server's time; message ids tell it more precisely
	n := int(r.Int32())
	if r.Err() != nil || n < 0 || n > len(r.Rest())/16 {
		return wire.ErrShort
	}
	if _, ours := e.out.takeRequest(req); !ours {
		return nil
	}
	const maxFutureSalts = 64
	salts := make([]Salt, 0, min(n, maxFutureSalts))
	for range cap(salts) {
		salts = append(salts, Salt{ValidSince: int64(r.Int32()), ValidUntil: int64(r.Int32()), Value: r.Int64()})
	}
	if r.Err() != nil {
		return r.Err()
	}
	if len(salts) > 0 {
		e.salts.future(e.clock.server(now), salts)
		e.dirty = true
	}
	return nil
}
