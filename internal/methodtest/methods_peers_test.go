package methodtest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

func TestMethod56_ResolvePeer(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	group := must(sim.World().Gather("Readers", boris.UserID, anna.UserID))(t)
	channel := fmt.Sprint(-1_000_000_000_000 - group)
	must(anna.Sync(deadline(t), false))(t)
	number := fmt.Sprint(boris.UserID)
	for text, want := range map[string]string{
		"me": fmt.Sprint(anna.UserID), "self": fmt.Sprint(anna.UserID), boris.Ref(): number, boris.Username: number, boris.Phone: number,
		"t.me/" + boris.Username: number, "https://t.me/" + boris.Username + "?start=x": number, "tg://resolve?domain=" + boris.Username: number,
		"https://t.me/" + boris.Phone: number, "tg://resolve?phone=" + boris.Phone[1:]: number, channel: channel,
	} {
		if peer, err := anna.ResolvePeer(deadline(t), text); err != nil || fmt.Sprint(peer.GetId()) != want {
			t.Errorf("%s: %v, %v; want %s", text, peer, err, want)
		}
	}
	for text, want := range map[string]client.Reason{
		"99999999": "PEER_UNKNOWN", "@nobody_at_all": "USERNAME_NOT_OCCUPIED", "+19995550000": "PHONE_NOT_OCCUPIED",
		"t.me/+AbCdEf": "PEER_INVALID", "t.me/joinchat/AbCdEf": "PEER_INVALID", "?": "PEER_INVALID",
	} {
		_, err := anna.ResolvePeer(deadline(t), text)
		refused(t, err, want)
	}
	if out, err := cli(t, "resolve", anna.ID(), boris.Ref()); err != nil || !contains(out, number) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestMethod58_Invoke(t *testing.T) {
	t.Parallel()
	anna := account(t)
	must(anna.InvokeJSON(deadline(t), []byte(`{"_":"messages.sendMessage","peer":{"_":"inputPeerSelf"},"message":"raw","random_id":"7"}`)))(t)
	kept := posts(anna.UserID, model.UserPeer(anna.UserID))
	if len(kept) != 1 || kept[0].Text != "raw" {
		t.Errorf("the simulator has %+v", kept)
	}
	for _, call := range []string{
		`{"_":"messages.sendMessage","peer":{"_":"inputPeerSelf"},"massage":"x","random_id":8}`, // unknown field
		`{"_":"messages.sendMessage","peer":{"_":"inputPeerSelf"},"message":7,"random_id":8}`,   // wrong type
		`{"_":"messages.sendMessage","peer":{"_":"inputPeerSelf"},"message":"x"}`,               // missing
		`{"_":"no.such"}`,
	} {
		_, err := anna.InvokeJSON(deadline(t), []byte(call))
		refused(t, err, "CALL_INVALID")
	}
	if out, err := cli(t, "call", anna.ID(), "messages.sendMessage", `{"peer":{"_":"inputPeerSelf"},"message":"by hand","random_id":9}`); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if kept := posts(anna.UserID, model.UserPeer(anna.UserID)); len(kept) != 2 || kept[1].Text != "by hand" {
		t.Errorf("the simulator has %q", texts(kept))
	}
}

func TestMethod57_ResolveUsername(t *testing.T) {
	t.Parallel()
	p := start(t)
	anna, boris := p.account(t), p.account(t)
	var asked atomic.Int32
	p.sim.Faults().SetRPCHook(func(call *mtserver.Call) (int, string) {
		if call.Constructor() == tg.ContactsResolveUsernameRequestTypeID {
			asked.Add(1)
		}
		return 0, ""
	})
	resolve := func(name string, want int64, reason client.Reason, calls int32) {
		t.Helper()
		peer, err := anna.ResolvePeer(deadline(t), name)
		if reason != "" {
			refused(t, err, reason)
		} else if err != nil || peer.GetId() != want {
			t.Errorf("%s: %v, %v", name, peer, err)
		}
		if n := asked.Load(); n != calls {
			t.Errorf("%s: Telegram was asked %d times in all, want %d", name, n, calls)
		}
	}
	old := boris.Username
	resolve(old, boris.UserID, "", 1)
	resolve("@"+old, boris.UserID, "", 1) // remembered
	resolve("nobody_at_all", 0, "USERNAME_NOT_OCCUPIED", 2)
	resolve("nobody_at_all", 0, "USERNAME_NOT_OCCUPIED", 2) // that, too
	heard := anna.expect(t, func(e *client.Event) bool { return e.GetUpdate().GetName() == "updateUserName" })
	w := p.sim.World()
	w.Do(func() {
		user := w.Users[boris.UserID]
		delete(w.Usernames, model.Fold(old))
		user.Username = "another_name"
		w.Usernames[model.Fold(user.Username)] = user.Peer()
		w.SendTo(w.Users[anna.UserID], w.Bundle(w.Users[anna.UserID], &tg.UpdateUserName{
			UserID: boris.UserID, Usernames: []tg.Username{{Active: true, Username: user.Username}},
		}), nil)
	})
	heard()
	resolve(old, 0, "USERNAME_NOT_OCCUPIED", 3) // forgotten with the change
	resolve("another_name", boris.UserID, "", 4)
}

// TestMethod57_NameOfAChannelChangesHands: what is sent by a name reaches who has it now, also when
// another channel has taken it over.
func TestMethod57_NameOfAChannelChangesHands(t *testing.T) {
	t.Parallel()
	p := start(t)
	anna, boris := p.account(t), p.account(t)
	w := p.sim.World()
	first := must(w.Gather("First", boris.UserID, anna.UserID))(t)
	second := must(w.Gather("Second", boris.UserID, anna.UserID))(t)
	number := func(id int64) int64 { return -1_000_000_000_000 - id }
	const name = "the_news_today"
	// rename gives the name to a channel, and tells its members as Telegram does, or nothing at all.
	rename := func(id int64, to string, tell bool) {
		t.Helper()
		w.Do(func() {
			ch := w.Channels[id]
			delete(w.Usernames, model.Fold(ch.Username))
			if ch.Username = to; to != "" {
				w.Usernames[model.Fold(to)] = ch.Peer()
			}
			if tell {
				b := w.Bundle(w.Users[anna.UserID], &tg.UpdateChannel{ChannelID: id})
				b.Refs.Peer(ch.Peer())
				w.SendTo(w.Users[anna.UserID], b, nil)
			}
		})
	}
	resolve := func(want int64) {
		t.Helper()
		if peer, err := anna.ResolvePeer(deadline(t), "@"+name); err != nil || peer.GetId() != number(want) {
			t.Errorf("got %v, %v; want %d", peer, err, number(want))
		}
	}
	rename(first, name, false)
	resolve(first)
	heard := anna.expect(t, func(e *client.Event) bool { return e.GetUpdate().GetName() == "updateChannel" })
	rename(first, "", true)
	heard()
	rename(second, name, false)
	resolve(second) // the first told that it has lost it
	heard = anna.expect(t, func(e *client.Event) bool { return e.GetUpdate().GetName() == "updateChannel" })
	rename(second, "", false)
	rename(first, name, true)
	heard()
	resolve(first) // the first told that it has it
	must(anna.SendMessage(deadline(t), "@"+name, client.Text("to whom it concerns")))(t)
	w.Do(func() {
		ch := w.Channels[first]
		if last := ch.Posts[ch.IDs[len(ch.IDs)-1]]; last.Text != "to whom it concerns" {
			t.Errorf("the first channel got %q", last.Text)
		}
	})
}
