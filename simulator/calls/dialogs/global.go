package dialogs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// hit is a message of one of the caller's dialogs.
type hit struct {
	in       model.Peer
	id, date int
}

// compareHits puts the newest first; chat and id tell those of one second apart.
func compareHits(a, b hit) int {
	return cmp.Or(cmp.Compare(b.date, a.date), cmp.Compare(b.in.Kind, a.in.Kind), cmp.Compare(b.in.ID, a.in.ID), cmp.Compare(b.id, a.id))
}

// searchGlobal returns a page of the messages of all dialogs that fit, newest first. Its rate is the
// date of the last one, shifted, so that a client which guesses the rate goes astray.
func searchGlobal(c *model.Call, q *tg.MessagesSearchGlobalRequest) (bin.Encoder, error) {
	var all []hit
	folder, bounded := q.GetFolderID()
	for p, d := range c.User.Dialogs {
		if bounded && d.Folder != folder || !ofKind(c, p, q) {
			continue
		}
		fits, err := filter(c, p, q.Filter)
		if err != nil {
			return nil, err
		}
		for _, id := range idsIn(c, p) {
			if post := c.Find(p, id); fits(id, post) && strings.Contains(model.Fold(post.Text), model.Fold(q.Q)) && between(post.Date, q.MinDate, q.MaxDate) {
				all = append(all, hit{p, id, post.Date})
			}
		}
	}
	slices.SortFunc(all, compareHits)
	page := all
	if q.OffsetRate != 0 || q.OffsetID != 0 {
		last := hit{id: q.OffsetID, date: q.OffsetRate - rateShift}
		if _, empty := q.OffsetPeer.(*tg.InputPeerEmpty); !empty {
			p, err := c.InputPeer(q.OffsetPeer)
			if err != nil {
				return nil, model.RPCError(400, "OFFSET_PEER_ID_INVALID")
			}
			last.in = p
		}
		page = slices.DeleteFunc(slices.Clone(all), func(h hit) bool { return compareHits(h, last) <= 0 })
	}
	limit := min(max(q.Limit, 1), model.MaxRequestIDs)
	if limit > 1 && c.World.Chance(chanceShortPage) {
		limit -= 1 + c.World.Rand.IntN(limit/2)
	}
	page = page[:min(len(page), limit)]
	out, r := &tg.MessagesMessagesSlice{Count: len(all)}, model.NewRefs(c.World, c.User)
	for _, h := range page {
		out.Messages = append(out.Messages, show(c, h.in, h.id, r))
	}
	if n := len(page); n > 0 {
		out.SetNextRate(page[n-1].date + rateShift)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out, nil
}

// rateShift is between the date of a message and its rate.
const rateShift = 1000

func ofKind(c *model.Call, p model.Peer, q *tg.MessagesSearchGlobalRequest) bool {
	broadcast := p.Kind == model.PeerChannel && c.World.Channels[p.ID].Broadcast
	switch {
	case q.BroadcastsOnly:
		return broadcast
	case q.GroupsOnly:
		return p.Kind == model.PeerGroup || p.Kind == model.PeerChannel && !broadcast
	case q.UsersOnly:
		return p.Kind == model.PeerUser
	}
	return true
}
