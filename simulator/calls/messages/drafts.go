package messages

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func saveDraft(c *model.Call, q *tg.MessagesSaveDraftRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if q.Message == "" {
		setDraft(c, in, nil)
		return &tg.BoolTrue{}, nil
	}
	d := &tg.DraftMessage{Message: q.Message, Date: c.World.Now(), NoWebpage: q.NoWebpage}
	if len(q.Entities) > 0 {
		d.SetEntities(q.Entities)
	}
	setDraft(c, in, d)
	return &tg.BoolTrue{}, nil
}

// setDraft replaces the draft of a dialog and tells the account's other sessions; nil clears it.
func setDraft(c *model.Call, in model.Peer, d tg.DraftMessageClass) {
	dialog := c.World.Dialog(c.User, in)
	if d == nil && dialog.Draft == nil {
		return
	}
	if dialog.Draft = d; d == nil {
		d = &tg.DraftMessageEmpty{}
	}
	b := c.World.Bundle(c.User, &tg.UpdateDraftMessage{Peer: in.TL(), Draft: d})
	b.Refs.Peer(in)
	b.Seq = true
	c.World.SendTo(c.User, b, c.Key)
}
