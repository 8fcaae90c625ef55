package chatcli

import (
	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
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
