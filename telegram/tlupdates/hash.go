package tlupdates

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"reflect"

	"github.com/gotd/td/tg"
)

// volatile are fields that change without an edit, differ between two answers about the same
// thing, or depend on who asks.
var volatile = map[string]bool{
	"Flags": true, "Flags2": true, "Pts": true, "PtsCount": true, "Qts": true,
	"AccessHash": true, "FileReference": true, "DCID": true, "Min": true,
	"Views": true, "Forwards": true, "Replies": true,
	"RecentReactions": true, "TopReactors": true, "RecentVoters": true, "CanSeeList": true,
}

// messageHash covers what an edit can change.
func messageHash(m tg.MessageClass) string {
	h := fnv.New64a()
	switch m := m.(type) {
	case *tg.Message:
		for _, v := range []any{
			m.Message, m.Media, m.ReplyMarkup, m.Entities, m.Reactions, m.GroupedID, m.TTLPeriod,
			m.Factcheck, m.RichMessage, m.Noforwards, m.InvertMedia, m.SuggestedPost,
		} {
			hashValue(h, reflect.ValueOf(v))
		}
	case *tg.MessageService:
		hashValue(h, reflect.ValueOf(m.Action))
		hashValue(h, reflect.ValueOf(m.Reactions))
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// contentHash covers a whole update but its volatile fields.
func contentHash(u tg.UpdateClass) string {
	h := fnv.New64a()
	hashValue(h, reflect.ValueOf(u))
	return fmt.Sprintf("%016x", h.Sum64())
}

// hashValue walks a TL value. Lengths and types are hashed too, so that no two values run
// together.
func hashValue(h hash.Hash64, v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		hashNumber(h, 0)
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			hashNumber(h, 0)
			return
		}
		hashValue(h, v.Elem())
	case reflect.Struct:
		t := v.Type()
		h.Write([]byte(t.Name()))
		for i := range t.NumField() {
			if !volatile[t.Field(i).Name] {
				hashNumber(h, uint64(i))
				hashValue(h, v.Field(i))
			}
		}
	case reflect.Slice:
		hashNumber(h, uint64(v.Len()))
		for i := range v.Len() {
			hashValue(h, v.Index(i))
		}
	case reflect.String:
		hashNumber(h, uint64(v.Len()))
		h.Write([]byte(v.String()))
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		hashNumber(h, n)
	case reflect.Float64:
		hashNumber(h, math.Float64bits(v.Float()))
	case reflect.Array: // int128, int256
		for i := range v.Len() {
			hashNumber(h, v.Index(i).Uint())
		}
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		hashNumber(h, v.Uint())
	default:
		hashNumber(h, uint64(v.Int()))
	}
}

func hashNumber(h hash.Hash64, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	h.Write(b[:]) // never fails
}
