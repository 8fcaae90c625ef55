package peers

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"github.com/telefleet/orchestrator/fleet"
)

// Pages. The page count of an account is a power of two and doubles when a page would grow too
// large; it is part of the page's key, so a page is never read under another count.
const (
	// MaxPageBytes bounds a sealed page.
	MaxPageBytes = 32 << 10
	// maxPageBody is what fits before sealing: nonce and tag of XChaCha20-Poly1305, with room
	// to spare.
	maxPageBody = MaxPageBytes - 64
	// maxBits bounds the pages of an account to 4096, which hold about 4 million peers.
	maxBits     = 12
	pageVersion = 1
	// maxUsername: Telegram allows 32; a few old and collectible names differ.
	maxUsername = 64
)

// pageOf is the page of a peer among 1<<bits. It is stored in keys: never change it.
func pageOf(k Key, bits uint) uint32 {
	h := fnv.New32a()
	var b [9]byte
	b[0] = byte(k.Kind)
	binary.BigEndian.PutUint64(b[1:], uint64(k.ID))
	_, _ = h.Write(b[:]) // never fails
	v := h.Sum32()
	v ^= v >> 16 // FNV's low bits are weak on short input
	return v & (1<<bits - 1)
}

func check(p Peer) error {
	if p.Kind < User || p.Kind > Channel || len(p.Username) > maxUsername {
		return fmt.Errorf("%w: kind %d, username of %d bytes", ErrInvalid, p.Kind, len(p.Username))
	}
	return nil
}

func encodePage(ps []Peer) []byte {
	b := make([]byte, 0, 1+24*len(ps))
	b = append(b, pageVersion)
	for _, p := range ps {
		flags := byte(p.Kind)
		if p.Min {
			flags |= 1 << 4
		}
		b = append(b, flags)
		b = binary.AppendVarint(b, p.ID)
		b = binary.LittleEndian.AppendUint64(b, uint64(p.AccessHash)) // random: a varint is longer
		b = append(b, byte(len(p.Username)))
		b = append(b, p.Username...)
	}
	return b
}

func decodePage(b []byte) ([]Peer, error) {
	bad := fmt.Errorf("%w: it does not decode", ErrCorrupt)
	if len(b) == 0 || b[0] != pageVersion {
		return nil, bad
	}
	b = b[1:]
	var ps []Peer
	for len(b) > 0 {
		p := Peer{Kind: Kind(b[0] & 0x0f), Min: b[0]&(1<<4) != 0}
		if b[0]>>5 != 0 {
			return nil, bad
		}
		id, n := binary.Varint(b[1:])
		if n <= 0 || len(b) < 1+n+9 {
			return nil, bad
		}
		b = b[1+n:]
		p.ID, p.AccessHash = id, int64(binary.LittleEndian.Uint64(b))
		name := int(b[8])
		if len(b) < 9+name {
			return nil, bad
		}
		p.Username = string(b[9 : 9+name])
		b = b[9+name:]
		if check(p) != nil {
			return nil, bad
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// sealData binds a page to its account and place.
func sealData(account fleet.AccountID, bits uint, page uint32) []byte {
	return fmt.Appendf(nil, "orchestrator/peers/%d\x00%s\x00%d\x00%d", pageVersion, account, bits, page)
}

// mergeInto merges seen into ps, which has no two of one key, and reports whether it changed
// anything.
func mergeInto(ps []Peer, seen []Peer) ([]Peer, bool) {
	at := make(map[Key]int, len(ps))
	for i, p := range ps {
		at[p.Key()] = i
	}
	changed := false
	for _, p := range seen {
		i, ok := at[p.Key()]
		if !ok {
			at[p.Key()] = len(ps)
			ps = append(ps, p)
			changed = true
			continue
		}
		if m := Merge(ps[i], p); m != ps[i] {
			ps[i], changed = m, true
		}
	}
	return ps, changed
}
