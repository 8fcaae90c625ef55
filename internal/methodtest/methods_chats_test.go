package methodtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator/model"
)

// room is a supergroup or channel of the simulator with a user name.
type room struct {
	ID   int64
	Name string // @name
}

// peer names the room in the simulator.
func (r room) peer() model.Peer { return model.ChannelPeer(r.ID) }

// newRoom makes a supergroup, or a channel for posts, of this creator, with these members.
func newRoom(t *testing.T, creator *person, broadcast bool, members ...*person) room {
	t.Helper()
	name := fmt.Sprintf("room%04d", numbers.Add(1))
	var r room
	inside(func(w *model.World) {
		ch := w.NewChannel(w.Users[creator.UserID], "The "+name, broadcast)
		ch.Username = name
		w.Usernames[name] = ch.Peer()
		for _, m := range members {
			w.Enter(ch, w.Users[m.UserID], creator.UserID)
		}
		r = room{ch.ID, "@" + name}
	})
	return r
}

// look reads the room's state.
func (r room) look(f func(w *model.World, ch *model.Channel)) {
	inside(func(w *model.World) { f(w, w.Channels[r.ID]) })
}

// member is somebody's place in the room; zero for nobody.
func (r room) member(id int64) (m model.Member) {
	r.look(func(_ *model.World, ch *model.Channel) {
		if found := ch.Members[id]; found != nil {
			m = *found
		}
	})
	return m
}

// newGroup makes a basic group by its creator's own account, and gives its name as a peer.
func newGroup(t *testing.T, creator *person, members ...*person) (peer string, id int64) {
	t.Helper()
	var users []string
	for _, m := range members {
		p := must(creator.ResolvePeer(deadline(t), m.Ref()))(t)
		var hash int64
		inside(func(w *model.World) { hash = w.AccessHash(creator.UserID, model.UserPeer(p.GetId())) })
		users = append(users, fmt.Sprintf(`{"_":"inputUser","user_id":%d,"access_hash":%d}`, p.GetId(), hash))
	}
	raw(t, creator, `{"_":"messages.createChat","title":"A group","users":[`+strings.Join(users, ",")+`]}`)
	inside(func(w *model.World) {
		for _, g := range w.Groups {
			if g.Creator == creator.UserID {
				id = max(id, g.ID)
			}
		}
	})
	return fmt.Sprint(-id), id
}

// raw makes a call of the schema.
func raw(t *testing.T, p *person, call string) string {
	t.Helper()
	return string(must(p.InvokeJSON(deadline(t), []byte(call)))(t))
}

// crowd lets n new users into a room.
func crowd(t *testing.T, r room, n int) (ids []int64) {
	t.Helper()
	r.look(func(w *model.World, ch *model.Channel) {
		for i := range n {
			u, err := w.NewUser(fmt.Sprintf("Guest %03d", i), "", 0)
			if err != nil {
				t.Error(err)
				return
			}
			w.Enter(ch, u, ch.Creator)
			ids = append(ids, u.ID)
		}
	})
	return ids
}

func idsOf(list []*client.Participant) (ids []int64) {
	for _, p := range list {
		ids = append(ids, p.GetPeer().GetId())
	}
	return ids
}

func walk(t *testing.T, p *person, chat string, opts ...client.ParticipantOption) (list []*client.Participant, total int) {
	t.Helper()
	for one, err := range p.Participants(deadline(t), chat, opts...) {
		if err != nil {
			t.Fatal(err)
		}
		list, total = append(list, one.Item), one.Total
	}
	return list, total
}

func TestMethod44_GetParticipants(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	r := newRoom(t, anna, false, boris)
	crowd(t, r, 448)
	var order []int64
	r.look(func(_ *model.World, ch *model.Channel) { order = slices.Clone(ch.Order) })

	page := must(boris.ParticipantsPage(deadline(t), r.Name, 0, 0))(t)
	if got := idsOf(page.Participants); !slices.Equal(got, order[:200]) || page.Total != 450 || page.Next != 200 {
		t.Errorf("limit 0: %d members, total %d, next %d; want the first page of 200", len(got), page.Total, page.Next)
	}
	page = must(boris.ParticipantsPage(deadline(t), r.Name, 0, 430))(t)
	if got := idsOf(page.Participants); !slices.Equal(got, order[:430]) || page.Next != 430 {
		t.Errorf("limit 430: %d members, next %d", len(got), page.Next)
	}
	page = must(boris.ParticipantsPage(deadline(t), r.Name, 430, 1000))(t)
	if got := idsOf(page.Participants); !slices.Equal(got, order[430:]) || page.Next != 0 {
		t.Errorf("the rest: %d members, next %d", len(got), page.Next)
	}
	_, err := boris.ParticipantsPage(deadline(t), r.Name, 0, 10_001)
	refused(t, err, "FIELD_INVALID")

	group, _ := newGroup(t, anna, boris)
	page = must(boris.ParticipantsPage(deadline(t), group, 0, 0))(t)
	if got := idsOf(page.Participants); !slices.Equal(got, []int64{anna.UserID, boris.UserID}) || page.Total != 2 || page.Next != 0 {
		t.Errorf("of a basic group: %v", page)
	}
	if m := page.Participants[0].GetMembership(); m != v1.Membership_MEMBERSHIP_CREATOR {
		t.Errorf("its creator is %s", m)
	}
	_, err = boris.ParticipantsPage(deadline(t), anna.Ref(), 0, 0)
	refused(t, err, "UNSUPPORTED_PEER")
}

