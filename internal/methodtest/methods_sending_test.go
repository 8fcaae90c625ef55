package methodtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator/model"
)

func TestMethod16_SendMessage(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	heard := boris.expect(t, func(e *client.Event) bool { return e.GetMessageNew().GetText() == "hello" })
	sent := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("hello")))(t)
	kept := posts(boris.UserID, model.UserPeer(anna.UserID))
	if len(kept) != 1 || kept[0].Text != "hello" || kept[0].From != anna.UserID || kept[0].Copies[anna.UserID] != int(sent.Message.GetId()) {
		t.Errorf("the simulator has %+v; the caller got message %d", kept, sent.Message.GetId())
	}
	if m := heard().GetMessageNew(); int(m.GetId()) != kept[0].ID || m.GetSender().GetId() != anna.UserID {
		t.Errorf("heard %v", m)
	}
	if out, err := cli(t, "send", anna.ID(), boris.Ref(), "by hand"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := texts(posts(boris.UserID, model.UserPeer(anna.UserID))); !slices.Equal(got, []string{"hello", "by hand"}) {
		t.Errorf("the simulator has %q", got)
	}
}

func TestMethod17_SendToSelf(t *testing.T) {
	t.Parallel()
	p := start(t)
	anna := p.account(t)
	if err := p.sim.Refuse("contacts.resolveUsername", 400, "USERNAME_INVALID", 1); err != nil { // nothing is resolved
		t.Fatal(err)
	}
	sent := must(anna.SendMessage(deadline(t), client.Self, client.Text("note")))(t)
	var kept []int
	p.sim.World().Do(func() { kept = p.sim.World().Users[anna.UserID].Dialogs[model.UserPeer(anna.UserID)].IDs })
	if len(kept) != 1 || kept[0] != int(sent.Message.GetId()) {
		t.Errorf("the simulator has %v, the caller %v", kept, sent.Message)
	}
}

func TestMethod18_SendMessageToPeer(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	group := must(sim.World().Gather("Writers", anna.UserID, boris.UserID))(t)
	must(anna.Sync(deadline(t), false))(t)
	peer := must(anna.ResolvePeer(deadline(t), boris.Ref()))(t)
	for _, to := range []int64{peer.GetId(), -1_000_000_000_000 - group} {
		must(anna.SendMessage(deadline(t), fmt.Sprint(to), client.Text("hello")))(t)
	}
	_, err := anna.SendMessage(deadline(t), "4242424242", client.Text("hello"))
	refused(t, err, "PEER_UNKNOWN")
	for _, chat := range []model.Peer{model.UserPeer(anna.UserID), model.ChannelPeer(group)} {
		if got := texts(posts(boris.UserID, chat)); !slices.Contains(got, "hello") {
			t.Errorf("in %v the simulator has %q", chat, got)
		}
	}
}
