package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"google.golang.org/protobuf/types/known/anypb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
)

// exchange opens an Exchange with the node and ends with ctx.
func (s server) exchange(ctx context.Context) (send func(*v1.ExchangeRequest) error, receive func() (*v1.ExchangeReply, error)) {
	s.t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	s.t.Cleanup(transport.CloseIdleConnections)
	stream, err := orchestratorv1connect.NewControlServiceClient(&http.Client{Transport: transport}, s.url).Exchange(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = stream.CloseResponse() })
	return stream.Send, stream.Receive
}

// TestKilledNodeSendsNothingTwice: kill -9 while named commands flow over one Exchange, restart,
// all commands again. Each message was sent once, and each command has the reply that names it.
func TestKilledNodeSendsNothingTwice(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, userAnna)
	boris := addUser(t, sim, userBoris)
	files := newNode(t, dcFile)
	node := files.serve()
	node.signIn(sim, "anna", userAnna.Phone, "")
	former := node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE).GetStatus().GetNode()
	const commands, answered = 100, 40
	text := func(i uint64) string { return fmt.Sprintf("number %d", i) }
	sendAll := func(send func(*v1.ExchangeRequest) error) {
		for i := range uint64(commands) {
			packed, err := anypb.New(&v1.SendMessageRequest{
				Account: "anna", Peer: "@" + boris.Username, Message: &v1.InputMessage{Text: text(i)},
			})
			if err != nil {
				t.Error(err)
				return
			}
			if send(&v1.ExchangeRequest{Id: i + 1, Content: &v1.ExchangeRequest_Command{
				Command: &v1.ExchangeCommand{Method: "MessageService/SendMessage", Request: packed, RequestId: fmt.Sprintf("request-%d", i)},
			}}) != nil {
				return // killed
			}
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	send, receive := node.exchange(ctx)
	go sendAll(send)
	known := map[uint64]*v1.SendMessageReply{}
	take := func(m *v1.ExchangeReply) *v1.SendMessageReply {
		t.Helper()
		reply := new(v1.SendMessageReply)
		if err := m.GetReply().UnmarshalTo(reply); err != nil {
			t.Fatalf("command %d: %v, %v", m.GetId(), m.GetError(), err)
		}
		return reply
	}
	for range answered {
		m, err := receive()
		if err != nil {
			t.Fatal(err)
		}
		known[m.GetId()] = take(m)
	}
	node.kill() // some commands were sent, with and without an outcome stored, some are on their way, some not read

	node = files.serve()
	node.awaitOnlineAgain("anna", former)
	send, receive = node.exchange(ctx)
	go sendAll(send)
	found := map[int32]bool{}
	repeated := 0
	for range commands {
		m, err := receive()
		if err != nil {
			t.Fatal(err)
		}
		reply := take(m)
		if reply.GetMessage().GetText() != text(m.GetId()-1) || found[reply.GetMessage().GetId()] {
			t.Errorf("command %d got %v", m.GetId(), reply)
		}
		found[reply.GetMessage().GetId()] = true
		if m.GetRepeated() {
			repeated++
		}
		if before := known[m.GetId()]; before != nil && (before.GetMessage().GetId() != reply.GetMessage().GetId() || !m.GetRepeated()) {
			t.Errorf("command %d got message %d, then %v", m.GetId(), before.GetMessage().GetId(), reply)
		}
	}
	if repeated < answered {
		t.Errorf("%d commands are repeated, %d were answered before", repeated, answered)
	}
	history, err := orchestratorv1connect.NewMessageServiceClient(http.DefaultClient, node.url).GetHistory(ctx, &v1.GetHistoryRequest{
		Account: "anna", Peer: "@" + boris.Username, Limit: 2 * commands,
	})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]int{}
	for _, m := range history.GetMessages() {
		texts[m.GetText()]++
	}
	for i := range uint64(commands) {
		if n := texts[text(i)]; n != 1 {
			t.Errorf("%q was sent %d times", text(i), n)
		}
	}
	t.Logf("%d of %d were repeated, %d of them answered before the kill", repeated, commands, answered)
}