func TestMethod45_IterParticipants(t *testing.T) {
	t.Parallel()
	anna, boris, robot := account(t), account(t), bot(t)
	r := newRoom(t, anna, false, boris, robot)
	crowd(t, r, 447)
	var order []int64
	r.look(func(_ *model.World, ch *model.Channel) { order = slices.Clone(ch.Order) })
	list, total := walk(t, anna, r.Name)
	if got := idsOf(list); !slices.Equal(got, order) || total != 450 {
		t.Errorf("%d members, total %d; want 450, each once, in the order of the server", len(got), total)
	}
	for name, c := range map[string]struct {
		opt  client.ParticipantOption
		want []int64
	}{
		"admins": {client.Admins(), []int64{anna.UserID}}, "bots": {client.Bots(), []int64{robot.UserID}},
		"search": {client.Named("guest 01"), order[3+10 : 3+20]}, "contacts": {client.ContactsOnly(), nil},
	} {
		if list, _ := walk(t, anna, r.Name, c.opt); !slices.Equal(idsOf(list), c.want) {
			t.Errorf("%s: %v, want %v", name, idsOf(list), c.want)
		}
	}
	for range 2 { // the loop may end early, and begin again
		for one, err := range anna.Participants(deadline(t), r.Name) {
			if err != nil || one.Total != 450 || one.Item.GetPeer().GetId() != order[0] {
				t.Errorf("%v, %v", one, err)
			}
			break
		}
	}
	out := must(cli(t, "members", anna.ID(), r.Name, "--filter", "admins"))(t)
	if want := fmt.Sprintf("%d\t%s\tcreator", anna.UserID, anna.Ref()); !strings.HasPrefix(out, want) {
		t.Errorf("printed %q, want %q", out, want)
	}
	for _, err := range boris.Participants(deadline(t), r.Name, client.BannedOnly()) {
		refused(t, err, "CHAT_ADMIN_REQUIRED")
	}
}

