package tlcall

import (
	"encoding/binary"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram"
)

func TestChannelOfNamesTheChannelThatAQueryIsAbout(t *testing.T) {
	for name, c := range map[string]struct {
		query interface{ tg.InputPeerClass }
		want  int64
	}{
		"channel": {&tg.InputPeerChannel{ChannelID: 7, AccessHash: 1}, 7},
		"user":    {&tg.InputPeerUser{UserID: 7, AccessHash: 1}, 0},
		"group":   {&tg.InputPeerChat{ChatID: 7}, 0},
	} {
		body, method, err := Encode(&tg.MessagesReadMentionsRequest{Peer: c.query})
		if err != nil || method != "messages.readMentions" {
			t.Fatalf("%s: %s, %v", name, method, err)
		}
		if got := ChannelOf(body); got != c.want {
			t.Errorf("%s: channel %d, want %d", name, got, c.want)
		}
	}
	body, _, err := Encode(&tg.ChannelsDeleteMessagesRequest{Channel: &tg.InputChannel{ChannelID: 9}, ID: []int{1}})
	if err != nil || ChannelOf(body) != 9 {
		t.Errorf("channels.deleteMessages: %d, %v", ChannelOf(body), err)
	}
}

func TestDecodeRefusesWhatTheSchemaDoesNotKnow(t *testing.T) {
	for _, b := range [][]byte{nil, {1}, {1, 2, 3, 4}} {
		if _, err := Decode(b); err == nil {
			t.Errorf("%x was decoded", b)
		}
	}
}

func TestInitConnectionAnnouncesTheProfile(t *testing.T) {
	body, err := InitConnection(telegram.AppProfile{APIID: 5, DeviceModel: "rack", Layer: 200})
	if err != nil {
		t.Fatal(err)
	}
	if Constructor(body) != tg.InvokeWithLayerRequestTypeID || binary.LittleEndian.Uint32(body[4:]) != 200 {
		t.Errorf("%x, want invokeWithLayer 200", body[:8])
	}
	if _, err := Decode(body); err == nil {
		t.Error("a wrapper was decoded without its query")
	}
}
