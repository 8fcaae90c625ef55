package text

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/gotd/td/tg"
)

// ToMarkdown writes a text with entities in Markdown.
func ToMarkdown(text string, entities []tg.MessageEntityClass) string {
	m := &markdownWriter{writer: writer{text: []rune(text)}}
	m.pieces = piecesOf(text, entities, true)
	return m.render(m)
}

// ToHTML writes a text with entities in HTML.
func ToHTML(text string, entities []tg.MessageEntityClass) string {
	h := &htmlWriter{writer: writer{text: []rune(text)}}
	h.pieces = piecesOf(text, entities, false)
	return h.render(h)
}

// dialect writes marks and characters.
type dialect interface {
	opens(p piece)
	closes(p piece)
	char(r rune)
}

// piece is one entity that has markup, by characters of the text.
type piece struct {
	from, to int
	entity   tg.MessageEntityClass
}

// rankCode is the rank from which on nothing is inside.
const rankCode = 5

// rank says which entities enclose which: quotations all others, code none.
func rank(e tg.MessageEntityClass) int {
	switch e.(type) {
	case *tg.MessageEntityBlockquote:
		return 1
	case *tg.MessageEntityTextURL, *tg.MessageEntityMentionName:
		return 2
	case *tg.MessageEntityBold, *tg.MessageEntityItalic, *tg.MessageEntityUnderline, *tg.MessageEntityStrike, *tg.MessageEntitySpoiler:
		return 3
	case *tg.MessageEntityCustomEmoji:
		return 4
	case *tg.MessageEntityPre:
		return 5
	case *tg.MessageEntityCode:
		return 6
	}
	return 0 // has no markup
}

// piecesOf are the entities that have markup, outer ones first. lines widens quotations to whole
// lines.
func piecesOf(text string, entities []tg.MessageEntityClass, lines bool) []piece {
	runes := []rune(text)
	index := make([]int, 0, len(runes)+1) // of the character at each code unit
	for i, r := range runes {
		for range utf16.RuneLen(r) {
			index = append(index, i)
		}
	}
	index = append(index, len(runes))
	var out []piece
	for _, e := range entities {
		from, to := e.GetOffset(), e.GetOffset()+e.GetLength()
		if rank(e) == 0 || from < 0 || from >= to || to >= len(index) {
			continue
		}
		p := piece{index[from], index[to], e}
		if rank(e) == 1 && lines {
			for p.from > 0 && runes[p.from-1] != '\n' {
				p.from--
			}
			for p.to < len(runes) && runes[p.to] != '\n' {
				p.to++
			}
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b piece) int {
		return cmp.Or(rank(a.entity)-rank(b.entity), strings.Compare(key(a.entity), key(b.entity)), a.from-b.from, b.to-a.to)
	})
	out = merged(out)
	if lines {
		out = cutAtQuotes(runes, out)
	}
	slices.SortStableFunc(out, func(a, b piece) int {
		return cmp.Or(rank(a.entity)-rank(b.entity), a.from-b.from, b.to-a.to)
	})
	return out
}

// key tells kinds of formatting apart.
func key(e tg.MessageEntityClass) string {
	switch e := e.(type) {
	case *tg.MessageEntityPre:
		return e.TypeName() + e.Language
	case *tg.MessageEntityBlockquote:
		return fmt.Sprint(e.TypeName(), e.Collapsed)
	case *tg.MessageEntityCustomEmoji:
		return fmt.Sprint(e.TypeName(), e.DocumentID)
	}
	return e.TypeName() + targetOf(e)
}

// merged joins pieces of one kind that overlap.
func merged(pieces []piece) (out []piece) {
	for _, p := range pieces {
		if n := len(out) - 1; n >= 0 && key(out[n].entity) == key(p.entity) && p.from < out[n].to {
			out[n].to = max(out[n].to, p.to)
			continue
		}
		out = append(out, p)
	}
	return out
}

// cutAtQuotes takes the line breaks around quotations out of all other pieces, because their marks
// must stand within the quotation or outside of it.
func cutAtQuotes(text []rune, pieces []piece) (out []piece) {
	breaks := map[int]bool{}
	for _, p := range pieces {
		if rank(p.entity) == 1 {
			breaks[p.from-1], breaks[p.to] = true, true
		}
	}
	for _, p := range pieces {
		if rank(p.entity) == 1 {
			out = append(out, p)
			continue
		}
		from := p.from
		for i := p.from; i <= p.to; i++ {
			if i < p.to && !(breaks[i] && text[i] == '\n') {
				continue
			}
			if i > from {
				out = append(out, piece{from, i, p.entity})
			}
			from = i + 1
		}
	}
	return out
}

// writer walks over the text and keeps marks nested.
type writer struct {
	text   []rune
	pieces []piece
	out    strings.Builder
}

func (w *writer) render(d dialect) string {
	var stack []piece
	for i := 0; i <= len(w.text); i++ {
		want := stack[:0:0]
		for _, p := range w.pieces {
			if p.from > i || i >= p.to {
				continue
			}
			if n := len(want); n > 0 && rank(want[n-1].entity) >= rankCode {
				break // code holds nothing
			}
			want = append(want, p)
		}
		keep := 0
		for keep < len(stack) && keep < len(want) && stack[keep] == want[keep] {
			keep++
		}
		for j := len(stack) - 1; j >= keep; j-- {
			d.closes(stack[j])
		}
		for _, p := range want[keep:] {
			d.opens(p)
		}
		stack = want
		if i < len(w.text) {
			d.char(w.text[i])
		}
	}
	return w.out.String()
}

