package convert

import (
	"errors"
	"testing"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

func TestMarkupBecomesEntitiesOfRequests(t *testing.T) {
	peers := known(telegram.Peer{Kind: telegram.PeerUser, ID: 7, AccessHash: 8})
	plain, entities, err := InputText("message", &v1.InputMessage{
		Text: "*a* [b](tg://user?id=7)", ParseMode: v1.ParseMode_PARSE_MODE_MARKDOWN,
	}, peers)
	if err != nil || plain != "a b" || len(entities) != 2 {
		t.Fatalf("got %q %v, %v", plain, entities, err)
	}
	mention, ok := entities[1].(*tg.InputMessageEntityMentionName)
	if !ok || mention.UserID.(*tg.InputUser).AccessHash != 8 {
		t.Errorf("got %v", entities[1])
	}
	for reason, m := range map[string]*v1.InputMessage{
		"MARKUP_INVALID": {Text: "<b>a", ParseMode: v1.ParseMode_PARSE_MODE_HTML},
		"PEER_UNKNOWN":   {Text: `<a href="tg://user?id=9">a</a>`, ParseMode: v1.ParseMode_PARSE_MODE_HTML},
		"FIELD_INVALID":  {Text: "a", Entities: []*v1.Entity{{}}, ParseMode: v1.ParseMode_PARSE_MODE_HTML},
	} {
		_, _, err := InputText("message", m, peers)
		var own *fleet.Error
		if !errors.As(err, &own) || own.Reason != reason || own.Remedy == "" {
			t.Errorf("%v: got %v, want %s", m, err, reason)
		}
	}
	if got := Markup("a b", []tg.MessageEntityClass{&tg.MessageEntityBold{Length: 1}}, v1.ParseMode_PARSE_MODE_HTML); got != "<b>a</b> b" {
		t.Errorf("got %q", got)
	}
}
