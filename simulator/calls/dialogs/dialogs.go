package dialogs

import (
	"cmp"
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// chanceShortPage is how often a page has fewer rows than asked for though more follow.
const chanceShortPage = 0.3

// row is a dialog as it stands in the list.
type row struct {
	d    *model.Dialog
	top  int
	date int
}

// row finds a dialog's newest message. A channel's dialog stands by its newest post, or by
// the day of joining.
func rowOf(c *model.Call, d *model.Dialog) (row, bool) {
	if d.Peer.Kind == model.PeerChannel {
		ch := c.World.Channels[d.Peer.ID]
		r := row{d: d, date: d.Since}
		if n := len(ch.IDs); n > 0 {
			r.top = ch.IDs[n-1]
			r.date = max(r.date, ch.Posts[r.top].Date)
		}
		return r, ch.Members[c.User.ID] != nil
	}
	if len(d.IDs) == 0 {
		return row{}, false
	}
	top := d.IDs[len(d.IDs)-1]
	return row{d, top, c.User.Box.Messages[top].Post.Date}, true
}

// compareRows puts the pinned first, then the newest.
func compareRows(a, b row) int {
	if a.d.Pinned != b.d.Pinned {
		if a.d.Pinned {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.date, a.date), cmp.Compare(b.top, a.top),
		cmp.Compare(b.d.Peer.Kind, a.d.Peer.Kind), cmp.Compare(b.d.Peer.ID, a.d.Peer.ID))
}

func rows(c *model.Call, folder int, pinned bool) []row {
	var rows []row
	for _, d := range c.User.Dialogs {
		if d.Folder != folder || d.Pinned && !pinned {
			continue
		}
		if r, ok := rowOf(c, d); ok {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

func getDialogs(c *model.Call, q *tg.MessagesGetDialogsRequest) (bin.Encoder, error) {
	rows := rows(c, q.FolderID, !q.ExcludePinned)
	total := len(rows)
	if q.OffsetDate > 0 || q.OffsetID > 0 {
		last := row{d: &model.Dialog{}, top: q.OffsetID, date: q.OffsetDate}
		if _, empty := q.OffsetPeer.(*tg.InputPeerEmpty); !empty {
			p, err := c.InputPeer(q.OffsetPeer)
			if err != nil {
				return nil, model.RPCError(400, "OFFSET_PEER_ID_INVALID")
			}
			last.d.Peer = p
		}
		at := 0
		for at < len(rows) && (rows[at].d.Pinned || compareRows(rows[at], last) <= 0 || rows[at].d.Peer == last.d.Peer) {
			at++
		}
		rows = rows[at:]
	}
	limit := max(min(q.Limit, model.MaxRequestIDs), 1)
	if limit > 1 && c.World.Chance(chanceShortPage) {
		limit -= 1 + c.World.Rand.IntN(limit/2)
	}
	rows = rows[:min(len(rows), limit)]
	out := render(c, rows)
	if len(rows) == total {
		return &tg.MessagesDialogs{Dialogs: out.Dialogs, Messages: out.Messages, Chats: out.Chats, Users: out.Users}, nil
	}
	return &tg.MessagesDialogsSlice{
		Count: total, Dialogs: out.Dialogs, Messages: out.Messages, Chats: out.Chats, Users: out.Users,
	}, nil
}

func getPeerDialogs(c *model.Call, q *tg.MessagesGetPeerDialogsRequest) (bin.Encoder, error) {
	var rows []row
	for _, in := range q.Peers {
		d, ok := in.(*tg.InputDialogPeer)
		if !ok {
			return nil, model.RPCError(400, "PEER_ID_INVALID")
		}
		p, err := c.InputPeer(d.Peer)
		if err != nil {
			return nil, err
		}
		r := row{d: &model.Dialog{Peer: p}}
		if known := c.User.Dialogs[p]; known != nil {
			if found, ok := rowOf(c, known); ok {
				r = found
			}
		}
		rows = append(rows, r)
	}
	return render(c, rows), nil
}

// render turns rows into dialogs with their newest messages, peers, and the present state.
func render(c *model.Call, rows []row) *tg.MessagesPeerDialogs {
	out := &tg.MessagesPeerDialogs{State: c.State()}
	refs := model.NewRefs(c.World, c.User)
	for _, r := range rows {
		out.Dialogs = append(out.Dialogs, c.DialogOf(r.d, r.top))
		refs.Peer(r.d.Peer)
		switch {
		case r.top == 0:
		case r.d.Peer.Kind == model.PeerChannel:
			ch := c.World.Channels[r.d.Peer.ID]
			out.Messages = append(out.Messages, c.World.RenderPost(ch, ch.Posts[r.top], c.User.ID))
			refs.Post(ch.Posts[r.top], r.d.Peer)
		default:
			m := c.User.Box.Messages[r.top]
			out.Messages = append(out.Messages, c.World.RenderLetter(c.User, m))
			refs.Post(m.Post, m.Dialog)
		}
	}
	out.Chats, out.Users = refs.TLChats(), refs.TLUsers()
	return out
}
