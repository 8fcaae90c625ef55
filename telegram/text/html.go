package text

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gotd/td/tg"
)

// HTML reads a text in Telegram's HTML: the tags b, strong, i, em, u, ins, s, strike, del, code, pre,
// blockquote (expandable), tg-spoiler, span class="tg-spoiler", a href, tg-emoji emoji-id, and
// code class="language-…" inside pre. `<`, `>` and `&` are written &lt; &gt; &amp;, quotes may be
// &quot;, any character &#number;.
func HTML(source string) (string, []tg.MessageEntityClass, error) {
	p := &htmlReader{builder: builder{source: source}}
	for p.at < len(source) {
		if err := p.next(); err != nil {
			return "", nil, err
		}
	}
	return p.result()
}

type htmlReader struct {
	builder
	at int
}

func (p *htmlReader) next() error {
	switch rest := p.source[p.at:]; rest[0] {
	case '<':
		return p.tag()
	case '&':
		r, n := entityOf(rest)
		p.write(r)
		p.at += n
	default:
		r, n := utf8.DecodeRuneInString(rest)
		p.write(r)
		p.at += n
	}
	return nil
}

var named = map[string]rune{"lt": '<', "gt": '>', "amp": '&', "quot": '"'}

// entityOf reads an entity at the beginning of s and how long it is; an & that begins none is itself.
func entityOf(s string) (rune, int) {
	name, _, ok := strings.Cut(s[1:min(len(s), 12)], ";")
	if !ok {
		return '&', 1
	}
	if r, ok := named[name]; ok {
		return r, len(name) + 2
	}
	if digits, ok := strings.CutPrefix(name, "#"); ok {
		base := 10
		if hex, ok := strings.CutPrefix(strings.ToLower(digits), "x"); ok {
			digits, base = hex, 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n > 0 && utf8.ValidRune(rune(n)) {
			return rune(n), len(name) + 2
		}
	}
	return '&', 1
}

// unescape is s without entities.
func unescape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if s[0] == '&' {
			r, n := entityOf(s)
			b.WriteRune(r)
			s = s[n:]
			continue
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

// plainTags are the tags without attributes, and the name under which each is closed is its own.
var plainTags = map[string]maker{
	"b": bold, "strong": bold, "i": italic, "em": italic, "u": underline, "ins": underline,
	"s": strike, "strike": strike, "del": strike, "tg-spoiler": spoiler, "pre": pre(""),
}

func (p *htmlReader) tag() error {
	at := p.at
	end := tagEnd(p.source[at:])
	if end < 0 {
		return p.fail(at, "< begins no tag: write &lt; for the character")
	}
	inside := p.source[at+1 : at+end]
	p.at = at + end + 1
	if name, ok := strings.CutPrefix(inside, "/"); ok {
		return p.close(at, strings.ToLower(strings.TrimSpace(name)))
	}
	name, attributes := splitTag(inside)
	make, err := p.maker(at, name, attributes)
	if err != nil {
		return err
	}
	p.push("<"+name+">", at, make)
	return nil
}

// tagEnd is where the tag at the beginning of s ends, quotes looked through; -1 when it does not.
func tagEnd(s string) int {
	quoted := byte(0)
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case c == '>':
			return i
		case c == '<':
			return -1
		}
	}
	return -1
}

func (p *htmlReader) close(at int, name string) error {
	s := p.top()
	switch {
	case s == nil:
		return p.fail(at, "</%s> closes nothing", name)
	case s.mark != "<"+name+">":
		return p.fail(at, "</%s> is found where </%s> is due", name, strings.Trim(s.mark, "<>"))
	}
	p.pop()
	return nil
}

// maker is what a tag makes of its content; nil for nothing.
func (p *htmlReader) maker(at int, name string, attributes map[string]string) (maker, error) {
	if make, ok := plainTags[name]; ok {
		return make, nil
	}
	switch name {
	case "code":
		language, tagged := strings.CutPrefix(attributes["class"], "language-")
		outer := p.top()
		if tagged && outer != nil && outer.mark == "<pre>" && outer.offset == p.units {
			outer.make = pre(language)
			return nil, nil
		}
		return code, nil
	case "blockquote":
		_, collapsed := attributes["expandable"]
		return quote(collapsed), nil
	case "span":
		if attributes["class"] == "tg-spoiler" {
			return spoiler, nil
		}
		return nil, p.fail(at, `<span> must have class="tg-spoiler"`)
	case "a":
		if attributes["href"] == "" {
			return nil, p.fail(at, "<a> has no href")
		}
		return link(attributes["href"]), nil
	case "tg-emoji":
		id, err := strconv.ParseInt(attributes["emoji-id"], 10, 64)
		if err != nil {
			return nil, p.fail(at, "<tg-emoji> must have emoji-id with a number")
		}
		return emoji(id), nil
	}
	return nil, p.fail(at, "<%.20s> is no tag that Telegram knows: write &lt; for the character", name)
}

// splitTag reads name and attributes, both in lower case but for the values.
func splitTag(inside string) (name string, attributes map[string]string) {
	name, rest, _ := strings.Cut(strings.TrimSpace(strings.Map(blank, inside)), " ")
	attributes = map[string]string{}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		end := strings.IndexAny(rest, " =")
		if end < 0 {
			end = len(rest)
		}
		key := strings.ToLower(rest[:end])
		rest = strings.TrimSpace(rest[end:])
		value, valued := strings.CutPrefix(rest, "=")
		if !valued {
			attributes[key] = ""
			continue
		}
		attributes[key], rest = attributeValue(strings.TrimSpace(value))
	}
	return strings.ToLower(name), attributes
}

func blank(r rune) rune {
	if r == '\n' || r == '\t' || r == '\r' {
		return ' '
	}
	return r
}

func attributeValue(s string) (value, rest string) {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return unescape(s[1 : end+1]), s[end+2:]
		}
	}
	value, rest, _ = strings.Cut(s, " ")
	return unescape(value), rest
}
