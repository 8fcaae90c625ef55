package telegram

import (
	"context"
	"time"

	"github.com/gotd/td/tg"
)

// Forward says what to forward, and how.
type Forward struct {
	IDs          []int
	DropAuthor   bool
	DropCaptions bool
	Silent       bool
	Background   bool
	Noforwards   bool
	// Schedule is when to send; zero = now. WhenOnline sends once the user is online instead.
	Schedule   time.Time
	WhenOnline bool
	// TopID is the forum topic to forward to; 0 = none.
	TopID  int
	SendAs *Peer
	// RandomID makes repetitions of one command one message for each n-th of IDs; nil or 0 = drawn.
	RandomID func(n int) int64
}

// Forwarded is what became of one message.
type Forwarded struct {
	OriginalID int
	// Message is the copy; nil when there is none, or when it is not known which one it is.
	Message *tg.Message
	// Sent says that there is a copy.
	Sent bool
}

// ForwardMessages writes copies of messages into another chat (messages.forwardMessages), 100 at once.
// but never a part of an album, which would be two then. It tells of each id, in their order. Originals
// that are not there are no error.
func ForwardMessages(ctx context.Context, env Env, from, to Peer, f Forward) ([]Forwarded, error) {
	if err := checkIDs(f.IDs); err != nil {
		return nil, err
	}
	base, err := forwardRequest(from, to, f)
	if err != nil {
		return nil, err
	}
	random := make([]int64, len(f.IDs))
	for i := range random { // all before the first call: a repetition sends the same ones
		if f.RandomID != nil {
			random[i] = f.RandomID(i)
		}
		if random[i] == 0 {
			if random[i], err = randomID(); err != nil {
				return nil, err
			}
		}
	}
	ends, err := cutForward(ctx, env, from, f.IDs)
	if err != nil {
		return nil, err
	}
	var out []Forwarded
	at := 0
	for _, end := range ends {
		req := *base
		req.ID, req.RandomID = f.IDs[at:end], random[at:end]
		at = end
		part, err := forward(ctx, env, &req)
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

// maxAlbum is how many messages an album has at most.
const maxAlbum = 10

// cutForward says where the calls for the ids end: behind a hundred, or before the album that this would cut.
func cutForward(ctx context.Context, env Env, from Peer, ids []int) (ends []int, err error) {
	at := 0
	for len(ids)-at > maxIDs {
		end := at + maxIDs
		first := end - maxAlbum + 1 // of an album that goes on behind the end
		found, _, err := GetMessages(ctx, env, from, ids[first:end+1])
		if err != nil {
			return nil, err
		}
		album := groupOf(found[len(found)-1])
		for album != 0 && end > first && groupOf(found[end-1-first]) == album {
			end--
		}
		ends, at = append(ends, end), end
	}
	return append(ends, len(ids)), nil
}

// groupOf is the number of the album that a message is in; 0 for none.
func groupOf(m tg.MessageClass) int64 {
	if m, ok := m.(*tg.Message); ok {
		return m.GroupedID
	}
	return 0
}

func forwardRequest(from, to Peer, f Forward) (*tg.MessagesForwardMessagesRequest, error) {
	source, err := from.Input()
	if err != nil {
		return nil, err
	}
	target, err := to.Input()
	if err != nil {
		return nil, err
	}
	req := &tg.MessagesForwardMessagesRequest{
		FromPeer: source, ToPeer: target, DropAuthor: f.DropAuthor, DropMediaCaptions: f.DropCaptions,
		Silent: f.Silent, Background: f.Background, Noforwards: f.Noforwards,
	}
	if date := scheduleDate(f.Schedule, f.WhenOnline); date != 0 {
		req.SetScheduleDate(date)
	}
	if f.TopID != 0 {
		req.SetTopMsgID(f.TopID)
	}
	if f.SendAs != nil {
		as, err := f.SendAs.Input()
		if err != nil {
			return nil, err
		}
		req.SetSendAs(as)
	}
	return req, nil
}

// forward sends one call.
func forward(ctx context.Context, env Env, req *tg.MessagesForwardMessagesRequest) ([]Forwarded, error) {
	out := make([]Forwarded, len(req.ID))
	for i, id := range req.ID {
		out[i].OriginalID = id
	}
	var res tg.UpdatesBox
	err := Invoke(ctx, env, req, &res)
	switch {
	case IsRPC(err, "RANDOM_ID_DUPLICATE"): // an earlier try has sent them
		for i := range out {
			out[i].Sent = true
		}
		return out, nil
	case IsRPC(err, "MESSAGE_ID_INVALID"): // none of them is there
		return out, nil
	case err != nil:
		return nil, err
	}
	ids, byID := messageIDs(res.Updates), map[int]*tg.Message{}
	for _, m := range messagesIn(res.Updates) {
		byID[m.ID] = m
	}
	for i, random := range req.RandomID {
		id, sent := ids[random]
		out[i].Sent, out[i].Message = sent, byID[id]
	}
	return out, nil
}
