package telegram

import (
	"context"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

func TestRawCallsKeepTheirForm(t *testing.T) {
	ctx := context.Background()
	env := script(t, step{"users.getUsers", &tg.UserClassVector{Elems: []tg.UserClass{bob}}})
	got, err := InvokeJSON(ctx, env, 0, []byte(`{"_":"users.getUsers","id":[{"_":"inputUserSelf"}]}`))
	if err != nil || string(got[:14]) != `[{"_":"user","` {
		t.Fatalf("%s, %v", got, err)
	}
	if _, ok := env.peers.Get(PeerUser, bob.ID); !ok {
		t.Error("the answer did not feed the peers")
	}
	var call bin.Buffer
	_ = (&tg.AccountUpdateStatusRequest{}).Encode(&call)
	tl, err := InvokeTL(ctx, script(t, step{"account.updateStatus", &tg.BoolTrue{}}), 0, call.Buf)
	if err != nil || len(tl) != 4 {
		t.Fatalf("%x, %v", tl, err)
	}
}

func TestRawCallsAreChecked(t *testing.T) {
	ctx := context.Background()
	for _, call := range []string{`{}`, `{"_":"user"}`, `{"_":"users.getUsers","ids":[]}`,
		`{"_":"invokeWithLayer","layer":1,"query":{"_":"help.getConfig"}}`} {
		_, err := InvokeJSON(ctx, script(t), 0, []byte(call))
		wantReason(t, err, "CALL_INVALID")
	}
	_, err := InvokeTL(ctx, script(t), 0, []byte{1, 2, 3})
	wantReason(t, err, "CALL_INVALID")
	_, err = InvokeJSON(ctx, script(t, step{"help.getConfig", rpc(420, "FLOOD_WAIT_9")}), 0, []byte(`{"_":"help.getConfig"}`))
	if own := wantReason(t, err, "FLOOD_WAIT"); own.Method != "help.getConfig" || own.Argument != 9 {
		t.Errorf("%+v", own)
	}
}
