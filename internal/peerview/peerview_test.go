package peerview

import (
	"testing"

	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
)

func TestViewKnowsNobodyBeforeItsCache(t *testing.T) {
	var v View
	if _, ok := v.Get(telegram.PeerUser, 1); ok || v.KnowsUser(1) || v.KnowsChat(1) {
		t.Error("an empty view knows somebody")
	}
	v.Put(telegram.Peer{Kind: telegram.PeerUser, ID: 1, AccessHash: 2}) // nowhere to put it: no panic
}

func TestViewShowsPeersSelfAndChannels(t *testing.T) {
	cache, err := peers.NewCache(t.Context(), peers.NewMemory(), "a", 10)
	if err != nil {
		t.Fatal(err)
	}
	var v View
	v.SetCache(cache)
	v.SetSelf(42)
	v.Put(
		telegram.Peer{Kind: telegram.PeerUser, ID: 1, AccessHash: 11, Username: "anna"},
		telegram.Peer{Kind: telegram.PeerChannel, ID: 2, AccessHash: 22},
		telegram.Peer{Kind: telegram.PeerChannel, ID: 3, AccessHash: 33, Min: true},
	)
	v.Learn("anna", telegram.Peer{Kind: telegram.PeerUser, ID: 1})
	if p, ok := v.ByUsername("Anna"); !ok || p.ID != 1 || p.AccessHash != 11 {
		t.Errorf("anna: %+v, %t", p, ok)
	}
	if p, ok := v.Get(telegram.PeerUser, 0); !ok || p.ID != 42 || !p.Self {
		t.Errorf("self: %+v, %t", p, ok)
	}
	if _, ok := v.InputChannel(2); !ok {
		t.Error("a channel with its hash cannot be addressed")
	}
	if _, ok := v.InputChannel(3); ok {
		t.Error("a min channel's hash must not be used")
	}
}