func TestMethod46_SetAdminRights(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	r := newRoom(t, anna, false, boris, clara)
	rights := &client.AdminRights{DeleteMessages: true, AddAdmins: true, ManageTopics: true}
	if err := anna.SetAdminRights(deadline(t), r.Name, boris.Ref(), rights, "Helper"); err != nil {
		t.Fatal(err)
	}
	want := tg.ChatAdminRights{DeleteMessages: true, AddAdmins: true, ManageTopics: true}
	if m := r.member(boris.UserID); !m.Admin || m.Rights != want || m.Rank != "Helper" || m.PromotedBy != anna.UserID {
		t.Errorf("the simulator has %+v", m)
	}
	if err := anna.SetAdminRights(deadline(t), r.Name, clara.Ref(), client.FullAdmin(), ""); err != nil {
		t.Fatal(err)
	}
	all := model.AllRights()
	if m := r.member(clara.UserID); m.Rights != all {
		t.Errorf("of all rights the simulator has %+v", m.Rights)
	}
	refused(t, boris.SetAdminRights(deadline(t), r.Name, clara.Ref(), nil, ""), "CHAT_ADMIN_REQUIRED")
	refused(t, boris.SetAdminRights(deadline(t), r.Name, anna.Ref(), rights, ""), "USER_CREATOR")
	refused(t, anna.SetAdminRights(deadline(t), r.Name, boris.Ref(), rights, "a title too long"+"!"), "FIELD_INVALID")
	if out, err := cli(t, "promote", anna.ID(), r.Name, boris.Ref(), "--rights", "ban-users,pin_messages", "--rank", "Guard"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if m := r.member(boris.UserID); m.Rights != (tg.ChatAdminRights{BanUsers: true, PinMessages: true}) || m.Rank != "Guard" {
		t.Errorf("by hand: %+v", m)
	}
	if _, err := cli(t, "promote", anna.ID(), r.Name, boris.Ref(), "--rights", "fly"); err == nil || !strings.Contains(err.Error(), `"fly"`) {
		t.Errorf("a right that is none: %v", err)
	}
	if err := anna.SetAdminRights(deadline(t), r.Name, boris.Ref(), nil, ""); err != nil {
		t.Fatal(err)
	}
	if m := r.member(boris.UserID); m.Admin || m.Rank != "" {
		t.Errorf("after the end of it the simulator has %+v", m)
	}

	group, id := newGroup(t, anna, boris)
	if err := anna.SetAdminRights(deadline(t), group, boris.Ref(), &client.AdminRights{BanUsers: true}, "Boss"); err != nil {
		t.Fatal(err)
	}
	inside(func(w *model.World) {
		if m := w.Groups[id].Members[boris.UserID]; !m.Admin || m.Rank != "Boss" {
			t.Errorf("in a basic group: %+v", m)
		}
	})
}

func TestMethod47_SetBannedRights(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	r := newRoom(t, anna, false, boris, clara)
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	mute := client.Until(&client.BannedRights{SendMessages: true, SendPolls: true}, until)
	if err := anna.SetBannedRights(deadline(t), r.Name, boris.Ref(), mute); err != nil {
		t.Fatal(err)
	}
	want := tg.ChatBannedRights{SendMessages: true, SendPolls: true, UntilDate: int(until.Unix())}
	if m := r.member(boris.UserID); m.Restricted == nil || m.Restricted.Rights != want || m.Restricted.By != anna.UserID {
		t.Errorf("the simulator has %+v", m)
	}
	_, err := boris.SendMessage(deadline(t), r.Name, client.Text("hello"))
	refused(t, err, "CHAT_RESTRICTED")
	if list, _ := walk(t, anna, r.Name, client.RestrictedOnly()); !slices.Equal(idsOf(list), []int64{boris.UserID}) || !list[0].GetBannedRights().GetUntil().AsTime().Equal(until) {
		t.Errorf("restricted are %v", list)
	}
	if err := anna.Unban(deadline(t), r.Name, boris.Ref()); err != nil {
		t.Fatal(err)
	}
	if m := r.member(boris.UserID); m.Restricted != nil {
		t.Errorf("after all was taken back: %+v", m)
	}

	if err := anna.Ban(deadline(t), r.Name, boris.Ref(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	r.look(func(_ *model.World, ch *model.Channel) {
		ban := ch.Bans[model.UserPeer(boris.UserID)]
		if ch.Members[boris.UserID] != nil || ban == nil || ban.Rights != (tg.ChatBannedRights{ViewMessages: true, UntilDate: model.Unlimited}) {
			t.Errorf("a banned member: %+v", ban)
		}
	})
	if list, _ := walk(t, anna, r.Name, client.BannedOnly()); !slices.Equal(idsOf(list), []int64{boris.UserID}) {
		t.Errorf("banned are %v", list)
	}
	_, err = boris.JoinChat(deadline(t), r.Name)
	refused(t, err, "CHANNEL_PRIVATE")
	if out, err := cli(t, "unban", anna.ID(), r.Name, boris.Ref()); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if j := must(boris.JoinChat(deadline(t), r.Name))(t); j.Outcome != client.JoinedChat {
		t.Errorf("after the ban was taken back: %s", j.Outcome)
	}

	// So far away is for ever; a date of Telegram's cannot hold it.
	if err := anna.Ban(deadline(t), r.Name, boris.Ref(), time.Now().AddDate(100, 0, 0)); err != nil {
		t.Fatal(err)
	}
	r.look(func(_ *model.World, ch *model.Channel) {
		if ban := ch.Bans[model.UserPeer(boris.UserID)]; ban == nil || ban.Rights.UntilDate != model.Unlimited {
			t.Errorf("banned for a hundred years: %+v", ban)
		}
	})
	if err := anna.Unban(deadline(t), r.Name, boris.Ref()); err != nil {
		t.Fatal(err)
	}

	sender := newRoom(t, clara, true)
	must(anna.ResolvePeer(deadline(t), sender.Name))(t)
	if err := anna.Ban(deadline(t), r.Name, sender.Name, time.Time{}); err != nil {
		t.Fatal(err)
	}
	r.look(func(_ *model.World, ch *model.Channel) {
		if ch.Bans[sender.peer()] == nil {
			t.Error("a channel as a sender was not banned")
		}
	})

	group, id := newGroup(t, anna, boris)
	refused(t, anna.SetBannedRights(deadline(t), group, boris.Ref(), mute), "UNSUPPORTED_PEER")
	refused(t, anna.Unban(deadline(t), group, boris.Ref()), "UNSUPPORTED_PEER")
	if err := anna.Ban(deadline(t), group, boris.Ref(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	inside(func(w *model.World) {
		if w.Groups[id].Members[boris.UserID] != nil {
			t.Error("still in the basic group")
		}
	})
}

func TestMethod49_GetPermissions(t *testing.T) {
	t.Parallel()
	anna, boris, clara, dora := account(t), account(t), account(t), account(t)
	r := newRoom(t, anna, false, boris, clara)
	r.look(func(_ *model.World, ch *model.Channel) {
		ch.Default = tg.ChatBannedRights{SendMedia: true, PinMessages: true, ChangeInfo: true}
		ch.Members[boris.UserID].Promote(tg.ChatAdminRights{PinMessages: true}, anna.UserID, "Pinner")
		ch.Members[clara.UserID].Restricted = &model.Ban{Rights: tg.ChatBannedRights{SendPolls: true, UntilDate: model.Unlimited}, By: anna.UserID}
	})
	ask := func(p *person, user string) *client.Permissions {
		t.Helper()
		return must(p.Permissions(deadline(t), r.Name, user))(t)
	}
	p := ask(anna, "")
	if p.GetParticipant().GetMembership() != v1.Membership_MEMBERSHIP_CREATOR || !p.GetEffectiveAdminRights().GetAddAdmins() || p.GetEffectiveBannedRights().GetSendMedia() {
		t.Errorf("the creator: %v", p)
	}
	p = ask(anna, boris.Ref())
	if f := p.GetEffectiveBannedRights(); p.GetParticipant().GetRank() != "Pinner" || f.GetSendMedia() || f.GetPinMessages() || !f.GetChangeInfo() || !p.GetEffectiveAdminRights().GetPinMessages() {
		t.Errorf("an admin: %v", p)
	}
	p = ask(anna, clara.Ref())
	if f := p.GetEffectiveBannedRights(); p.GetParticipant().GetMembership() != v1.Membership_MEMBERSHIP_RESTRICTED || !f.GetSendMedia() || !f.GetSendPolls() || f.GetSendPlain() {
		t.Errorf("a restricted member: %v", p)
	}
	if p.GetDefaultBannedRights().GetSendPolls() || !p.GetDefaultBannedRights().GetSendMedia() {
		t.Errorf("the defaults: %v", p.GetDefaultBannedRights())
	}
	p = ask(anna, dora.Ref())
	if f := p.GetEffectiveBannedRights(); p.GetParticipant().GetMembership() != v1.Membership_MEMBERSHIP_LEFT || !f.GetViewMessages() || !f.GetSendPlain() {
		t.Errorf("somebody who is not there: %v", p)
	}
	if err := anna.Ban(deadline(t), r.Name, clara.Ref(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if p := ask(anna, clara.Ref()); p.GetParticipant().GetMembership() != v1.Membership_MEMBERSHIP_BANNED || !p.GetEffectiveBannedRights().GetViewMessages() {
		t.Errorf("somebody who was banned: %v", p)
	}
	out := must(cli(t, "permissions", boris.ID(), r.Name))(t)
	if !strings.Contains(out, "is\tadmin") || !strings.Contains(out, "may as an admin\tpin-messages") {
		t.Errorf("printed %q", out)
	}
	group, _ := newGroup(t, anna, boris)
	if p := must(anna.Permissions(deadline(t), group, boris.Ref()))(t); p.GetParticipant().GetMembership() != v1.Membership_MEMBERSHIP_MEMBER {
		t.Errorf("in a basic group: %v", p)
	}
	if p := must(anna.Permissions(deadline(t), group, dora.Ref()))(t); p.GetParticipant().GetMembership() != v1.Membership_MEMBERSHIP_LEFT {
		t.Errorf("not in a basic group: %v", p)
	}
}

func TestMethod60_JoinChat(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	r, closed, third := newRoom(t, anna, false), newRoom(t, anna, true), newRoom(t, anna, true)
	closed.look(func(_ *model.World, ch *model.Channel) { ch.Approval = true })
	join := func(chat string, want client.JoinOutcome) {
		t.Helper()
		j := must(boris.JoinChat(deadline(t), chat))(t)
		if j.Outcome != want {
			t.Errorf("%s: %s, want %s", chat, j.Outcome, want)
		}
	}
	join(r.Name, client.JoinedChat)
	if m := r.member(boris.UserID); m.Date == 0 {
		t.Error("the simulator knows no such member")
	}
	join(r.Name, client.AlreadyParticipant)
	join(closed.Name, client.JoinRequestSent)
	closed.look(func(_ *model.World, ch *model.Channel) {
		if ch.Waits(boris.UserID) == nil || ch.Members[boris.UserID] != nil {
			t.Error("the simulator knows no such request")
		}
	})
	inside(func(w *model.World) {
		for i := range int64(model.MaxChannels) {
			w.Users[boris.UserID].Channels[-i-1] = &model.Channel{ID: -i - 1}
		}
	})
	join(third.Name, client.TooManyChannels)
	inside(func(w *model.World) {
		for i := range int64(model.MaxChannels) {
			delete(w.Users[boris.UserID].Channels, -i-1)
		}
	})
	if out, err := cli(t, "join", boris.ID(), third.Name); err != nil || !strings.HasPrefix(out, "joined\t") {
		t.Errorf("by hand: %q, %v", out, err)
	}
	if m := third.member(boris.UserID); m.Date == 0 {
		t.Error("by hand: the simulator knows no such member")
	}
	group, id := newGroup(t, anna, boris)
	if err := anna.Ban(deadline(t), group, boris.Ref(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	join(group, client.JoinedChat)
	join(group, client.AlreadyParticipant)
	inside(func(w *model.World) {
		if w.Groups[id].Members[boris.UserID] == nil {
			t.Error("not in the basic group")
		}
	})
}

func TestMethod61_AcceptInviteLink(t *testing.T) {
	t.Parallel()
	anna, boris, clara := account(t), account(t), account(t)
	var hidden room
	hashes := map[string]string{}
	inside(func(w *model.World) {
		ch := w.NewChannel(w.Users[anna.UserID], "Hidden", false)
		hidden.ID = ch.ID
		for name, l := range map[string]*model.Link{
			"open": {}, "approval": {Approval: true}, "expired": {Expires: w.Now() - 1}, "used up": {Limit: 1, Used: 1}, "revoked": {Revoked: true},
		} {
			l.Hash, l.By, l.Date = w.Token(8)+"x", anna.UserID, w.Now()
			ch.Links = append(ch.Links, l)
			hashes[name] = l.Hash
		}
	})
	accept := func(p *person, link string, want client.JoinOutcome) *client.JoinResult {
		t.Helper()
		j := must(p.AcceptInvite(deadline(t), link))(t)
		if j.Outcome != want {
			t.Errorf("%s, want %s", j.Outcome, want)
		}
		return j
	}
	if i := must(boris.CheckInvite(deadline(t), hashes["approval"]))(t); i.GetTitle() != "Hidden" || !i.GetRequestNeeded() || i.GetAlreadyParticipant() || i.GetParticipantsCount() != 1 {
		t.Errorf("the link leads to %v", i)
	}
	for _, name := range []string{"expired", "used up", "revoked"} {
		accept(boris, hashes[name], v1.JoinOutcome_JOIN_OUTCOME_INVITE_EXPIRED)
	}
	accept(boris, "AAAABBBBCCCCDDDD", v1.JoinOutcome_JOIN_OUTCOME_INVITE_INVALID)
	if j := accept(boris, "https://t.me/+"+hashes["approval"], client.JoinRequestSent); j.Title != "Hidden" {
		t.Errorf("the chat is %q", j.Title)
	}
	hidden.look(func(_ *model.World, ch *model.Channel) {
		if ch.Waits(boris.UserID) == nil || ch.Members[boris.UserID] != nil {
			t.Error("the simulator knows no such request")
		}
	})
	if j := accept(boris, "tg://join?invite="+hashes["open"]+"&x=1", client.JoinedChat); j.Chat.GetTitle() != "Hidden" {
		t.Errorf("joined %v", j.Chat)
	}
	if m := hidden.member(boris.UserID); m.Date == 0 || m.Inviter != anna.UserID {
		t.Errorf("the simulator has %+v", m)
	}
	accept(boris, "t.me/joinchat/"+hashes["open"]+"/?utm=1", client.AlreadyParticipant)
	if out, err := cli(t, "join", clara.ID(), "https://t.me/+"+hashes["open"]); err != nil || !strings.Contains(out, "Hidden") {
		t.Errorf("by hand: %q, %v", out, err)
	}
	if m := hidden.member(clara.UserID); m.Date == 0 {
		t.Error("by hand: the simulator knows no such member")
	}
	for _, phone := range []string{"https://t.me/+15551234567", "t.me/+15551234567?text=hi"} {
		_, err := boris.AcceptInvite(deadline(t), phone)
		refused(t, err, "FIELD_INVALID")
	}
}
