package control

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"golang.org/x/crypto/chacha20poly1305"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
)

// chat is Telegram with one chat: it lets one message through for each random_id.
type chat struct {
	mu       sync.Mutex
	random   map[int64]bool
	messages []*tg.Message // oldest first
	calls    int           // of messages.sendMessage
	refuse   error         // what to answer instead, before random_id is looked at
}

func newChat() *chat { return &chat{random: map[int64]bool{}} }

func (c *chat) answer(_ context.Context, in bin.Encoder) (bin.Encoder, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch in := in.(type) {
	case *tg.MessagesSendMessageRequest:
		c.calls++
		if c.refuse != nil {
			return nil, c.refuse
		}
		if c.random[in.RandomID] {
			return nil, tgerr.New(500, "RANDOM_ID_DUPLICATE")
		}
		c.random[in.RandomID] = true
		m := c.add(in.Message)
		return &tg.Updates{Updates: []tg.UpdateClass{
			&tg.UpdateMessageID{ID: m.ID, RandomID: in.RandomID}, &tg.UpdateNewMessage{Message: m},
		}}, nil
	case *tg.MessagesGetHistoryRequest:
		out := &tg.MessagesMessages{}
		for _, m := range slices.Backward(c.messages) {
			out.Messages = append(out.Messages, m)
		}
		return out, nil
	}
	return nil, fmt.Errorf("unexpected %T", in)
}

func (c *chat) add(text string) *tg.Message {
	m := &tg.Message{ID: len(c.messages) + 1, Out: true, PeerID: &tg.PeerUser{UserID: 1001}, Date: int(time.Now().Unix()), Message: text}
	c.messages = append(c.messages, m)
	return m
}

func (c *chat) sent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.messages)
}

func (c *chat) sends() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// requestNode is a server that owns account "a" under a token.
type requestNode struct {
	t     *testing.T
	h     *house
	token atomic.Int64
	calls orchestratorv1connect.MessageServiceClient
}

func newRequestNode(t *testing.T, store requests.Store, token int64, on func(context.Context, bin.Encoder) (bin.Encoder, error)) *requestNode {
	t.Helper()
	n := &requestNode{t: t, h: newHouse(t)}
	n.token.Store(token)
	n.h.own("a", on)
	n.h.cfg.Requests = ledgerOf(t, store, n.token.Load)
	url, _ := n.h.start()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true) // one connection, and none that is dialled in vain
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	n.calls = orchestratorv1connect.NewMessageServiceClient(&http.Client{Transport: transport}, url)
	return n
}

