package mtproto

import (
	"cmp"
	"slices"
)

// index finds calls by a key. Keys come nearly in order and calls end nearly in order, so that a
// sorted slice is as quick as a map, and smaller. Its room is given back at rest.
type index[K cmp.Ordered] []indexed[K]

type indexed[K cmp.Ordered] struct {
	key  K
	call *call
}

func (x index[K]) find(key K) (int, bool) {
	return slices.BinarySearchFunc(x, key, func(e indexed[K], key K) int { return cmp.Compare(e.key, key) })
}

// get is the call of a key, nil if there is none.
func (x index[K]) get(key K) *call {
	if at, found := x.find(key); found {
		return x[at].call
	}
	return nil
}

// put sets the call of a key that has none.
func (x *index[K]) put(key K, one *call) {
	at := len(*x)
	if at > 0 && key < (*x)[at-1].key {
		at, _ = x.find(key)
	}
	*x = slices.Insert(*x, at, indexed[K]{key, one})
}

// drop removes a key; one that has no call is ignored.
func (x *index[K]) drop(key K) {
	if at, found := x.find(key); found {
		*x = slices.Delete(*x, at, at+1)
	}
}
