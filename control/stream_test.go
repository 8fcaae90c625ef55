package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

func stored(t *testing.T, payload any) []byte {
	t.Helper()
	data, err := tlupdates.Encode(payload)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func messageEvent(t *testing.T, cursor, text string) Event {
	m := &tg.Message{ID: 5, PeerID: &tg.PeerUser{UserID: 1002}, Date: 100, Message: text}
	return Event{Cursor: cursor, Account: "a", Kind: tlupdates.KindMessageNew, ID: "pts:" + cursor, Time: time.Unix(7, 0),
		Payload: stored(t, tlupdates.Payload{Message: m})}
}

// collect reads a stream to its end.
func collect(t *testing.T, url string, req *v1.SubscribeRequest) []*v1.Event {
	t.Helper()
	client := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url)
	stream, err := client.Subscribe(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var out []*v1.Event
	for n := 0; stream.Receive(); n++ {
		if n == 0 {
			if stream.Msg().GetStarted() == nil {
				t.Error("the stream did not begin with started")
			}
			continue
		}
		out = append(out, stream.Msg().GetEvent())
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSubscribeGoesOnAtAPosition(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].peers.Put(telegram.Peer{Kind: telegram.PeerUser, ID: 1002, Title: "Bob"})
	for _, c := range []string{"1", "2", "3"} {
		h.append(messageEvent(t, c, "text "+c))
	}
	url, _ := h.start()
	all := collect(t, url, &v1.SubscribeRequest{Position: Begin, UntilNow: true})
	if len(all) != 3 || all[2].GetMessageNew().GetText() != "text 3" || all[0].GetMessageNew().GetSender().GetTitle() != "Bob" {
		t.Fatalf("got %v", all)
	}
	if all[0].GetTl() != nil || all[0].GetJson() != "" {
		t.Error("raw bytes were not asked for")
	}
	rest := collect(t, url, &v1.SubscribeRequest{Position: all[0].GetCursor(), UntilNow: true, Raw: true, Accounts: []string{"a"}})
	if len(rest) != 2 || rest[0].GetCursor() != "2" || len(rest[0].GetTl()) == 0 || !strings.Contains(rest[0].GetJson(), `"_":"message"`) {
		t.Fatalf("got %v", rest)
	}
	_, out := post(t, url, "UserService/GetMe", `{}`)
	if out["code"] == nil {
		t.Error("unary calls stopped")
	}
}

func TestEventPayloads(t *testing.T) {
	h := newHouse(t)
	state, err := json.Marshal(StateChange{From: "connecting", To: "online", Reason: "X", Message: "m"})
	if err != nil {
		t.Fatal(err)
	}
	var unknown bin.Buffer
	unknown.PutUint32(0xdeadbeef)
	for _, e := range []Event{
		{Kind: tlupdates.KindMessageEdited, Payload: stored(t, tlupdates.Payload{Message: &tg.Message{ID: 6, PeerID: &tg.PeerChat{ChatID: 4}, EditDate: 9}})},
		{Kind: tlupdates.KindMessageDeleted, Payload: stored(t, tlupdates.Payload{Update: &tg.UpdateDeleteMessages{Messages: []int{7}}})},
		{Kind: tlupdates.KindMessageDeleted, Payload: stored(t, tlupdates.Payload{Update: &tg.UpdateDeleteChannelMessages{ChannelID: 5, Messages: []int{8}}})},
		{Kind: updates.KindGap, Payload: stored(t, updates.Gap{Box: updates.ChannelBox(5), From: 3, To: 9, Reason: updates.GapTooLong})},
		{Kind: KindAccountState, Payload: state},
		{Kind: tlupdates.KindUserStatus, Payload: stored(t, tlupdates.Payload{Update: &tg.UpdateUserStatus{UserID: 1, Status: &tg.UserStatusRecently{}}})},
		{Kind: tlupdates.KindRaw, Payload: stored(t, tlupdates.Payload{Raw: unknown.Buf})},
		{Kind: "broken", Payload: []byte{9}},
		{Kind: updates.KindGap, Payload: stored(t, updates.Gap{Reason: "these events are no longer retained"})},
	} {
		e.Account = "a"
		h.append(e)
	}
	url, _ := h.start()
	got := collect(t, url, &v1.SubscribeRequest{Position: Begin, UntilNow: true})
	if len(got) != 9 {
		t.Fatalf("%d events", len(got))
	}
	if m := got[0].GetMessageEdited(); m.GetId() != 6 || m.GetPeer().GetId() != -4 || m.GetEditDate().GetSeconds() != 9 {
		t.Errorf("edited: %v", m)
	}
	if d := got[1].GetMessagesDeleted(); d.GetPeer() != nil || !slices.Equal(d.GetIds(), []int32{7}) {
		t.Errorf("deleted: %v", d)
	}
	if d := got[2].GetMessagesDeleted(); d.GetPeer().GetId() != -1000000000005 {
		t.Errorf("deleted in channel: %v", d)
	}
	if g := got[3].GetGap(); g.GetBox() != "channel:5" || g.GetFrom() != 3 || g.GetTo() != 9 || g.GetReason() == "" {
		t.Errorf("gap: %v", g)
	}
	if s := got[4].GetAccountState(); s.GetFrom() != v1.AccountState_ACCOUNT_STATE_CONNECTING || s.GetTo() != v1.AccountState_ACCOUNT_STATE_ONLINE || s.GetReason() != "X" {
		t.Errorf("state: %v", s)
	}
	if u := got[5].GetUserStatus(); u.GetUser().GetId() != 1 || u.GetStatus() != v1.OnlineStatus_ONLINE_STATUS_RECENTLY || got[5].GetJson() != "" {
		t.Errorf("typed update, not asked for in the raw: %v", got[5])
	}
	if got[6].GetUpdate().GetName() != "0xdeadbeef" || len(got[6].GetTl()) != 4 || got[6].GetJson() != "" {
		t.Errorf("raw: %v", got[6])
	}
	if g := got[8].GetGap(); g.GetBox() != "log" || g.GetReason() != "these events are no longer retained" {
		t.Errorf("gap of the log: %v", g)
	}
	if got[7].GetUpdate().GetName() != "unreadable" || len(got[7].GetTl()) != 1 {
		t.Errorf("broken: %v", got[7])
	}
}

func TestSubscribeRefusesBadSelections(t *testing.T) {
	h := newHouse(t)
	url, _ := h.start()
	client := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url)
	for reason, req := range map[string]*v1.SubscribeRequest{
		"ACCOUNT_UNKNOWN":    {Accounts: []string{"b"}},
		"ACCOUNT_ID_INVALID": {Accounts: []string{"B"}},
		"POSITION_INVALID":   {Position: "x"},
	} {
		stream, err := client.Subscribe(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive() {
			t.Errorf("%s: got an item", reason)
		}
		wantDetail(t, stream.Err(), reason)
		stream.Close()
	}
}

func wantDetail(t *testing.T, err error, reason string) {
	t.Helper()
	var ce *connect.Error
	if !asConnect(err, &ce) || len(ce.Details()) != 1 {
		t.Fatalf("got %v, want %s", err, reason)
	}
	v, verr := ce.Details()[0].Value()
	if d, ok := v.(*v1.ErrorDetail); verr != nil || !ok || d.GetReason() != reason {
		t.Errorf("got %v, want %s", v, reason)
	}
}

func TestShutdownEndsStreamsAndLetsCallsFinish(t *testing.T) {
	h := newHouse(t)
	entered, release := make(chan struct{}), make(chan struct{})
	h.envs["a"].on = func(context.Context, bin.Encoder) (bin.Encoder, error) {
		close(entered)
		<-release
		return alice, nil
	}
	url, s := h.start()
	stream, err := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url).Subscribe(t.Context(), &v1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if !stream.Receive() || stream.Msg().GetStarted() == nil {
		t.Fatal("the stream did not start")
	}
	h.append(messageEvent(t, "1", "live"))
	if !stream.Receive() || stream.Msg().GetEvent().GetMessageNew().GetText() != "live" {
		t.Fatal("no live event")
	}
	call := make(chan error, 1)
	go func() {
		_, err := orchestratorv1connect.NewUserServiceClient(http.DefaultClient, url).GetMe(context.Background(), &v1.GetMeRequest{Account: "a"})
		call <- err
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	if stream.Receive() {
		t.Error("an item after the end")
	}
	wantDetail(t, stream.Err(), "SHUTTING_DOWN")
	close(release)
	if err := <-call; err != nil {
		t.Errorf("the running call: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-s.Done()
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	h := newHouse(t)
	entered := make(chan struct{})
	h.envs["a"].on = func(ctx context.Context, _ bin.Encoder) (bin.Encoder, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	url, s := h.start()
	call := make(chan error, 1)
	go func() {
		_, err := orchestratorv1connect.NewUserServiceClient(http.DefaultClient, url).GetMe(context.Background(), &v1.GetMeRequest{Account: "a"})
		call <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("an aborted shutdown was reported as clean")
	}
	if err := <-call; err == nil {
		t.Error("the call succeeded")
	}
}

func TestSlowSubscriberIsPulled(t *testing.T) {
	h := newHouse(t)
	pulled := make(chan int, 1000)
	h.cfg.Events = counting{events{h}, pulled}
	for range 400 {
		h.append(messageEvent(t, "c", strings.Repeat("x", 64<<10)))
	}
	url, _ := h.start()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url).Subscribe(ctx, &v1.SubscribeRequest{Position: Begin})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	stream.Receive() // and no further: 25 MiB do not fit into the buffers of a socket
	if n := len(pulled); n >= 400 {
		t.Errorf("%d events were read for a consumer that takes none", n)
	}
}

// counting counts the events that are pulled.
type counting struct {
	events
	pulled chan int
}

func (c counting) Subscribe(ctx context.Context, opts SubscribeOptions) (Subscription, error) {
	inner, err := c.events.Subscribe(ctx, opts)
	return Subscription{Position: inner.Position, Events: func(yield func(Event, error) bool) {
		for e, err := range inner.Events {
			c.pulled <- 1
			if !yield(e, err) {
				return
			}
		}
	}}, err
}

// TestStreamTellsWhereItBegins: what happens after a stream has broken before its first event is
// had by opening it again at the position that it told.
func TestStreamTellsWhereItBegins(t *testing.T) {
	h := newHouse(t)
	h.append(messageEvent(t, "1", "old"))
	url, _ := h.start()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url).Subscribe(ctx, &v1.SubscribeRequest{})
	if err != nil || !stream.Receive() {
		t.Fatal(err, stream.Err())
	}
	position := stream.Msg().GetStarted().GetPosition()
	cancel()
	_ = stream.Close()
	h.append(messageEvent(t, "2", "meanwhile"))
	got := collect(t, url, &v1.SubscribeRequest{Position: position, UntilNow: true})
	if len(got) != 1 || got[0].GetMessageNew().GetText() != "meanwhile" {
		t.Errorf("from %q came %v", position, got)
	}
}

func TestAccountsPages(t *testing.T) {
	h := newHouse(t)
	for _, id := range []fleet.AccountID{"b", "c", "d"} {
		h.own(id, nil)
		h.list[string(id)].Labels = map[string]string{"role": "bot", "id": string(id)}
	}
	url, _ := h.start()
	client := orchestratorv1connect.NewFleetServiceClient(http.DefaultClient, url)
	var got []string
	req := &v1.ListAccountsRequest{PageSize: 2}
	for {
		page, err := client.ListAccounts(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.GetAccounts() {
			got = append(got, a.GetId())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("got %v", got)
	}
	for selector, want := range map[string]int{"role=bot": 3, "role=bot,id!=b": 2, "role": 3, "!role": 1, "role==bot": 3, "role!=bot": 1, "id=c": 1} {
		page, err := client.ListAccounts(t.Context(), &v1.ListAccountsRequest{Selector: selector})
		if err != nil || len(page.GetAccounts()) != want {
			t.Errorf("%s: %d, %v", selector, len(page.GetAccounts()), err)
		}
	}
}

func asConnect(err error, target **connect.Error) bool { return errors.As(err, target) }

// starting is a fleet whose account is owned here and does not run.
type starting struct {
	*house
	asked chan struct{}
}

func (s starting) Env(ctx context.Context, _ fleet.AccountID) (telegram.Env, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAccountThatDoesNotRunDoesNotHoldUpItsEvents(t *testing.T) {
	h := newHouse(t)
	s := starting{h, make(chan struct{}, 1000)}
	h.cfg.Fleet = s
	for range 500 {
		h.append(messageEvent(t, "c", "x"))
	}
	url, _ := h.start()
	got := collect(t, url, &v1.SubscribeRequest{Position: Begin, UntilNow: true})
	if len(got) != 500 || got[0].GetMessageNew().GetPeer().GetId() != 1002 {
		t.Errorf("%d events", len(got))
	}
	if n := len(s.asked); n > 20 { // once every few seconds, not once an event
		t.Errorf("the account was asked for %d times", n)
	}
}
