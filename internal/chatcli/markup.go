package chatcli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// markup is how the formatting of a text is written on the command line.
type markup struct{ markdown, html bool }

func (m *markup) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&m.markdown, "markdown", false, "the text is Markdown: *bold* _italic_ [link](https://example.org) ...")
	cmd.Flags().BoolVar(&m.html, "html", false, "the text is HTML: <b>bold</b> <i>italic</i> <a href=...> ...")
	cmd.MarkFlagsMutuallyExclusive("markdown", "html")
}

// content is a text in the form that was chosen.
func (m *markup) content(text string) client.Content {
	switch {
	case m.markdown:
		return client.Markdown(text)
	case m.html:
		return client.HTML(text)
	}
	return client.Text(text)
}

// reading is how messages are shown: as a table with a line of each, or each in full with its text as it could
// be sent again.
type reading struct{ format string }

// formats are the ways of writing a text in full.
var formats = map[string]client.Format{"plain": v1.ParseMode_PARSE_MODE_UNSPECIFIED, "markdown": client.InMarkdown, "html": client.InHTML}

func (r *reading) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.format, "format", "", "show each text in full, as plain, markdown or html (default: a table)")
}

// context asks for the texts in the format.
func (r *reading) context(cmd *cobra.Command) (context.Context, error) {
	f, known := formats[r.format]
	if r.format != "" && !known {
		return nil, fleetcli.Usage(fmt.Errorf("--format: must be plain, markdown or html (got %q)", r.format), "for example --format markdown")
	}
	return client.WithMarkup(cmd.Context(), f), nil
}

// table shows messages in the format; rows makes the table without one.
func (r *reading) table(rows func(...*v1.Message) fleetcli.Table, messages ...*v1.Message) fleetcli.Table {
	if r.format == "" {
		return rows(messages...)
	}
	var t fleetcli.Table
	for i, m := range messages {
		if i > 0 {
			t.Rows = append(t.Rows, []string{""})
		}
		t.Rows = append(t.Rows, []string{fmt.Sprintf("#%d %s %s in %s", m.GetId(), m.GetDate().AsTime().Local().Format(time.DateTime), senderName(m), peerName(m.GetPeer()))})
		text := m.GetText()
		if formats[r.format] != v1.ParseMode_PARSE_MODE_UNSPECIFIED {
			text = m.GetMarkup()
		}
		if m.GetText() == "" {
			text = messageText(m)
		}
		for line := range strings.SplitSeq(text, "\n") {
			t.Rows = append(t.Rows, []string{printable(line)})
		}
	}
	return t
}
