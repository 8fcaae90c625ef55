package calls_test

import (
	"fmt"

	"github.com/gotd/td/tg"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
)

// reference is a client that follows the update rules and nothing else: apply what fits,
// forget what is known, ask for the difference at every gap.
type reference struct {
	s        *simtest.Session
	channel  int64
	state    tg.UpdatesState
	chPts    int
	seen     map[string]bool
	readUpTo map[string]int
}

func newReference(s *simtest.Session, channel int64) *reference {
	s.B.Rec.Take(s.Key)
	return &reference{
		s: s, channel: channel, state: *simtest.Must(s.UpdatesGetState(simtest.Ctx))(s.B.T), chPts: s.B.Channels[channel].Pts,
		seen: map[string]bool{}, readUpTo: map[string]int{},
	}
}

func (r *reference) listen(drop func() bool) {
	for _, u := range r.s.B.Rec.Take(r.s.Key) {
		if drop() {
			continue
		}
		switch u := u.(type) {
		case *tg.UpdateShortMessage:
			r.common(u.Pts, u.PtsCount, func() { r.message("pts", u.ID) })
		case *tg.UpdateShortChatMessage:
			r.common(u.Pts, u.PtsCount, func() { r.message("pts", u.ID) })
		case *tg.Updates:
			r.all(u.Updates, u.Seq)
		case *tg.UpdatesCombined:
			r.all(u.Updates, u.Seq)
		}
	}
}

func (r *reference) all(updates []tg.UpdateClass, seq int) {
	for _, u := range updates {
		r.one(u, false)
	}
	if seq == r.state.Seq+1 {
		r.state.Seq = seq
	} else if seq > r.state.Seq+1 {
		r.difference()
	}
}

func (r *reference) common(pts, count int, apply func()) {
	switch {
	case r.state.Pts+count == pts:
		r.state.Pts = pts
		apply()
	case r.state.Pts+count < pts:
		r.difference()
	}
}

func (r *reference) inChannel(pts, count int, apply func()) {
	switch {
	case r.chPts+count == pts:
		r.chPts = pts
		apply()
	case r.chPts+count < pts:
		r.channelDifference()
	}
}

func (r *reference) message(box string, ids ...int) {
	for _, id := range ids {
		r.seen[fmt.Sprint(box, " ", id)] = true
	}
}

// one applies an update: by its counters, or as part of a difference.
func (r *reference) one(u tg.UpdateClass, whole bool) {
	common, inChannel := r.common, r.inChannel
	if whole {
		common = func(_, _ int, apply func()) { apply() }
		inChannel = common
	}
	box := fmt.Sprint("channel:", r.channel)
	switch u := u.(type) {
	case *tg.UpdateNewMessage:
		common(u.Pts, u.PtsCount, func() { r.message("pts", u.Message.GetID()) })
	case *tg.UpdateEditMessage:
		common(u.Pts, u.PtsCount, func() { r.edited("pts", u.Message) })
	case *tg.UpdateDeleteMessages:
		common(u.Pts, u.PtsCount, func() { r.message("pts deleted", u.Messages...); r.message("pts", u.Messages...) })
	case *tg.UpdateReadHistoryInbox:
		common(u.Pts, u.PtsCount, func() { r.read(model.KindReadInbox, u.Peer, u.MaxID) })
	case *tg.UpdateReadHistoryOutbox:
		common(u.Pts, u.PtsCount, func() { r.read(model.KindReadOutbox, u.Peer, u.MaxID) })
	case *tg.UpdateNewChannelMessage:
		inChannel(u.Pts, u.PtsCount, func() { r.message(box, u.Message.GetID()) })
	case *tg.UpdateEditChannelMessage:
		inChannel(u.Pts, u.PtsCount, func() { r.edited(box, u.Message) })
	case *tg.UpdateDeleteChannelMessages:
		inChannel(u.Pts, u.PtsCount, func() { r.message(box+" deleted", u.Messages...); r.message(box, u.Messages...) })
	case *tg.UpdatePinnedMessages:
		common(u.Pts, u.PtsCount, func() { r.message("pts pinned", u.Messages...) })
	case *tg.UpdatePinnedChannelMessages:
		inChannel(u.Pts, u.PtsCount, func() { r.message(box+" pinned", u.Messages...) })
	case *tg.UpdateChannelTooLong:
		r.channelDifference()
	}
}

