package methodtest

import (
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator/model"
)

func TestMethod19_Formatted(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	for _, content := range []client.Content{
		client.Markdown("😀 *bold _both_* [link](https://example.org)"), client.HTML(`😀 <b>bold <i>both</i></b> <a href="https://example.org">link</a>`),
	} {
		must(anna.SendMessage(deadline(t), boris.Ref(), content))(t)
	}
	if out, err := cli(t, "send", anna.ID(), boris.Ref(), "--markdown", "😀 *bold _both_* [link](https://example.org)"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	kept := posts(boris.UserID, model.UserPeer(anna.UserID))
	if len(kept) != 3 {
		t.Fatalf("the simulator has %q", texts(kept))
	}
	for _, p := range kept {
		if p.Text != "😀 bold both link" || len(p.Entities) != 3 {
			t.Fatalf("the simulator has %q with %v", p.Text, p.Entities)
		}
		bold, ok := p.Entities[0].(*tg.MessageEntityBold)
		italic, ok2 := p.Entities[1].(*tg.MessageEntityItalic)
		link, ok3 := p.Entities[2].(*tg.MessageEntityTextURL)
		if !ok || !ok2 || !ok3 || bold.Offset != 3 || bold.Length != 9 || italic.Offset != 8 || italic.Length != 4 || link.Offset != 13 || link.URL != "https://example.org" {
			t.Errorf("the simulator has %v", p.Entities)
		}
	}
	_, err := anna.SendMessage(deadline(t), boris.Ref(), client.Markdown("a\n*b"))
	refused(t, err, "MARKUP_INVALID")
	if err == nil || !contains(err.Error(), "line 2, column 1") || contains(err.Error(), "*b") {
		t.Errorf("got %v", err)
	}
}