func ledgerOf(t *testing.T, store requests.Store, token func() int64) *requests.Ledger {
	t.Helper()
	ledger, err := requests.New(requests.Config{
		Store: store,
		Keys: func(_ context.Context, id fleet.AccountID) (cipher.AEAD, error) {
			key := make([]byte, chacha20poly1305.KeySize)
			copy(key, id)
			return chacha20poly1305.NewX(key)
		},
		Token: func(context.Context, fleet.AccountID) (fleet.FencingToken, error) {
			return fleet.FencingToken(token()), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ledger
}

func request(text string) *v1.SendMessageRequest {
	return &v1.SendMessageRequest{Account: "a", Peer: "me", Message: &v1.InputMessage{Text: text}}
}

// sent is the answer to a send.
type sent struct {
	*v1.SendMessageReply
	repeated bool
}

// sendNamed sends under a request id.
func sendNamed(ctx context.Context, calls orchestratorv1connect.MessageServiceClient, id, text string) (sent, error) {
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set(fleet.HeaderRequestID, id)
	reply, err := calls.SendMessage(ctx, request(text))
	if err != nil {
		return sent{}, err
	}
	return sent{reply, info.ResponseHeader().Get(fleet.HeaderRepeated) == "true"}, nil
}

func (n *requestNode) send(ctx context.Context, id, text string) (sent, error) {
	return sendNamed(ctx, n.calls, id, text)
}

// done sends and wants message id.
func (n *requestNode) done(id, text string, message int32, repeated bool) {
	n.t.Helper()
	got, err := n.send(n.t.Context(), id, text)
	if err != nil {
		n.t.Fatal(err)
	}
	if got.GetOutcome() != v1.SendOutcome_SEND_OUTCOME_DONE || got.GetMessage().GetId() != message ||
		got.GetMessage().GetText() != text || got.repeated != repeated {
		n.t.Fatalf("got %v, want message %d, repeated %v", got, message, repeated)
	}
}

func (n *requestNode) fails(id, text string, code connect.Code, reason string) {
	n.t.Helper()
	_, err := n.send(n.t.Context(), id, text)
	wantError(n.t, err, code, reason)
}

func wantError(t *testing.T, err error, code connect.Code, reason string) {
	t.Helper()
	var answer *connect.Error
	if !errors.As(err, &answer) || answer.Code() != code || fromConnect(answer).Reason != reason {
		t.Fatalf("got %v, want %s %s", err, code, reason)
	}
}

// eachStore runs a scenario over the real bucket and the one in memory.
func eachStore(t *testing.T, scenario func(t *testing.T, s requests.Store)) {
	t.Run("memory", func(t *testing.T) { scenario(t, requests.NewMemory(0)) })
	t.Run("jetstream", func(t *testing.T) { scenario(t, bucket(t, openLog(t, t.TempDir()))) })
}

func openLog(t *testing.T, dir string) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(t.Context(), eventlog.Config{
		Dir: filepath.Join(dir, "events"), MinFree: -1,
		Keys: func(context.Context, fleet.AccountID) (cipher.AEAD, error) { return nil, errors.New("not used") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	return log
}

func bucket(t *testing.T, log *eventlog.Log) requests.Store {
	t.Helper()
	s, err := requests.NewKV(t.Context(), log.JetStream(), requests.KVConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRepeatedCommandHasTheSameOutcome(t *testing.T) {
	eachStore(t, func(t *testing.T, s requests.Store) {
		c := newChat()
		n1, n2 := newRequestNode(t, s, 1, c.answer), newRequestNode(t, s, 2, c.answer)
		n1.done("r1", "hi", 1, false)
		n1.done("r1", "hi", 1, true)
		n2.done("r1", "hi", 1, true) // another node
		n1.done("r2", "hi", 2, false)
		n1.fails("r1", "other", connect.CodeInvalidArgument, "REQUEST_ID_REUSED")
		n1.fails("r 1", "hi", connect.CodeInvalidArgument, "REQUEST_ID_INVALID")
		if c.sends() != 2 {
			t.Errorf("%d sends reached the server", c.sends())
		}
		// Without a request_id each call is a command of its own.
		n1.done("", "hi", 3, false)
		n1.done("", "hi", 4, false)
	})
}

func TestRepeatedCommandAfterARestart(t *testing.T) {
	dir, c := t.TempDir(), newChat()
	log := openLog(t, dir)
	newRequestNode(t, bucket(t, log), 1, c.answer).done("r1", "hi", 1, false)
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	newRequestNode(t, bucket(t, openLog(t, dir)), 2, c.answer).done("r1", "hi", 1, true)
	if c.sends() != 1 {
		t.Errorf("%d sends reached the server", c.sends())
	}
}

// crash is a node that dies at a point of a send: from then on nothing that it does comes out,
// until the test lets a call that hung go on, as that of a node that was only suspended.
type crash struct {
	*chat
	after   bool // the send takes effect before
	reached chan struct{}
	resume  chan struct{}
}

func newCrash(c *chat, after bool) *crash {
	return &crash{c, after, make(chan struct{}), make(chan struct{})}
}

func (c *crash) answer(ctx context.Context, in bin.Encoder) (bin.Encoder, error) {
	if _, ok := in.(*tg.MessagesSendMessageRequest); !ok {
		return c.chat.answer(ctx, in)
	}
	if c.after {
		answer, err := c.chat.answer(ctx, in)
		close(c.reached)
		<-c.resume
		return answer, err
	}
	close(c.reached)
	<-c.resume
	return c.chat.answer(context.WithoutCancel(ctx), in)
}

// TestCrashBetweenIntentAndOutcome: at either point the next owner's repetition leaves exactly
// one message, also when the former owner wakes up and goes on.
func TestCrashBetweenIntentAndOutcome(t *testing.T) {
	for name, after := range map[string]bool{"before the send": false, "after the send": true} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s requests.Store) {
				c := newChat()
				dying := newCrash(c, after)
				n1, n2 := newRequestNode(t, s, 1, dying.answer), newRequestNode(t, s, 2, c.answer)
				former := make(chan error, 1)
				go func() {
					_, err := n1.send(context.Background(), "r1", "hi")
					former <- err
				}()
				<-dying.reached
				n2.done("r1", "hi", 1, true)
				close(dying.resume)
				if err := <-former; err != nil { // it is told the truth: the message was sent
					t.Errorf("the former owner's caller got %v", err)
				}
				n2.done("r1", "hi", 1, true)
				newRequestNode(t, s, 3, c.answer).done("r1", "hi", 1, true)
				if c.sent() != 1 {
					t.Errorf("%d messages were sent", c.sent())
				}
			})
		})
	}
}

// TestDoneMessageUnknown: sent for sure, but another message with the same text was sent since;
// the outcome says so and stays so.
func TestDoneMessageUnknown(t *testing.T) {
	eachStore(t, func(t *testing.T, s requests.Store) {
		c := newChat()
		dying := newCrash(c, true)
		n1, n2 := newRequestNode(t, s, 1, dying.answer), newRequestNode(t, s, 2, c.answer)
		ctx, cancel := context.WithCancel(t.Context())
		former := make(chan error, 1)
		go func() {
			_, err := n1.send(ctx, "r1", "hi")
			former <- err
		}()
		<-dying.reached
		n2.done("", "hi", 2, false)
		for range 2 {
			got, err := n2.send(t.Context(), "r1", "hi")
			if err != nil || got.GetOutcome() != v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN || got.GetMessage() != nil || !got.repeated {
				t.Fatalf("got %v, %v", got, err)
			}
		}
		cancel()
		<-former
		close(dying.resume)
		if c.sent() != 2 {
			t.Errorf("%d messages were sent", c.sent())
		}
	})
}

// TestCallerWhoLeavesFindsTheOutcome on the same node.
func TestCallerWhoLeavesFindsTheOutcome(t *testing.T) {
	eachStore(t, func(t *testing.T, s requests.Store) {
		c := newChat()
		var first sync.Once
		sent := make(chan struct{})
		n := newRequestNode(t, s, 1, func(ctx context.Context, in bin.Encoder) (bin.Encoder, error) {
			answer, err := c.answer(ctx, in)
			lost := false
			first.Do(func() { lost = true })
			if lost {
				close(sent)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return answer, err
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-sent; cancel() }()
		if _, err := n.send(ctx, "r1", "hi"); connect.CodeOf(err) != connect.CodeCanceled {
			t.Fatalf("got %v", err)
		}
		n.done("r1", "hi", 1, true)
		if c.sent() != 1 {
			t.Errorf("%d messages were sent", c.sent())
		}
	})
}

// TestManyAtOnceSendOnce: callers who repeat without waiting.
func TestManyAtOnceSendOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s requests.Store) {
		c := newChat()
		n := newRequestNode(t, s, 1, c.answer)
		var group sync.WaitGroup
		var repeated atomic.Int64
		for range 20 {
			group.Go(func() {
				got, err := n.send(t.Context(), "r1", "hi")
				if err != nil || got.GetMessage().GetId() != 1 {
					t.Errorf("got %v, %v", got, err)
				}
				if got.repeated {
					repeated.Add(1)
				}
			})
		}
		group.Wait()
		if c.sends() != 1 || repeated.Load() != 19 {
			t.Errorf("%d sends, %d repeated", c.sends(), repeated.Load())
		}
	})
}

func TestRefusalsAndWaits(t *testing.T) {
	eachStore(t, func(t *testing.T, s requests.Store) {
		c := newChat()
		n := newRequestNode(t, s, 1, c.answer)
		// A refusal is the outcome.
		c.refuse = tgerr.New(403, "CHAT_WRITE_FORBIDDEN")
		n.fails("r1", "hi", connect.CodePermissionDenied, "CHAT_WRITE_FORBIDDEN")
		c.refuse = nil
		n.fails("r1", "hi", connect.CodePermissionDenied, "CHAT_WRITE_FORBIDDEN")
		// A wait is not: the same command goes through after it.
		c.refuse = tgerr.New(420, "FLOOD_WAIT_600")
		n.fails("r2", "hi", connect.CodeResourceExhausted, "FLOOD_WAIT")
		c.refuse = nil
		n.done("r2", "hi", 1, false)
		// What was wrong before anything was sent does not use up the id.
		n.fails("r3", "", connect.CodeInvalidArgument, "MESSAGE_EMPTY")
		n.done("r3", "text", 2, false)
		// A refusal of a second attempt says nothing about the first.
		c.refuse = tgerr.New(500, "INTERNAL")
		n.fails("r4", "hi", connect.CodeUnavailable, "INTERNAL")
		c.refuse = tgerr.New(403, "CHAT_WRITE_FORBIDDEN")
		n.fails("r4", "hi", connect.CodeAborted, "OUTCOME_UNKNOWN")
		c.refuse = nil
		n.done("r4", "hi", 3, true)
	})
}

// failingStore fails where the test says so.
type failingStore struct {
	requests.Store
	reads, outcomes atomic.Bool
}

func (f *failingStore) Get(ctx context.Context, k requests.Key) ([]byte, uint64, error) {
	if f.reads.Load() {
		return nil, 0, errors.New("the store is down")
	}
	return f.Store.Get(ctx, k)
}

func (f *failingStore) Update(ctx context.Context, k requests.Key, v []byte, revision uint64) (uint64, error) {
	if f.outcomes.Load() {
		return 0, errors.New("the store is down")
	}
	return f.Store.Update(ctx, k, v, revision)
}

// TestStoreFailures: without the intent nothing is sent; without the outcome the caller gets it
// all the same, and a repetition finds it out again.
func TestStoreFailures(t *testing.T) {
	eachStore(t, func(t *testing.T, store requests.Store) {
		c, s := newChat(), &failingStore{Store: store}
		n := newRequestNode(t, s, 1, c.answer)
		s.reads.Store(true)
		n.fails("r1", "hi", connect.CodeUnavailable, "REQUESTS_UNAVAILABLE")
		if c.sends() != 0 {
			t.Error("sent without an intent")
		}
		s.reads.Store(false)
		s.outcomes.Store(true)
		n.done("r1", "hi", 1, false)
		s.outcomes.Store(false)
		n.done("r1", "hi", 1, true)
		if c.sent() != 1 {
			t.Errorf("%d messages were sent", c.sent())
		}
	})
}

func TestRequestIDNeedsAStore(t *testing.T) {
	h := newHouse(t)
	h.envs["a"].on = newChat().answer
	url, _ := h.start()
	_, err := sendNamed(t.Context(), orchestratorv1connect.NewMessageServiceClient(http.DefaultClient, url), "r1", "hi")
	wantError(t, err, connect.CodeUnimplemented, "REQUEST_ID_UNSUPPORTED")
}

// TestExchangeCarriesRequestIDs: the same ids over both ways in.
func TestExchangeCarriesRequestIDs(t *testing.T) {
	c := newChat()
	n := newRequestNode(t, requests.NewMemory(0), 1, c.answer)
	url, _ := n.h.start()
	l := grpcLine(t, url)
	for id := range uint64(3) {
		say := command(t, id+1, sendMessage, request("hi"))
		say.GetCommand().RequestId = "r1"
		l.say(say)
		heard := l.hear(id + 1)
		got, err := heard.GetReply().UnmarshalNew()
		if err != nil || got.(*v1.SendMessageReply).GetMessage().GetId() != 1 || heard.GetRepeated() != (id > 0) {
			t.Fatalf("got %v, %v", heard, err)
		}
	}
	n.done("r1", "hi", 1, true)
	l.hangUp()
}

// TestOneMessageWhateverDies: a command is tried on nodes that die before or after the send, or
// before the outcome is stored, or answer well, in any order. In the end there is one message,
// and who got an answer got that one.
func TestOneMessageWhateverDies(t *testing.T) {
	const well, beforeSend, afterSend, noOutcome = "well", "dies before the send", "dies after the send", "outcome not stored"
	send := methodNamed(t, "SendMessage")
	rapid.Check(t, func(r *rapid.T) {
		c, s := newChat(), &failingStore{Store: requests.NewMemory(0)}
		plan := rapid.SliceOfN(rapid.SampledFrom([]string{well, beforeSend, afterSend, noOutcome}), 1, 6).Draw(r, "plan")
		var outcome *v1.SendMessageReply
		for i, fate := range append(plan, well) {
			h := newHouse(t)
			h.own("a", func(ctx context.Context, in bin.Encoder) (bin.Encoder, error) {
				if _, ok := in.(*tg.MessagesSendMessageRequest); !ok {
					return c.answer(ctx, in)
				}
				s.outcomes.Store(fate == noOutcome)
				if fate == beforeSend {
					return nil, context.Canceled
				}
				answer, err := c.answer(ctx, in)
				if fate == afterSend {
					return nil, context.Canceled
				}
				return answer, err
			})
			s.outcomes.Store(false)
			host := &methods.Host{Env: h.Env, Requests: ledgerOf(t, s, func() int64 { return int64(i + 1) })}
			answer, _, err := send.Call(t.Context(), host, "r1", request("hi"))
			if err != nil {
				if fate == well || fate == noOutcome {
					r.Fatalf("%s: %v", fate, err)
				}
				continue
			}
			reply := answer.(*v1.SendMessageReply)
			if outcome != nil && !proto.Equal(outcome, reply) {
				r.Fatalf("outcome %v, then %v", outcome, reply)
			}
			outcome = reply
		}
		if c.sent() != 1 || outcome.GetMessage().GetId() != 1 {
			r.Fatalf("%d messages, outcome %v", c.sent(), outcome)
		}
	})
}

func methodNamed(t *testing.T, name string) methods.Method {
	t.Helper()
	for _, m := range Methods() {
		if string(m.Descriptor.Name()) == name {
			return m
		}
	}
	t.Fatalf("no method %s", name)
	return methods.Method{}
}
