package tlupdates

import (
	"errors"
	"hash/maphash"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/updates"
)

// Reader reads pushes in their most frequent form, an `updates` object, for less than DecodeUpdates
// and FromUpdates cost: it decodes messages into memory that it uses again, takes their bytes as
// they came for the log, and passes over users and chats that it has read before. It holds some
// hashes. One caller at a time.
type Reader struct {
	known [knownPeers]uint64 // hashes of the last lists of users and chats
	next  int
}

// knownPeers is how many lists of users and chats a Reader knows again: about as many people as
// write in turn.
const knownPeers = 8

// peersSeed makes the hashes of this process unpredictable.
var peersSeed = maphash.MakeSeed()

// errOther means that something is not of the usual form.
var errOther = errors.New("not of the usual form")

// Forget makes the Reader give out all users and chats again: after any change of what is
// remembered of peers, so that what it passes over can never be news.
func (r *Reader) Forget() { *r = Reader{} }

// Read gives the same input as FromUpdates of the decoded body, but for the form of the payloads,
// which hold on to the body; body is then changed. With it come the users and chats, as an Updates
// without updates; nil if all of them were given out since Forget. False, and an unchanged body, for
// any other object and for one that cannot be decoded.
func (r *Reader) Read(body []byte, src Source) (updates.Received, *tg.Updates, bool) {
	b := &bin.Buffer{Buf: body}
	if b.ConsumeID(tg.UpdatesTypeID) != nil {
		return updates.Received{}, nil, false
	}
	n, err := b.VectorHeader()
	if err != nil || n > len(b.Buf)/bin.Word {
		return updates.Received{}, nil, false
	}
	in := updates.Received{MsgID: src.MsgID}
	if n > 0 {
		in.Updates = make([]updates.Update, 0, n)
	}
	for i := range n {
		u, err := readUpdate(b, i, src)
		if err != nil {
			return updates.Received{}, nil, false
		}
		in.Updates = append(in.Updates, u)
	}
	came, err := r.readPeers(b)
	if err != nil {
		return updates.Received{}, nil, false
	}
	if in.Date, err = b.Int(); err == nil {
		in.Seq, err = b.Int()
	}
	if err != nil {
		return updates.Received{}, nil, false
	}
	in.SeqStart = in.Seq
	for i := range in.Updates {
		for j := range in.Updates[i].Events {
			finish(&in.Updates[i].Events[j])
		}
	}
	return in, came, true
}

// finish writes the head of an encoded payload over what stood before the message in the body.
func finish(e *updates.Event) {
	if p, ok := e.Payload.(Encoded); ok {
		putHead(p, tagMessage)
	}
}

// readUpdate reads one update of a list.
func readUpdate(b *bin.Buffer, i int, src Source) (updates.Update, error) {
	id, err := b.PeekID()
	if err != nil {
		return updates.Update{}, err
	}
	switch id {
	case tg.UpdateNewMessageTypeID, tg.UpdateNewChannelMessageTypeID,
		tg.UpdateEditMessageTypeID, tg.UpdateEditChannelMessageTypeID:
		return readMessageUpdate(b, id)
	case tg.UpdateUserNameTypeID: // it is for the peers, which see whole updates
		return updates.Update{}, errOther
	}
	u, err := tg.DecodeUpdate(b)
	if err != nil {
		return updates.Update{}, err
	}
	return convert(u, func() string { return src.key(i) }), nil
}

// messages are for decoding only: of a message's many fields, few are needed.
var messages = sync.Pool{New: func() any { return new(tg.Message) }}

// readMessageUpdate reads an update that is constructor, message, pts, pts_count.
func readMessageUpdate(b *bin.Buffer, id uint32) (updates.Update, error) {
	whole := b.Buf
	b.Skip(bin.Word) // as long as a payload's head, which will take its place
	scratch := messages.Get().(*tg.Message)
	defer func() { *scratch = tg.Message{}; messages.Put(scratch) }()
	m, err := readMessage(b, scratch)
	if err != nil {
		return updates.Update{}, err
	}
	n := len(whole) - len(b.Buf)
	payload := Encoded(whole[:n:n])
	u := updates.Update{Box: updates.Box{Kind: updates.BoxPts}}
	if id == tg.UpdateNewChannelMessageTypeID || id == tg.UpdateEditChannelMessageTypeID {
		u.Box = updates.ChannelBox(channelOf(m))
		if u.Box.Channel == 0 {
			return updates.Update{}, errOther
		}
	}
	if u.Pts, err = b.Int(); err == nil {
		u.Count, err = b.Int()
	}
	if id == tg.UpdateNewMessageTypeID || id == tg.UpdateNewChannelMessageTypeID {
		u.Events = newMessage(u.Box, m, payload)
	} else {
		u.Events = editedMessage(u.Box, m, payload)
	}
	return u, err
}

func readMessage(b *bin.Buffer, scratch *tg.Message) (tg.MessageClass, error) {
	if id, err := b.PeekID(); err != nil || id != tg.MessageTypeID {
		return tg.DecodeMessage(b)
	}
	return scratch, scratch.Decode(b)
}

// readPeers reads users and chats, or passes over them if they have been given out. Behind them
// stand date and seq, two words.
func (r *Reader) readPeers(b *bin.Buffer) (*tg.Updates, error) {
	n := len(b.Buf) - 2*bin.Word
	if n < 0 {
		return nil, errOther
	}
	h := max(1, maphash.Bytes(peersSeed, b.Buf[:n])) // 0 is no hash
	for _, known := range r.known {
		if known == h {
			b.Skip(n)
			return nil, nil
		}
	}
	var came tg.Updates
	users, err := b.VectorHeader()
	for ; err == nil && users > 0; users-- {
		var u tg.UserClass
		if u, err = tg.DecodeUser(b); err == nil {
			came.Users = append(came.Users, u)
		}
	}
	if err != nil {
		return nil, err
	}
	chats, err := b.VectorHeader()
	for ; err == nil && chats > 0; chats-- {
		var c tg.ChatClass
		if c, err = tg.DecodeChat(b); err == nil {
			came.Chats = append(came.Chats, c)
		}
	}
	if err == nil && b.Len() == 2*bin.Word {
		r.known[r.next] = h
		r.next = (r.next + 1) % len(r.known)
	}
	return &came, err
}
