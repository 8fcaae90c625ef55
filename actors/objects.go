package actors

import (
	"errors"
	"fmt"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tdp"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

var errStreamEnded = errors.New("the update stream ended and starts again from the log")

// constructors makes empty TL objects by id; the map is built once.
var constructors = sync.OnceValue(tg.TypesConstructorMap)

// decodeObject decodes a boxed TL object of the schema.
func decodeObject(b []byte) (bin.Object, error) {
	id := constructor(b)
	make, ok := constructors()[id]
	if !ok {
		return nil, fmt.Errorf("constructor %#x is not in the schema", id)
	}
	obj := make()
	if err := obj.Decode(&bin.Buffer{Buf: b}); err != nil {
		return nil, fmt.Errorf("decode %#x: %w", id, err)
	}
	return obj, nil
}

// channelOf is the channel that a query is about, 0 for users, basic groups and the rest: it
// says whose pts an affectedMessages counts.
func channelOf(query []byte) int64 {
	obj, err := decodeObject(query)
	if err != nil {
		return 0
	}
	switch q := obj.(type) {
	case interface{ GetChannel() tg.InputChannelClass }:
		if c, ok := q.GetChannel().(*tg.InputChannel); ok {
			return c.ChannelID
		}
	case interface{ GetPeer() tg.InputPeerClass }:
		if p, ok := q.GetPeer().(*tg.InputPeerChannel); ok {
			return p.ChannelID
		}
	}
	return 0
}

// encodeQuery serialises a query and names its method.
func encodeQuery(in bin.Encoder) (body []byte, method string, err error) {
	var b bin.Buffer
	if err := in.Encode(&b); err != nil {
		return nil, "", fmt.Errorf("encode query: %w", err)
	}
	method = fmt.Sprintf("%#x", constructor(b.Buf))
	if named, ok := in.(interface{ TypeName() string }); ok {
		method = named.TypeName()
	} else if t, ok := in.(tdp.Object); ok {
		method = t.TypeInfo().Name
	}
	return b.Buf, method, nil
}

// internalCall is a call that the account makes itself: it reads, overtakes the queue, and may
// be repeated.
func internalCall(req bin.Encoder, done func([]byte, error)) *call {
	body, method, err := encodeQuery(req)
	if err != nil { // only a nil required field can do this: a mistake in this package
		body = nil
	}
	return &call{
		method: method, typeID: constructor(body), body: body,
		idempotent: true, internal: true, done: done,
	}
}

// initQuery is invokeWithLayer(initConnection(help.getConfig)) for an app profile.
func initQuery(app telegram.AppProfile) ([]byte, error) {
	layer := app.Layer
	if layer == 0 {
		layer = tg.Layer
	}
	body, _, err := encodeQuery(&tg.InvokeWithLayerRequest{Layer: layer, Query: &tg.InitConnectionRequest{
		APIID: app.APIID, DeviceModel: app.DeviceModel, SystemVersion: app.SystemVersion, AppVersion: app.AppVersion,
		SystemLangCode: app.SystemLangCode, LangPack: app.LangPack, LangCode: app.LangCode,
		Query: &tg.HelpGetConfigRequest{},
	}})
	return body, err
}

// anyAddress selects every address of a DC.
var anyAddress = dcs.Want{}

func unknownDC(dc int) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "DC_UNKNOWN", "dc: no address of this DC is known (got %d)", dc).
		WithRemedy("use a DC of help.getConfig")
}

// lookup is the account's peers in the forms that telegram and tlupdates ask for.
type lookup struct{ *shared }

// Get implements telegram.Peers.
func (l lookup) Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool) {
	self := l.userID.Load()
	if kind == telegram.PeerUser && id == 0 {
		id = self
	}
	if kind == telegram.PeerUser && id != 0 && id == self {
		p, _ := l.get(peers.Key{Kind: peers.User, ID: id})
		own := peerOf(p)
		own.Kind, own.ID, own.Self = telegram.PeerUser, id, true
		return own, true
	}
	p, ok := l.get(peers.Key{Kind: peers.Kind(kind), ID: id})
	return peerOf(p), ok
}

// ByUsername implements telegram.Peers.
func (l lookup) ByUsername(name string) (telegram.Peer, bool) {
	cache := l.cache.Load()
	if cache == nil {
		return telegram.Peer{}, false
	}
	p, ok := cache.ByUsername(name)
	return peerOf(p), ok
}

// Put implements telegram.Peers.
func (l lookup) Put(found ...telegram.Peer) {
	seen := make([]peers.Peer, 0, len(found))
	for _, p := range found {
		seen = append(seen, peers.Peer{
			ID: p.ID, Kind: peers.Kind(p.Kind), AccessHash: p.AccessHash, Username: p.Username, Min: p.Min,
		})
	}
	if cache := l.cache.Load(); cache != nil {
		cache.Observe(seen...)
	}
}

func (l lookup) get(k peers.Key) (peers.Peer, bool) {
	cache := l.cache.Load()
	if cache == nil { // nothing is loaded yet
		return peers.Peer{}, false
	}
	return cache.Get(k)
}

// KnowsUser implements tlupdates.Lookup.
func (l lookup) KnowsUser(id int64) bool {
	_, ok := l.get(peers.Key{Kind: peers.User, ID: id})
	return ok
}

// KnowsChat implements tlupdates.Lookup.
func (l lookup) KnowsChat(id int64) bool {
	_, ok := l.get(peers.Key{Kind: peers.Chat, ID: id})
	return ok
}

// InputChannel implements tlupdates.Lookup.
func (l lookup) InputChannel(id int64) (tg.InputChannelClass, bool) {
	p, ok := l.get(peers.Key{Kind: peers.Channel, ID: id})
	if !ok || p.Min || p.AccessHash == 0 {
		return nil, false
	}
	return &tg.InputChannel{ChannelID: id, AccessHash: p.AccessHash}, true
}

// The kinds of both packages have the same numbers; the compiler holds them together.
var (
	_ = [1]struct{}{}[telegram.PeerUser-telegram.PeerKind(peers.User)]
	_ = [1]struct{}{}[telegram.PeerChat-telegram.PeerKind(peers.Chat)]
	_ = [1]struct{}{}[telegram.PeerChannel-telegram.PeerKind(peers.Channel)]
)

func peerOf(p peers.Peer) telegram.Peer {
	return telegram.Peer{
		Kind: telegram.PeerKind(p.Kind), ID: p.ID, AccessHash: p.AccessHash, Username: p.Username, Min: p.Min,
	}
}
