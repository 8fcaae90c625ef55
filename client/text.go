package client

import v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"

// Markdown is a text in Markdown: *bold*, _italic_, __underline__, ~strike~, ||spoiler||, `code`,
// ```language, newline, block```, [link](https://example.org), [mention](tg://user?id=1),
// ![👍](tg://emoji?id=2), lines that begin with >. A backslash takes its meaning from the character
// behind it. Reason MARKUP_INVALID, with line and column.
type Markdown string

func (t Markdown) fill(m *v1.InputMessage) {
	m.Text, m.ParseMode = string(t), v1.ParseMode_PARSE_MODE_MARKDOWN
}

// HTML is a text in Telegram's HTML: <b>, <i>, <u>, <s>, <code>, <pre>, <blockquote expandable>,
// <tg-spoiler>, <a href="…">, <tg-emoji emoji-id="…">; &lt; &gt; &amp; for < > &. Reason
// MARKUP_INVALID, with line and column.
type HTML string

func (t HTML) fill(m *v1.InputMessage) {
	m.Text, m.ParseMode = string(t), v1.ParseMode_PARSE_MODE_HTML
}
