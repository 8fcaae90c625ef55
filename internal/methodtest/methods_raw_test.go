package methodtest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/tgraw"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
)

func TestMethod58_GoValues(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	raw := tg.NewClient(tgraw.New(anna.Account))
	found := must(raw.ContactsResolveUsername(deadline(t), &tg.ContactsResolveUsernameRequest{Username: boris.Username}))(t)
	user, _ := found.Users[0].(*tg.User)
	must(raw.MessagesSendMessage(deadline(t), &tg.MessagesSendMessageRequest{Peer: user.AsInputPeer(), Message: "typed", RandomID: 5}))(t)
	if kept := texts(posts(boris.UserID, model.UserPeer(anna.UserID))); len(kept) != 1 || kept[0] != "typed" {
		t.Errorf("the simulator has %q", kept)
	}
	_, err := raw.ContactsResolveUsername(deadline(t), &tg.ContactsResolveUsernameRequest{Username: "nobody_at_all"})
	if !tgerr.Is(err, "USERNAME_NOT_OCCUPIED") || !errors.Is(err, client.Reason("USERNAME_NOT_OCCUPIED")) {
		t.Errorf("got %v", err)
	}
}

// TestMethod59_InvokeOnDC: at each DC the call runs with the account's login, the CDN's excepted, and
// the home stays where it is.
func TestMethod59_InvokeOnDC(t *testing.T) {
	t.Parallel()
	anna := account(t, func(s *simulator.UserSpec) { s.HomeDC = 1 })
	nearest := func(dc int) int {
		t.Helper()
		answer := must(anna.InvokeJSON(deadline(t), []byte(`{"_":"help.getNearestDc"}`), client.OnDC(dc)))(t)
		var out struct {
			This int `json:"this_dc"`
		}
		if err := json.Unmarshal(answer, &out); err != nil {
			t.Fatal(err)
		}
		return out.This
	}
	for _, dc := range []int{2, 3, cdnDC} {
		if got := nearest(dc); got != dc {
			t.Errorf("asked at DC %d, answered by %d", dc, got)
		}
	}
	if got := nearest(0); got != 1 {
		t.Errorf("the home has moved to %d", got)
	}
	on3 := tg.NewClient(tgraw.New(anna.Account, client.OnDC(3)))
	self := must(on3.UsersGetUsers(deadline(t), []tg.InputUserClass{&tg.InputUserSelf{}}))(t)
	if me, ok := self[0].(*tg.User); !ok || me.ID != anna.UserID {
		t.Errorf("at DC 3 the account is %v", self)
	}
	if keys := sim.World().Keys(anna.UserID); len(keys) != 1 {
		t.Errorf("at home it has %d keys", len(keys))
	}
	_, err := anna.InvokeJSON(context.WithoutCancel(deadline(t)), []byte(`{"_":"help.getNearestDc"}`), client.OnDC(77))
	refused(t, err, "DC_UNKNOWN")
	out, err := cli(t, "call", anna.ID(), "help.getNearestDc", "--dc", "2")
	if err != nil || !contains(out, `"this_dc":2`) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := cli(t, "schema", "messages.sendMessage"); err != nil || !contains(out, "method messages.sendMessage#", "= Updates", "random_id", "long", "(may be left out)") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := cli(t, "schema", "messages.sendMesage"); err == nil {
		t.Errorf("a mistyped name: %s", out)
	}
}
