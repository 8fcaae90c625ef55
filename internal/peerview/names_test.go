package peerview

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
)

func viewOf(t *testing.T) *View {
	t.Helper()
	cache, err := peers.NewCache(t.Context(), peers.NewMemory(), "a", 10)
	if err != nil {
		t.Fatal(err)
	}
	v := &View{}
	v.SetCache(cache)
	return v
}

func TestNamesAreBelievedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := viewOf(t)
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
		if p, ok := v.Recall("boris"); !ok || p.ID != 7 {
			t.Errorf("whom to ask is %+v, %v", p, ok)
		}
		v.Learn("nobody", telegram.Peer{})
		if !v.Vacant("nobody") || v.Vacant("boris") {
			t.Error("a vacant name is not remembered")
		}
		if _, ok := v.Recall("nobody"); ok {
			t.Error("nobody can be asked")
		}
		time.Sleep(nameFresh)
		if v.Vacant("nobody") {
			t.Error("a vacant name is remembered for ever")
		}
	})
}

// TestSightingsTellOfNames: of whoever has a name that was looked up, or had it.
func TestSightingsTellOfNames(t *testing.T) {
	const (
		believed  = "believed"
		doubtful  = "to be asked"
		forgotten = "forgotten"
	)
	for _, kind := range []telegram.PeerKind{telegram.PeerUser, telegram.PeerChannel} {
		for what, c := range map[string]struct {
			seen telegram.Peer
			want string
		}{
			"the same":                   {telegram.Peer{ID: 7, AccessHash: 8, Username: "News"}, believed},
			"the same among others":      {telegram.Peer{ID: 7, AccessHash: 8, Username: "main", Usernames: []string{"main", "news"}}, believed},
			"without, but reduced":       {telegram.Peer{ID: 7, Min: true}, believed},
			"somebody else":              {telegram.Peer{ID: 9, AccessHash: 8, Username: "other"}, believed},
			"without":                    {telegram.Peer{ID: 7, AccessHash: 8}, forgotten},
			"another name":               {telegram.Peer{ID: 7, AccessHash: 8, Username: "other"}, forgotten},
			"told to be renamed":         {telegram.Peer{ID: 7, Username: "other", Renamed: true}, forgotten},
			"somebody else, by the name": {telegram.Peer{ID: 9, AccessHash: 8, Username: "news"}, forgotten},
			"by the name, reduced":       {telegram.Peer{ID: 9, Min: true, Username: "news"}, forgotten},
			"by the name among others":   {telegram.Peer{ID: 9, AccessHash: 8, Usernames: []string{"a", "news"}}, forgotten},
			"changed somehow":            {telegram.Peer{ID: 7, Changed: true}, doubtful},
		} {
			v := viewOf(t)
			owner := telegram.Peer{Kind: kind, ID: 7, AccessHash: 8, Username: "news"}
			v.Put(owner)
			v.Learn("news", owner)
			c.seen.Kind = kind
			v.Put(c.seen)
			got := forgotten
			if _, ok := v.Recall("news"); ok {
				got = doubtful
			}
			if _, ok := v.ByUsername("news"); ok {
				got = believed
			}
			if p, _ := v.Get(kind, 7); got != c.want || p.AccessHash != 8 {
				t.Errorf("%s, seen %s: the name is %s, want %s; the peer is %+v", kind, what, got, c.want, p)
			}
		}
	}
}

// registry is Telegram's list of public channels, asked by an account that has joined none of them. It is
// a telegram.Env.
type registry struct {
	telegram.Env
	view  *View
	names map[string]int64 // their channels
	asked []string
}

func (r *registry) Peers() telegram.Peers { return r.view }

func (r *registry) Invoke(_ context.Context, in bin.Encoder, out bin.Decoder) error {
	channel := func(id int64) tg.ChatClass {
		ch := &tg.Channel{ID: id, AccessHash: 1000 + id, Title: "news", Photo: &tg.ChatPhotoEmpty{}}
		for name, owner := range r.names {
			if owner == id {
				ch.Username = name
			}
		}
		ch.SetFlags()
		return ch
	}
	var answer bin.Encoder
	switch q := in.(type) {
	case *tg.ContactsResolveUsernameRequest:
		r.asked = append(r.asked, "whose is "+q.Username)
		id, ok := r.names[q.Username]
		if !ok {
			return tgerr.New(400, "USERNAME_NOT_OCCUPIED")
		}
		answer = &tg.ContactsResolvedPeer{Peer: &tg.PeerChannel{ChannelID: id}, Chats: []tg.ChatClass{channel(id)}}
	case *tg.ChannelsGetChannelsRequest:
		id := q.ID[0].(*tg.InputChannel).ChannelID
		r.asked = append(r.asked, fmt.Sprint("who is ", id))
		ch := channel(id)
		if ch.(*tg.Channel).Username == "" { // private now
			return tgerr.New(406, "CHANNEL_PRIVATE")
		}
		answer = &tg.MessagesChats{Chats: []tg.ChatClass{ch}}
	}
	var b bin.Buffer
	if err := answer.Encode(&b); err != nil {
		return err
	}
	if err := out.Decode(&b); err != nil {
		return err
	}
	r.view.Put(telegram.Sightings(out)...)
	return nil
}

// TestNameThatChangedHandsUnseenIsAskedFor: an account that shares no chat with the owners hears of
// nothing. It asks the former owner, and looks the name up only when that has lost it.
func TestNameThatChangedHandsUnseenIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{view: viewOf(t), names: map[string]int64{"news": 1, "daily": 2}}
		resolve := func(want int64, asked ...string) {
			t.Helper()
			r.asked = nil
			p, err := telegram.ResolveUsername(t.Context(), r, "@news")
			if want == 0 && err == nil || want != 0 && (err != nil || p.ID != want || !p.Usable()) {
				t.Errorf("got %+v, %v; want %d", p, err, want)
			}
			if !slices.Equal(r.asked, asked) {
				t.Errorf("Telegram was asked %q, want %q", r.asked, asked)
			}
		}
		resolve(1, "whose is news")
		resolve(1)
		time.Sleep(nameFresh)
		resolve(1, "who is 1")
		resolve(1)
		r.names = map[string]int64{"old": 1, "news": 2}
		time.Sleep(nameFresh)
		resolve(2, "who is 1", "whose is news")
		r.names = map[string]int64{"news": 3}
		time.Sleep(nameFresh)
		resolve(3, "who is 2", "whose is news") // the owner does not answer any more
		r.names = nil
		time.Sleep(nameFresh)
		resolve(0, "who is 3", "whose is news")
		resolve(0)
	})
}
