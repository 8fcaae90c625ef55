package dialogs

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram"
)

// script is an environment whose server is a function.
type script struct {
	telegram.Env
	answer func(in bin.Encoder) bin.Encoder
}

func (s script) Invoke(_ context.Context, in bin.Encoder, out bin.Decoder) error {
	var b bin.Buffer
	if err := s.answer(in).Encode(&b); err != nil {
		return err
	}
	return out.Decode(&b)
}

func (script) Peers() telegram.Peers { return everybody{} }

// everybody knows all peers.
type everybody struct{ telegram.Peers }

func (everybody) Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool) {
	return telegram.Peer{Kind: kind, ID: id, AccessHash: 1}, true
}

var chat = telegram.Peer{Kind: telegram.PeerUser, ID: 7, AccessHash: 8}

// TestCallsThatWorkOnManyMessagesAreRepeated while the server says that some are left, and not for ever.
func TestCallsThatWorkOnManyMessagesAreRepeated(t *testing.T) {
	for name, f := range map[string]func(context.Context, telegram.Env) error{
		"mentions": func(ctx context.Context, env telegram.Env) error { return ClearMentions(ctx, env, chat, 0) },
		"history":  func(ctx context.Context, env telegram.Env) error { return Delete(ctx, env, chat) },
	} {
		left := 3
		server := script{answer: func(bin.Encoder) bin.Encoder {
			left--
			return &tg.MessagesAffectedHistory{Pts: 1, Offset: left}
		}}
		if err := f(t.Context(), server); err != nil || left != 0 {
			t.Errorf("%s: %d are left, %v", name, left, err)
		}
		calls := 0
		endless := script{answer: func(bin.Encoder) bin.Encoder {
			calls++
			return &tg.MessagesAffectedHistory{Offset: 1}
		}}
		if err := f(t.Context(), endless); err == nil || calls != maxRounds {
			t.Errorf("%s: a server without end: %d calls, %v", name, calls, err)
		}
	}
}

// TestAListThatMovesEnds: chats that come up to the top while the list is read, and a server that
// answers the same page again.
func TestAListThatMovesEnds(t *testing.T) {
	row := func(id int64, date int) (tg.DialogClass, tg.MessageClass) {
		return &tg.Dialog{Peer: &tg.PeerUser{UserID: id}, TopMessage: int(id)},
			&tg.Message{ID: int(id), PeerID: &tg.PeerUser{UserID: id}, Date: date}
	}
	answer := func(ids ...int64) *tg.MessagesDialogsSlice {
		out := &tg.MessagesDialogsSlice{Count: 500}
		for _, id := range ids {
			d, m := row(id, 1000-int(id))
			out.Dialogs, out.Messages = append(out.Dialogs, d), append(out.Messages, m)
		}
		return out
	}
	pages := []*tg.MessagesDialogsSlice{answer(1, 2, 3), answer(3, 4, 2, 5), answer(5), answer(5)}
	calls := 0
	server := script{answer: func(bin.Encoder) bin.Encoder {
		calls++
		return pages[min(calls, len(pages))-1]
	}}
	var got []int64
	err := Walk(t.Context(), server, 0, func(p Page) error {
		for _, d := range p.Dialogs {
			got = append(got, d.Peer.(*tg.PeerUser).UserID)
		}
		return nil
	})
	if err != nil || !slices.Equal(got, []int64{1, 2, 3, 4, 5}) || calls != 3 {
		t.Errorf("%v after %d calls, %v", got, calls, err)
	}
}

// TestSearchEndsWhereNothingNewComes: a server that ignores the offset.
func TestSearchEndsWhereNothingNewComes(t *testing.T) {
	calls := 0
	server := script{answer: func(in bin.Encoder) bin.Encoder {
		calls++
		out := &tg.MessagesMessagesSlice{Count: 3}
		for id := 3; id > 0; id-- {
			out.Messages = append(out.Messages, &tg.Message{ID: id, PeerID: &tg.PeerUser{UserID: 7}, Date: id, Message: fmt.Sprint(id)})
		}
		return out
	}}
	if hits, err := Search(t.Context(), server, chat, Query{}, 10); err != nil || len(hits.Messages) != 3 || hits.Next != 0 || calls != 2 {
		t.Errorf("one chat: %d messages, next %d, after %d calls, %v", len(hits.Messages), hits.Next, calls, err)
	}
	calls = 0
	if hits, err := SearchGlobal(t.Context(), server, GlobalQuery{}, GlobalPlace{}, 10); err != nil || len(hits.Messages) != 3 || hits.Next != nil || calls > 3 {
		t.Errorf("all chats: %d messages, next %v, after %d calls, %v", len(hits.Messages), hits.Next, calls, err)
	}
}

// TestAGlobalSearchGoesOnAtTheRateThatTelegramGives, and at the date of the last message where it gives
// none.
func TestAGlobalSearchGoesOnAtTheRateThatTelegramGives(t *testing.T) {
	for _, rate := range []int{0, 77} {
		var asked []tg.MessagesSearchGlobalRequest
		server := script{answer: func(in bin.Encoder) bin.Encoder {
			q := *in.(*tg.MessagesSearchGlobalRequest)
			asked = append(asked, q)
			out := &tg.MessagesMessagesSlice{Count: 2}
			if len(asked) < 3 {
				out.Messages = []tg.MessageClass{&tg.Message{ID: 10 - len(asked), PeerID: &tg.PeerChannel{ChannelID: 5}, Date: 500 - len(asked), Message: "x"}}
			}
			if rate != 0 {
				out.SetNextRate(rate)
			}
			return out
		}}
		if hits, err := SearchGlobal(t.Context(), server, GlobalQuery{}, GlobalPlace{}, 10); err != nil || len(hits.Messages) != 2 {
			t.Fatalf("%v, %v", hits, err)
		}
		want := 499
		if rate != 0 {
			want = rate
		}
		if p, ok := asked[1].OffsetPeer.(*tg.InputPeerChannel); !ok || p.ChannelID != 5 || asked[1].OffsetID != 9 || asked[1].OffsetRate != want {
			t.Errorf("rate %d: the second page was asked for by %+v", rate, asked[1])
		}
	}
}