type htmlWriter struct{ writer }

var htmlEscapes = map[rune]string{'<': "&lt;", '>': "&gt;", '&': "&amp;", '"': "&quot;"}

func (h *htmlWriter) char(r rune) {
	if escaped, ok := htmlEscapes[r]; ok {
		h.out.WriteString(escaped)
		return
	}
	h.out.WriteRune(r)
}

func escaped(s string) string {
	var h htmlWriter
	for _, r := range s {
		h.char(r)
	}
	return h.out.String()
}

func htmlTag(e tg.MessageEntityClass) (open, closing string) {
	switch e := e.(type) {
	case *tg.MessageEntityBold:
		return "<b>", "</b>"
	case *tg.MessageEntityItalic:
		return "<i>", "</i>"
	case *tg.MessageEntityUnderline:
		return "<u>", "</u>"
	case *tg.MessageEntityStrike:
		return "<s>", "</s>"
	case *tg.MessageEntitySpoiler:
		return "<tg-spoiler>", "</tg-spoiler>"
	case *tg.MessageEntityCode:
		return "<code>", "</code>"
	case *tg.MessageEntityPre:
		if e.Language != "" {
			return fmt.Sprintf(`<pre><code class="language-%s">`, escaped(e.Language)), "</code></pre>"
		}
		return "<pre>", "</pre>"
	case *tg.MessageEntityBlockquote:
		if e.Collapsed {
			return "<blockquote expandable>", "</blockquote>"
		}
		return "<blockquote>", "</blockquote>"
	case *tg.MessageEntityCustomEmoji:
		return fmt.Sprintf(`<tg-emoji emoji-id="%d">`, e.DocumentID), "</tg-emoji>"
	}
	return fmt.Sprintf(`<a href="%s">`, escaped(targetOf(e))), "</a>"
}

// targetOf is where a link leads.
func targetOf(e tg.MessageEntityClass) string {
	switch e := e.(type) {
	case *tg.MessageEntityTextURL:
		return e.URL
	case *tg.MessageEntityMentionName:
		return fmt.Sprintf("tg://user?id=%d", e.UserID)
	}
	return ""
}

func (h *htmlWriter) opens(p piece) {
	open, _ := htmlTag(p.entity)
	h.out.WriteString(open)
}

func (h *htmlWriter) closes(p piece) {
	_, closing := htmlTag(p.entity)
	h.out.WriteString(closing)
}

type markdownWriter struct {
	writer
	verbatim bool // inside of code
	quoted   bool
	ended    bool // a quotation has ended in this line
	last     rune
}

func (m *markdownWriter) put(mark string) {
	if mark != "" && mark[0] == '_' && m.last == '_' {
		m.out.WriteString("``") // nothing, as code: keeps _ and __ apart
	}
	m.out.WriteString(mark)
	if mark != "" {
		m.last = rune(mark[len(mark)-1])
	}
}

func (m *markdownWriter) char(r rune) {
	special := "\\`"
	if !m.verbatim {
		special += "*_~|[]>!"
	}
	if strings.ContainsRune(special, r) {
		m.out.WriteByte('\\')
	}
	m.out.WriteRune(r)
	m.last = 0
	if r == '\n' && m.quoted {
		m.out.WriteString(markQuote)
	}
	if r != '\n' {
		m.ended = false
	}
}

func markdownMark(e tg.MessageEntityClass) (open, closing string) {
	switch e := e.(type) {
	case *tg.MessageEntityBold:
		return "*", "*"
	case *tg.MessageEntityItalic:
		return "_", "_"
	case *tg.MessageEntityUnderline:
		return "__", "__"
	case *tg.MessageEntityStrike:
		return "~", "~"
	case *tg.MessageEntitySpoiler:
		return markSpoiler, markSpoiler
	case *tg.MessageEntityCode:
		return markCode, markCode
	case *tg.MessageEntityPre:
		return markPre + e.Language + "\n", markPre
	case *tg.MessageEntityCustomEmoji:
		return markEmoji, fmt.Sprintf("](tg://emoji?id=%d)", e.DocumentID)
	}
	target := strings.NewReplacer(`\`, `\\`, `)`, `\)`).Replace(targetOf(e))
	return markLink, "](" + target + ")"
}

func (m *markdownWriter) opens(p piece) {
	if _, ok := p.entity.(*tg.MessageEntityBlockquote); ok {
		if m.ended {
			m.out.WriteString("**")
		}
		m.put(markQuote)
		m.quoted = true
		return
	}
	open, _ := markdownMark(p.entity)
	m.put(open)
	if m.quoted && strings.HasSuffix(open, "\n") {
		m.out.WriteString(markQuote)
	}
	m.verbatim = m.verbatim || rank(p.entity) >= rankCode
}

func (m *markdownWriter) closes(p piece) {
	if q, ok := p.entity.(*tg.MessageEntityBlockquote); ok {
		if q.Collapsed {
			m.put(markSpoiler)
		}
		m.quoted, m.ended = false, true
		return
	}
	_, closing := markdownMark(p.entity)
	m.put(closing)
	if rank(p.entity) >= rankCode {
		m.verbatim = false
	}
}
