package chats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// script is an environment whose server is a function.
type script struct {
	telegram.Env
	answer func(in bin.Encoder) (bin.Encoder, error)
}

func (s script) Invoke(_ context.Context, in bin.Encoder, out bin.Decoder) error {
	answer, err := s.answer(in)
	if err != nil {
		return err
	}
	var b bin.Buffer
	if err := answer.Encode(&b); err != nil {
		return err
	}
	return out.Decode(&b)
}

var room = telegram.Peer{Kind: telegram.PeerChannel, ID: 7, AccessHash: 8, Megagroup: true}

// shifting is a server of n members on which somebody joins between any two pages, at the front, so
// that the last member of a page begins the next one; short pages have a member less than asked for.
func shifting(n int, short bool) (script, *[]int) {
	var offsets []int
	return script{answer: func(in bin.Encoder) (bin.Encoder, error) {
		q := in.(*tg.ChannelsGetParticipantsRequest)
		moved := len(offsets)
		offsets = append(offsets, q.Offset)
		out := &tg.ChannelsChannelParticipants{Count: n + moved}
		limit := q.Limit
		if short {
			limit--
		}
		for i := q.Offset; i < min(q.Offset+limit, n+moved); i++ {
			out.Participants = append(out.Participants, &tg.ChannelParticipant{UserID: int64(1000 + i - moved)})
		}
		return out, nil
	}}, &offsets
}

