package telegram

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram/rawjson"
)

func TestBotAPIIDs(t *testing.T) {
	for id, want := range map[int64]Peer{
		1: {Kind: PeerUser, ID: 1}, -45: {Kind: PeerChat, ID: 45}, -1001234567890: {Kind: PeerChannel, ID: 1234567890},
		6_000_000_000: {Kind: PeerUser, ID: 6_000_000_000}, -999_999_999_999: {Kind: PeerChat, ID: 999_999_999_999},
	} {
		kind, bare := FromBotAPIID(id)
		wantEqual(t, Peer{Kind: kind, ID: bare}, want)
		if got := want.BotAPIID(); got != id {
			t.Errorf("%v: got %d, want %d", want, got, id)
		}
	}
}

func TestResolvePeerForms(t *testing.T) {
	byName := step{"contacts.resolveUsername", &tg.ContactsResolvedPeer{Peer: &tg.PeerUser{UserID: bob.ID}, Users: []tg.UserClass{bob}}}
	byPhone := step{"contacts.resolvePhone", byName.answer}
	for text, steps := range map[string][]step{
		"@bobby": {byName}, "bobby": {byName}, "t.me/bobby": {byName}, "https://t.me/bobby/12?single": {byName},
		"http://telegram.me/bobby/": {byName}, "tg://resolve?domain=bobby": {byName}, "https://t.me/s/bobby": {byName},
		"+1 555 0002": {byPhone}, "https://t.me/+15550002": {byPhone}, "tg://resolve?phone=15550002": {byPhone},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := ResolvePeer(context.Background(), script(t, steps...), text)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, got, bobPeer())
		})
	}
}

func TestResolvePeerUsesWhatIsKnown(t *testing.T) {
	env := script(t)
	channel := Peer{Kind: PeerChannel, ID: 5, AccessHash: 55, Username: "News"}
	env.peers.Put(bobPeer(), channel)
	for text, want := range map[string]Peer{
		"1002": bobPeer(), "@BOBBY": bobPeer(), "-1000000000005": channel, "t.me/c/5/1": channel, "@news": channel,
		"-45": {Kind: PeerChat, ID: 45}, "me": {Kind: PeerUser, Self: true}, "Self": {Kind: PeerUser, Self: true},
		"tg://user?id=1002": bobPeer(),
	} {
		got, err := ResolvePeer(context.Background(), env, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		wantEqual(t, got, want)
	}
}

func TestUnknownPeerIsAnErrorNeverHashZero(t *testing.T) {
	ctx := context.Background()
	for _, text := range []string{"77", "-1000000000099", "t.me/c/99"} {
		_, err := ResolvePeer(ctx, script(t), text)
		if own := wantReason(t, err, "PEER_UNKNOWN"); own.Remedy == "" {
			t.Error("no remedy")
		}
	}
	env := script(t)
	env.peers.Put(Peer{Kind: PeerUser, ID: 77, AccessHash: 7, Min: true})
	_, err := ResolvePeer(ctx, env, "77")
	wantReason(t, err, "PEER_UNKNOWN")
	_, err = SendMessage(ctx, env, Peer{Kind: PeerUser, ID: 77}, Outgoing{Text: "x"})
	wantReason(t, err, "PEER_UNKNOWN")
}

func TestBadPeersAreRefusedBeforeAnyCall(t *testing.T) {
	for _, text := range []string{"", "@", "a b", "@1abc", "0", "t.me/joinchat/abc", "https://t.me/+abcDEF", "tg://join?invite=x", "tg://settings", "+", "+12x", strings.Repeat("a", 33)} {
		_, err := ResolvePeer(context.Background(), script(t), text)
		if err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// TestSightingsAreMoreThanPeers: what an update says of a name is no user and no chat of an answer.
func TestSightingsAreMoreThanPeers(t *testing.T) {
	channel := &tg.Channel{ID: 5, AccessHash: 55, Title: "News", Photo: &tg.ChatPhotoEmpty{}}
	news := Peer{Kind: PeerChannel, ID: 5, AccessHash: 55, Title: "News"}
	told := []tg.UpdateClass{&tg.UpdateChannel{ChannelID: 5}, &tg.UpdateUserName{UserID: 2}}
	for _, answer := range []any{
		&tg.Updates{Chats: []tg.ChatClass{channel}, Updates: told}, &tg.UpdatesCombined{Chats: []tg.ChatClass{channel}, Updates: told},
		&tg.UpdatesDifference{Chats: []tg.ChatClass{channel}, OtherUpdates: told},
		&tg.UpdatesDifferenceSlice{Chats: []tg.ChatClass{channel}, OtherUpdates: told},
	} {
		wantEqual(t, CollectPeers(answer), []Peer{news})
		wantEqual(t, Sightings(answer), []Peer{
			news, {Kind: PeerChannel, ID: 5, Changed: true}, {Kind: PeerUser, ID: 2, Renamed: true},
		})
	}
	wantEqual(t, Sightings(&tg.UpdateShort{Update: told[0]}), []Peer{{Kind: PeerChannel, ID: 5, Changed: true}})
}

func TestCollectPeers(t *testing.T) {
	channel := &tg.Channel{ID: 5, AccessHash: 55, Title: "News", Photo: &tg.ChatPhotoEmpty{}}
	channel.SetUsernames([]tg.Username{{Username: "old"}, {Active: true, Username: "news"}})
	news := Peer{Kind: PeerChannel, ID: 5, AccessHash: 55, Title: "News", Username: "news", Usernames: []string{"news"}}
	users, chats := []tg.UserClass{bob, &tg.UserEmpty{ID: 3}}, []tg.ChatClass{channel, &tg.ChatEmpty{ID: 4}}
	for _, answer := range []any{
		&tg.Updates{Users: users, Chats: chats}, &tg.UpdatesBox{Updates: &tg.Updates{Users: users, Chats: chats}},
		&tg.MessagesMessagesBox{Messages: &tg.MessagesMessagesSlice{Users: users, Chats: chats}},
		&tg.MessagesInvitedUsers{Updates: &tg.Updates{Users: users, Chats: chats}},
		&tg.UpdatesDifferenceBox{Difference: &tg.UpdatesDifference{Users: users, Chats: chats}},
	} {
		got := CollectPeers(answer)
		slices.SortFunc(got, func(a, b Peer) int { return int(a.Kind) - int(b.Kind) })
		wantEqual(t, got, []Peer{bobPeer(), news})
	}
	wantEqual(t, CollectPeers(&tg.UserClassVector{Elems: users}), []Peer{bobPeer()})
	wantEqual(t, CollectPeers(&tg.AuthAuthorizationBox{Authorization: &tg.AuthAuthorization{User: bob}}), []Peer{bobPeer()})
	raw := rawjson.NewAnswer(nil)
	raw.Value = []any{bob, &tg.UserEmpty{}}
	wantEqual(t, CollectPeers(raw), []Peer{bobPeer()})
	raw.Value = &tg.Updates{Users: users}
	wantEqual(t, CollectPeers(raw), []Peer{bobPeer()})
	for _, none := range []any{rawjson.NewAnswer(nil), nil, &tg.BoolBox{}, &tg.UpdatesBox{}, (*tg.Updates)(nil), &tg.Config{}} {
		if got := CollectPeers(none); len(got) != 0 {
			t.Errorf("%T: %v", none, got)
		}
	}
}
