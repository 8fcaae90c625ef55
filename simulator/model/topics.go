package model

// GeneralTopic is the topic that every forum has; its messages say nothing of it.
const GeneralTopic = 1

// Topic is one topic of a forum. Its id is that of the message that made it.
type Topic struct {
	ID      int
	Title   string
	Creator int64
	Date    int
	Closed  bool
	ReadIn  map[int64]int // by member; nil: nobody has read any
}

// Protected says whether nothing may be forwarded out of a chat.
func (w *World) Protected(p Peer) bool {
	switch p.Kind {
	case PeerGroup:
		return w.Groups[p.ID].Noforwards
	case PeerChannel:
		return w.Channels[p.ID].Noforwards
	}
	return false
}
