package peerview

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
)

func TestNamesAreBelievedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, err := peers.NewCache(t.Context(), peers.NewMemory(), "a", 10)
		if err != nil {
			t.Fatal(err)
		}
		var v View
		v.SetCache(cache)
		boris := telegram.Peer{Kind: telegram.PeerUser, ID: 7, AccessHash: 8, Username: "boris"}
		v.Put(boris)
		if _, ok := v.ByUsername("boris"); ok {
			t.Error("a name that was never looked up is believed")
		}
		v.Learn("Boris", boris)
		if p, ok := v.ByUsername("@BORIS"); !ok || p.AccessHash != 8 {
			t.Errorf("got %+v, %v", p, ok)
		}
		time.Sleep(nameFresh)
		if _, ok := v.ByUsername("boris"); ok {
			t.Error("it is believed for ever")
		}
		v.Learn("boris", boris)
		v.Put(telegram.Peer{Kind: telegram.PeerUser, ID: 7, Username: "bob", Renamed: true})
		if _, ok := v.ByUsername("boris"); ok {
			t.Error("a renamed user is still found by the old name")
		}
		if p, ok := v.Get(telegram.PeerUser, 7); !ok || p.Username != "bob" || p.AccessHash != 8 {
			t.Errorf("the renamed user is %+v", p)
		}
		v.Learn("nobody", telegram.Peer{})
		if !v.Vacant("nobody") || v.Vacant("boris") {
			t.Error("a vacant name is not remembered")
		}
		time.Sleep(vacantFresh)
		if v.Vacant("nobody") {
			t.Error("a vacant name is remembered for ever")
		}
	})
}