func (r *reference) edited(box string, m tg.MessageClass) {
	r.message(box, m.GetID())
	r.message(fmt.Sprint(box, " edited ", m.(*tg.Message).EditDate), m.GetID())
}

func (r *reference) read(kind string, p tg.PeerClass, id int) {
	k := kind + model.Encoded(p)
	r.readUpTo[k] = max(r.readUpTo[k], id)
}

func (r *reference) difference() {
	for {
		d := simtest.Must(r.s.UpdatesGetDifference(simtest.Ctx, &tg.UpdatesGetDifferenceRequest{Pts: r.state.Pts, Qts: r.state.Qts, Date: r.state.Date}))(r.s.B.T)
		switch d := d.(type) {
		case *tg.UpdatesDifferenceSlice:
			r.apply(d.NewMessages, d.OtherUpdates)
			r.state = d.IntermediateState
			continue
		case *tg.UpdatesDifference:
			r.state = d.State
			r.apply(d.NewMessages, d.OtherUpdates)
		}
		return
	}
}

func (r *reference) apply(messages []tg.MessageClass, other []tg.UpdateClass) {
	for _, m := range messages {
		r.fresh("pts", m)
	}
	for _, u := range other {
		r.one(u, true)
	}
}

func (r *reference) fresh(box string, m tg.MessageClass) {
	r.message(box, m.GetID())
	if m, ok := m.(*tg.Message); ok && m.EditDate != 0 {
		r.edited(box, m)
	}
}

func (r *reference) channelDifference() {
	for {
		d := simtest.Must(r.s.UpdatesGetChannelDifference(simtest.Ctx, &tg.UpdatesGetChannelDifferenceRequest{
			Channel: r.s.Channel(r.channel), Filter: &tg.ChannelMessagesFilterEmpty{}, Pts: r.chPts, Limit: 7,
		}))(r.s.B.T)
		c, ok := d.(*tg.UpdatesChannelDifference)
		if !ok {
			return
		}
		for _, m := range c.NewMessages {
			r.fresh(fmt.Sprint("channel:", r.channel), m)
		}
		for _, u := range c.OtherUpdates {
			r.one(u, true)
		}
		if r.chPts = c.Pts; c.Final {
			return
		}
	}
}

// check compares what the client saw with what it was owed. The results of its own queries
// were not applied: they too must come by difference.
func (r *reference) check(rt *rapid.T, entries []model.Entry) {
	state := simtest.Must(r.s.UpdatesGetState(simtest.Ctx))(r.s.B.T)
	if state.Pts != r.state.Pts || state.Qts != r.state.Qts || state.Seq != r.state.Seq {
		rt.Errorf("client stands at %+v, server at %+v", r.state, state)
	}
	if pts := r.s.B.Channels[r.channel].Pts; pts != r.chPts {
		rt.Errorf("client's channel stands at %d, server's at %d", r.chPts, pts)
	}
	latest := map[string]int{}
	for _, e := range entries {
		if e.UserID == r.s.ID && e.Kind == model.KindMessageEdited {
			latest[fmt.Sprint(e.Box, " ", e.MessageID)] = e.Date
		}
	}
	for _, e := range entries {
		if e.UserID != r.s.ID {
			continue
		}
		deleted := r.seen[fmt.Sprint(e.Box, " deleted ", e.MessageID)]
		ok := deleted
		switch e.Kind {
		case model.KindMessageNew:
			ok = ok || r.seen[fmt.Sprint(e.Box, " ", e.MessageID)]
		case model.KindMessageEdited:
			date := latest[fmt.Sprint(e.Box, " ", e.MessageID)]
			ok = ok || r.seen[fmt.Sprint(e.Box, " edited ", date, " ", e.MessageID)]
		case model.KindReadInbox, model.KindReadOutbox:
			p := model.Peer{Kind: map[string]model.PeerKind{"user": model.PeerUser, "chat": model.PeerGroup}[e.ChatType], ID: e.PeerID}
			ok = r.readUpTo[e.Kind+model.Encoded(p.TL())] >= e.MessageID
		case model.KindPinned, model.KindUnpinned:
			ok = r.seen[fmt.Sprint(e.Box, " pinned ", e.MessageID)]
		case model.KindParticipant:
			ok = true
		}
		if !ok {
			rt.Errorf("user %d never learned of %+v", r.s.ID, e)
		}
	}
}
