package methodtest

import (
	"fmt"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
)

// TestMethod37_Formats: texts come as Markdown or HTML where it is asked for, and sent so they are the same
// again.
func TestMethod37_Formats(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	const html = `<b>bold &amp; <i>both</i></b> <a href="https://example.org">link</a>`
	const markdown = `*bold & _both_* [link](https://example.org)`
	id := must(anna.SendMessage(deadline(t), boris.Ref(), client.HTML(html)))(t).Message.GetId()
	said(t, anna, boris.Ref(), "plain")
	for f, want := range map[client.Format]string{client.InHTML: html, client.InMarkdown: markdown} {
		ctx := client.WithMarkup(deadline(t), f)
		check := func(how string, m *client.Message) {
			t.Helper()
			if m.GetMarkup() != want || m.GetText() != "bold & both link" || len(m.GetEntities()) != 3 {
				t.Errorf("%s: %v", how, m)
			}
		}
		page := must(anna.HistoryPage(ctx, boris.Ref(), 0, 10))(t)
		if page.Messages[0].GetMarkup() != "plain" {
			t.Errorf("a text without formatting: %v", page.Messages[0])
		}
		check("history", page.Messages[1])
		check("by id", must(anna.Messages(ctx, boris.Ref(), id))(t)[0])
		check("search", must(anna.SearchPage(ctx, boris.Ref(), "both", client.SearchOptions{Limit: 1}))(t).Messages[0])
		check("search in all chats", must(anna.SearchGlobalPage(ctx, "both", client.SearchOptions{Limit: 1}, ""))(t).Messages[0])
		for m, err := range anna.History(ctx, boris.Ref(), client.HistoryOptions{Before: id + 1}) {
			if err != nil {
				t.Fatal(err)
			}
			check("pages", m)
		}
	}
	var same client.Content = client.Markdown(markdown)
	if again := must(anna.EditMessage(deadline(t), boris.Ref(), id, same))(t); again != nil {
		t.Errorf("sent as Markdown it is another text: %v", again)
	}
	if m := must(anna.HistoryPage(deadline(t), boris.Ref(), 0, 10))(t).Messages[1]; m.GetMarkup() != "" {
		t.Errorf("nobody asked for %q", m.GetMarkup())
	}
	_, err := anna.HistoryPage(client.WithMarkup(deadline(t), 99), boris.Ref(), 0, 10)
	refused(t, err, "FIELD_INVALID")

	for _, args := range [][]string{
		{"history", anna.ID(), boris.Ref()}, {"messages", "get", anna.ID(), boris.Ref(), fmt.Sprint(id)}, {"search", anna.ID(), "both", "--in", boris.Ref()},
	} {
		for format, want := range map[string]string{"html": html, "markdown": markdown, "plain": "bold & both link"} {
			out, err := cli(t, append(args, "--format", format)...)
			if err != nil || !contains(out, fmt.Sprintf("#%d ", id), "\n"+want+"\n") {
				t.Errorf("%s as %s: %v: %s", args[0], format, err, out)
			}
		}
	}
	if out, err := cli(t, "history", anna.ID(), boris.Ref(), "--format", "rtf"); err == nil {
		t.Errorf("an unknown format: %s", out)
	}
	two := must(anna.SendMessage(deadline(t), boris.Ref(), client.Text("one\ntwo\x1b[2J"), client.Entities(&client.Entity{Type: v1.EntityType_ENTITY_TYPE_BOLD, Length: 3})))(t).Message.GetId()
	if out, err := cli(t, "messages", "get", anna.ID(), boris.Ref(), fmt.Sprint(two), "999999", "--format", "markdown"); err != nil || !contains(out, "\n*one*\ntwo", "#999999 is not in this chat") || contains(out, "\x1b") {
		t.Errorf("lines: %v: %q", err, out)
	}
}