// TestParticipantsPast200: pages are read to the end, past short ones, and who comes twice because
// the list has moved is returned once.
func TestParticipantsPast200(t *testing.T) {
	for _, short := range []bool{false, true} {
		server, offsets := shifting(450, short)
		seen := map[int64]int{}
		err := Walk(t.Context(), server, room, Query{}, func(p Page) error {
			for _, one := range p.Participants {
				seen[one.Peer.ID]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 450 {
			if seen[int64(1000+i)] != 1 {
				t.Errorf("short pages %v: member %d came %d times; offsets %v", short, i, seen[int64(1000+i)], *offsets)
				break
			}
		}
	}
	server, _ := shifting(450, false)
	page, err := Participants(t.Context(), server, room, Query{}, 0, 300)
	if err != nil || len(page.Participants) != 300 || page.Next == 0 {
		t.Errorf("%d members, next %d, %v", len(page.Participants), page.Next, err)
	}
	stop := errors.New("enough")
	if err := Walk(t.Context(), server, room, Query{}, func(Page) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestInviteLinks(t *testing.T) {
	const hash = "AbCd_-123456xyzw"
	for _, link := range []string{
		"t.me/+" + hash, "https://t.me/+" + hash, "HTTP://T.ME/+" + hash + "/", "https://www.t.me/%2B" + hash, "telegram.me/joinchat/" + hash,
		"https://telegram.dog/joinchat/" + hash + "?x=1#y", " tg://join?invite=" + hash + "&a=b ", "tg:join?invite=" + hash, hash, "+" + hash, "/" + hash + "/",
	} {
		if got, err := InviteHash(link); err != nil || got != hash {
			t.Errorf("%s: %q, %v", link, got, err)
		}
	}
	for _, link := range []string{
		"", "https://t.me/durov", "t.me/+15551234567", "+15551234567", "https://t.me/+15551234567?text=a", "tg://resolve?domain=durov", "tg://join",
		"t.me/joinchat/", "https://example.com/+" + hash, "not a hash", strings.Repeat("a", maxHash+1), "t.me/s/durov",
	} {
		got, err := InviteHash(link)
		if !errors.Is(err, &fleet.Error{Reason: "FIELD_INVALID"}) {
			t.Errorf("%s: %q, %v", link, got, err)
		}
		if len(link) > 8 && err != nil && strings.Contains(err.Error(), link) {
			t.Errorf("the error repeats the link: %v", err)
		}
	}
}

func FuzzInviteHash(f *testing.F) {
	f.Add("https://t.me/+AbCd")
	f.Add("tg://join?invite=x%zz")
	f.Fuzz(func(t *testing.T, link string) {
		hash, err := InviteHash(link)
		if err != nil {
			return
		}
		if again, err := InviteHash("https://t.me/+" + hash); err != nil || again != hash {
			t.Errorf("%q gives %q, which gives %q, %v", link, hash, again, err)
		}
	})
}

// TestPermissionsAreCombined: the rules of core.telegram.org/api/rights, case by case.
func TestPermissionsAreCombined(t *testing.T) {
	defaults := tg.ChatBannedRights{SendMedia: true, PinMessages: true, InviteUsers: true, UntilDate: 1<<31 - 1}
	for name, c := range map[string]struct {
		who       Participant
		broadcast bool
		forbidden tg.ChatBannedRights
		allowed   tg.ChatAdminRights
	}{
		"creator": {who: Participant{Role: Creator, Admin: &tg.ChatAdminRights{Anonymous: true}}, allowed: allAdminRights()},
		"admin": {
			who:       Participant{Role: Admin, Admin: &tg.ChatAdminRights{PinMessages: true}},
			forbidden: tg.ChatBannedRights{InviteUsers: true}, allowed: tg.ChatAdminRights{PinMessages: true},
		},
		"member": {who: Participant{Role: Member}, forbidden: tg.ChatBannedRights{SendMedia: true, PinMessages: true, InviteUsers: true}},
		"restricted": {
			who:       Participant{Role: RestrictedMember, Banned: &tg.ChatBannedRights{SendPolls: true, UntilDate: 99}},
			forbidden: tg.ChatBannedRights{SendMedia: true, SendPolls: true, PinMessages: true, InviteUsers: true, UntilDate: 99},
		},
		"left":   {who: Participant{Role: Left}, forbidden: allBannedRights()},
		"banned": {who: Participant{Role: BannedUser, Banned: &tg.ChatBannedRights{ViewMessages: true}}, forbidden: allBannedRights()},
		"subscriber": {
			who: Participant{Role: Member}, broadcast: true,
			forbidden: union(broadcastForbidden(), tg.ChatBannedRights{SendMedia: true}),
		},
		"admin who may not post": {
			who: Participant{Role: Admin, Admin: &tg.ChatAdminRights{InviteUsers: true, PinMessages: true}}, broadcast: true,
			forbidden: noSending(), allowed: tg.ChatAdminRights{InviteUsers: true, PinMessages: true},
		},
	} {
		got := combine(c.who, defaults, c.broadcast)
		if got.Forbidden != c.forbidden {
			t.Errorf("%s: forbidden %+v, want %+v", name, got.Forbidden, c.forbidden)
		}
		if got.Allowed != c.allowed {
			t.Errorf("%s: allowed %+v, want %+v", name, got.Allowed, c.allowed)
		}
	}
}

// TestAnswersToJoiningAreOutcomes and others stay errors.
func TestAnswersToJoiningAreOutcomes(t *testing.T) {
	refusing := func(name string) script {
		return script{answer: func(in bin.Encoder) (bin.Encoder, error) {
			switch in.(type) {
			case *tg.ChannelsGetChannelsRequest:
				return &tg.MessagesChats{Chats: []tg.ChatClass{&tg.Channel{ID: 7, Left: true, Photo: &tg.ChatPhotoEmpty{}}}}, nil
			case *tg.MessagesCheckChatInviteRequest:
				return &tg.ChatInvite{Title: "Hidden", Photo: &tg.PhotoEmpty{}}, nil
			}
			return nil, tgerr.New(400, name)
		}}
	}
	var names []string
	for name, want := range outcomes {
		names = append(names, name)
		if r, err := Join(t.Context(), refusing(name), room); err != nil || r.Outcome != want {
			t.Errorf("join: %s: %v, %v", name, r, err)
		}
		if r, err := Accept(t.Context(), refusing(name), "hash1"); err != nil || r.Outcome != want || r.Title != "Hidden" {
			t.Errorf("accept: %s: %v, %v", name, r, err)
		}
	}
	if slices.Contains(names, "CHANNEL_PRIVATE") {
		t.Fatal("no error is left")
	}
	if _, err := Join(t.Context(), refusing("CHANNEL_PRIVATE"), room); !errors.Is(err, &fleet.Error{Reason: "CHANNEL_PRIVATE"}) {
		t.Error(err)
	}
	web := script{answer: func(in bin.Encoder) (bin.Encoder, error) {
		if _, ok := in.(*tg.MessagesCheckChatInviteRequest); ok {
			return &tg.ChatInvite{Title: "Hidden", Photo: &tg.PhotoEmpty{}}, nil
		}
		return &tg.MessagesChatInviteJoinResultWebView{BotID: 1}, nil
	}}
	if r, err := Accept(t.Context(), web, "hash1"); err != nil || r.Outcome != VerificationNeeded {
		t.Errorf("%v, %v", r, err)
	}
	paid := script{answer: func(in bin.Encoder) (bin.Encoder, error) {
		if _, ok := in.(*tg.MessagesCheckChatInviteRequest); !ok {
			return nil, fmt.Errorf("%T was sent", in)
		}
		i := &tg.ChatInvite{Title: "Hidden", Photo: &tg.PhotoEmpty{}}
		i.SetSubscriptionPricing(tg.StarsSubscriptionPricing{Period: 1, Amount: 1})
		return i, nil
	}}
	if r, err := Accept(t.Context(), paid, "hash1"); err != nil || r.Outcome != PaymentNeeded {
		t.Errorf("%v, %v", r, err)
	}
}
