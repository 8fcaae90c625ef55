// Package tlcall turns TL queries and answers into bytes and back where their types are known
// by constructor only.
//
// # Concurrency
//
// All functions may be called by any goroutine.
package tlcall

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tdp"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram"
)

// Constructor is the id of a TL object, 0 if it has none.
func Constructor(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// constructors makes empty TL objects by id; the map is built once.
var constructors = sync.OnceValue(tg.TypesConstructorMap)

// Decode decodes a boxed TL object of the schema.
func Decode(b []byte) (obj bin.Object, err error) {
	id := Constructor(b)
	// Wrappers such as invokeWithTakeout hold a query of any type, which generated code cannot
	// make: it panics on the nil inside.
	defer func() {
		if r := recover(); r != nil {
			obj, err = nil, fmt.Errorf("decode %#x: %v", id, r)
		}
	}()
	make, ok := constructors()[id]
	if !ok {
		return nil, fmt.Errorf("constructor %#x is not in the schema", id)
	}
	obj = make()
	if err = obj.Decode(&bin.Buffer{Buf: b}); err != nil {
		return nil, fmt.Errorf("decode %#x: %w", id, err)
	}
	return obj, nil
}

// ChannelOf is the channel that a query is about, 0 for users, basic groups and the rest: it
// says whose pts an affectedMessages counts.
func ChannelOf(query []byte) int64 {
	obj, err := Decode(query)
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

// PeerOf names the chat that a query is about, as "channel:1"; empty if it is about none.
func PeerOf(query []byte) string {
	obj, err := Decode(query)
	if err != nil {
		return ""
	}
	var peer tg.InputPeerClass
	switch q := obj.(type) {
	case interface{ GetPeer() tg.InputPeerClass }:
		peer = q.GetPeer()
	case interface{ GetToPeer() tg.InputPeerClass }:
		peer = q.GetToPeer()
	case interface{ GetChannel() tg.InputChannelClass }:
		switch c := q.GetChannel().(type) {
		case *tg.InputChannel:
			return fmt.Sprintf("channel:%d", c.ChannelID)
		case *tg.InputChannelFromMessage:
			return fmt.Sprintf("channel:%d", c.ChannelID)
		}
	}
	switch p := peer.(type) {
	case *tg.InputPeerSelf:
		return "self"
	case *tg.InputPeerUser:
		return fmt.Sprintf("user:%d", p.UserID)
	case *tg.InputPeerUserFromMessage:
		return fmt.Sprintf("user:%d", p.UserID)
	case *tg.InputPeerChat:
		return fmt.Sprintf("chat:%d", p.ChatID)
	case *tg.InputPeerChannel:
		return fmt.Sprintf("channel:%d", p.ChannelID)
	case *tg.InputPeerChannelFromMessage:
		return fmt.Sprintf("channel:%d", p.ChannelID)
	}
	return ""
}

// Encode serialises a query and names its method.
func Encode(in bin.Encoder) (body []byte, method string, err error) {
	var b bin.Buffer
	if err := in.Encode(&b); err != nil {
		return nil, "", fmt.Errorf("encode query: %w", err)
	}
	if named, ok := in.(interface{ TypeName() string }); ok {
		method = named.TypeName()
	} else if t, ok := in.(tdp.Object); ok {
		method = t.TypeInfo().Name
	} else {
		method = fmt.Sprintf("%#x", Constructor(b.Buf))
	}
	return b.Buf, method, nil
}

// InitConnection is invokeWithLayer(initConnection(help.getConfig)) for an app profile.
func InitConnection(app telegram.AppProfile) ([]byte, error) {
	layer := app.Layer
	if layer == 0 {
		layer = tg.Layer
	}
	body, _, err := Encode(&tg.InvokeWithLayerRequest{Layer: layer, Query: &tg.InitConnectionRequest{
		APIID: app.APIID, DeviceModel: app.DeviceModel, SystemVersion: app.SystemVersion, AppVersion: app.AppVersion,
		SystemLangCode: app.SystemLangCode, LangPack: app.LangPack, LangCode: app.LangCode,
		Query: &tg.HelpGetConfigRequest{},
	}})
	return body, err
}
