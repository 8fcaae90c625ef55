package methodtest

import (
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
