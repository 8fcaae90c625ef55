// Package text turns Markdown and HTML into a text with entities, and back.
//
// # Usage
//
//	plain, entities, err := text.Markdown("*bold* and [a link](https://example.org)")
//	markup := text.ToHTML(plain, entities)
//
// The dialects are those that the Bot API calls MarkdownV2 and HTML (core.telegram.org/bots/api,
// Formatting options), with one relief: in Markdown only the characters that begin or end markup need
// a backslash, not every punctuation mark. Offsets and lengths count UTF-16 code units. Entities that
// the server finds by itself (names, links, tags) have no markup.
//
// Markup is checked strictly: what is opened must be closed, and in the right order.
//
// Turned into markup, entities that overlap are split where they have to be, so that each character
// keeps its formatting. In Markdown a quotation is widened to whole lines.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// *Error says where markup is wrong, and why; it holds none of the text.
package text

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gotd/td/tg"
)

// Error says where markup is wrong.
type Error struct {
	// Line and Column count from 1; columns are characters.
	Line, Column int
	// Offset counts bytes from 0.
	Offset int
	// Problem says what is wrong there.
	Problem string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d (byte %d): %s", e.Line, e.Column, e.Offset, e.Problem)
}

func errorAt(source string, offset int, format string, args ...any) *Error {
	before := source[:offset]
	line := strings.LastIndexByte(before, '\n') + 1
	return &Error{
		Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[line:]) + 1, Offset: offset,
		Problem: fmt.Sprintf(format, args...),
	}
}

// make gives an entity its place.
type maker func(offset, length int) tg.MessageEntityClass

// span is markup that is open.
type span struct {
	mark   string // what opened it
	at     int    // where in the source, in bytes
	offset int    // where in the text, in code units
	slot   int    // in builder.entities
	make   maker
}

// builder collects text and entities.
type builder struct {
	source   string
	text     strings.Builder
	units    int
	open     []span
	entities []tg.MessageEntityClass // in the order of their openings; nil for those that are open
}

func (b *builder) write(r rune) {
	b.text.WriteRune(r)
	b.units += units(r)
}

// units is how many UTF-16 code units a character has.
func units(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

func (b *builder) push(mark string, at int, make maker) {
	b.open = append(b.open, span{mark, at, b.units, len(b.entities), make})
	b.entities = append(b.entities, nil)
}

// top is the innermost markup that is open; nil for none.
func (b *builder) top() *span {
	if len(b.open) == 0 {
		return nil
	}
	return &b.open[len(b.open)-1]
}

func (b *builder) isOpen(mark string) bool {
	return slices.ContainsFunc(b.open, func(s span) bool { return s.mark == mark })
}

// pop closes the innermost markup. An entity of nothing is none.
func (b *builder) pop() {
	s := b.top()
	if s.make != nil && b.units > s.offset {
		b.entities[s.slot] = s.make(s.offset, b.units-s.offset)
	}
	b.open = b.open[:len(b.open)-1]
}

func (b *builder) fail(at int, format string, args ...any) error {
	return errorAt(b.source, at, format, args...)
}

// result ends the text: nothing may be open.
func (b *builder) result() (string, []tg.MessageEntityClass, error) {
	if s := b.top(); s != nil {
		return "", nil, b.fail(s.at, "%s is not closed", s.mark)
	}
	found := slices.DeleteFunc(b.entities, func(e tg.MessageEntityClass) bool { return e == nil })
	return b.text.String(), found, nil
}

func bold(o, l int) tg.MessageEntityClass   { return &tg.MessageEntityBold{Offset: o, Length: l} }
func italic(o, l int) tg.MessageEntityClass { return &tg.MessageEntityItalic{Offset: o, Length: l} }
func underline(o, l int) tg.MessageEntityClass {
	return &tg.MessageEntityUnderline{Offset: o, Length: l}
}
func strike(o, l int) tg.MessageEntityClass  { return &tg.MessageEntityStrike{Offset: o, Length: l} }
func spoiler(o, l int) tg.MessageEntityClass { return &tg.MessageEntitySpoiler{Offset: o, Length: l} }
func code(o, l int) tg.MessageEntityClass    { return &tg.MessageEntityCode{Offset: o, Length: l} }

func pre(language string) maker {
	return func(o, l int) tg.MessageEntityClass {
		return &tg.MessageEntityPre{Offset: o, Length: l, Language: language}
	}
}

func quote(collapsed bool) maker {
	return func(o, l int) tg.MessageEntityClass {
		return &tg.MessageEntityBlockquote{Offset: o, Length: l, Collapsed: collapsed}
	}
}

func emoji(id int64) maker {
	return func(o, l int) tg.MessageEntityClass {
		return &tg.MessageEntityCustomEmoji{Offset: o, Length: l, DocumentID: id}
	}
}

// link makes what a link's target says: tg://user?id= names a user.
func link(target string) maker {
	if id, ok := tgID(target, "user"); ok {
		return func(o, l int) tg.MessageEntityClass {
			return &tg.MessageEntityMentionName{Offset: o, Length: l, UserID: id}
		}
	}
	return func(o, l int) tg.MessageEntityClass {
		return &tg.MessageEntityTextURL{Offset: o, Length: l, URL: target}
	}
}

// tgID is the id of a link tg://what?id=.
func tgID(target, what string) (int64, bool) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "tg" || u.Host != what {
		return 0, false
	}
	id, err := strconv.ParseInt(u.Query().Get("id"), 10, 64)
	return id, err == nil && id != 0
}
