package text

import (
	"strings"
	"unicode/utf8"

	"github.com/gotd/td/tg"
)

// Marks of Markdown.
const (
	markQuote   = ">"
	markPre     = "```"
	markCode    = "`"
	markSpoiler = "||"
	markEmoji   = "!["
	markLink    = "["
)

// toggles are the marks that both open and close, longer ones first.
var toggles = []struct {
	mark string
	make maker
}{
	{"__", underline}, {markSpoiler, spoiler}, {"*", bold}, {"_", italic}, {"~", strike},
}

// Markdown reads a text in Markdown:
//
//	*bold* _italic_ __underline__ ~strike~ ||spoiler|| `code`
//	[link](https://example.org) [mention](tg://user?id=1) ![👍](tg://emoji?id=2)
//	```go
//	block of code```
//	>quotation, line by line; a last line that ends with || folds it
//	**>another quotation right behind it
//
// A backslash takes its meaning from the character behind it. `__` is read before `_`; an empty pair
// “ separates them where both are meant.
func Markdown(source string) (string, []tg.MessageEntityClass, error) {
	p := &markdown{builder: builder{source: source}}
	for p.at < len(source) {
		if err := p.next(); err != nil {
			return "", nil, err
		}
	}
	if err := p.endQuote(); err != nil {
		return "", nil, err
	}
	return p.result()
}

type markdown struct {
	builder
	at        int
	collapsed bool // the quotation that is open had its mark
}

// rest is what is left of the source.
func (p *markdown) rest() string { return p.source[p.at:] }

func (p *markdown) has(mark string) bool { return strings.HasPrefix(p.rest(), mark) }

func (p *markdown) next() error {
	if p.at == 0 || p.source[p.at-1] == '\n' {
		if done, err := p.lineStart(); done || err != nil {
			return err
		}
	}
	switch {
	case p.has(`\`) && len(p.rest()) > 1:
		p.at++
		p.take()
		return nil
	case p.has(markPre):
		return p.block()
	case p.has(markCode):
		return p.inlineCode()
	case p.has(markEmoji):
		p.push(markEmoji, p.at, nil)
		p.at += len(markEmoji)
		return nil
	case p.has(markLink):
		p.push(markLink, p.at, nil)
		p.at++
		return nil
	case p.has("]"):
		return p.target()
	case p.has("\n"):
		return p.newline()
	case p.has(markSpoiler) && p.isOpen(markQuote) && !p.isOpen(markSpoiler) && p.lastOfQuote(p.at+len(markSpoiler)):
		p.collapsed = true
		p.at += len(markSpoiler)
		return nil
	}
	for _, t := range toggles {
		if p.has(t.mark) {
			return p.toggle(t.mark, t.make)
		}
	}
	p.take()
	return nil
}

// take copies one character.
func (p *markdown) take() {
	r, n := utf8.DecodeRuneInString(p.rest())
	p.write(r)
	p.at += n
}

func (p *markdown) toggle(mark string, make maker) error {
	switch s := p.top(); {
	case s != nil && s.mark == mark:
		p.pop()
	case p.isOpen(mark):
		return p.fail(p.at, "%s is closed, but %s behind it is still open", mark, s.mark)
	default:
		p.push(mark, p.at, make)
	}
	p.at += len(mark)
	return nil
}

// lineStart opens a quotation where there is one, or ends the one that was; done says that it moved
// on.
func (p *markdown) lineStart() (done bool, err error) {
	fresh := p.has("**" + markQuote)
	switch {
	case fresh || p.has(markQuote) && !p.isOpen(markQuote):
		if err := p.endQuote(); err != nil {
			return false, err
		}
		at := p.at
		if fresh {
			p.at += len("**")
		}
		if len(p.open) > 0 {
			return false, p.fail(at, "%s begins while %s is open", markQuote, p.top().mark)
		}
		p.push(markQuote, at, nil)
		p.at++
		return true, nil
	case p.has(markQuote):
		p.at++
		return true, nil
	}
	return false, nil
}

// lastOfQuote says that the quotation ends at this place of the source.
func (p *markdown) lastOfQuote(at int) bool {
	rest, isLine := strings.CutPrefix(p.source[at:], "\n")
	return rest == "" && !isLine || isLine && !strings.HasPrefix(rest, markQuote)
}

// newline ends a quotation that does not go on in the next line.
func (p *markdown) newline() error {
	if p.isOpen(markQuote) && p.lastOfQuote(p.at) {
		if err := p.endQuote(); err != nil {
			return err
		}
	}
	p.take()
	return nil
}

func (p *markdown) endQuote() error {
	if !p.isOpen(markQuote) {
		return nil
	}
	s := p.top()
	if s.mark != markQuote {
		return p.fail(s.at, "%s is not closed in its quotation", s.mark)
	}
	s.make = quote(p.collapsed)
	p.collapsed = false
	p.pop()
	return nil
}

// inlineCode reads `code`, in which only ` and \ need a backslash.
func (p *markdown) inlineCode() error {
	return p.verbatim(markCode, markCode, code)
}

// block reads ```language, newline, code, ```.
func (p *markdown) block() error {
	head := p.source[p.at+len(markPre):]
	line, _, ok := strings.Cut(head, "\n")
	if !ok || strings.ContainsAny(line, "` \t\\") {
		return p.verbatim(markPre, markPre, pre(""))
	}
	opening := markPre + line + "\n"
	if after := head[len(line)+1:]; p.isOpen(markQuote) && strings.HasPrefix(after, markQuote) {
		opening += markQuote
	}
	return p.verbatim(opening, markPre, pre(line))
}

// verbatim reads what stands in code.
func (p *markdown) verbatim(opening, mark string, make maker) error {
	at := p.at
	p.push(mark, at, make)
	p.at += len(opening)
	for p.at < len(p.source) && !p.has(mark) {
		broken := p.has("\n")
		if p.has(`\`) && len(p.rest()) > 1 {
			p.at++
		}
		p.take()
		if !broken || !p.isOpen(markQuote) {
			continue
		}
		if !p.has(markQuote) {
			return p.fail(at, "%s is not closed in its quotation", mark)
		}
		p.at++
	}
	if p.at >= len(p.source) {
		return p.fail(at, "%s is not closed", mark)
	}
	p.pop()
	p.at += len(mark)
	return nil
}

// target reads ](url) and closes its link or emoji.
func (p *markdown) target() error {
	s := p.top()
	if s == nil || s.mark != markLink && s.mark != markEmoji {
		if p.isOpen(markLink) || p.isOpen(markEmoji) {
			return p.fail(s.at, "%s is not closed in its link", s.mark)
		}
		return p.fail(p.at, `] without [ needs a backslash: \]`)
	}
	at := p.at
	if !p.has("](") {
		return p.fail(at, "] is followed by no (target)")
	}
	p.at += len("](")
	var url strings.Builder
	for p.at < len(p.source) && !p.has(")") {
		if p.has(`\`) && len(p.rest()) > 1 {
			p.at++
		}
		r, n := utf8.DecodeRuneInString(p.rest())
		url.WriteRune(r)
		p.at += n
	}
	switch {
	case p.at >= len(p.source):
		return p.fail(at, "( is not closed")
	case url.Len() == 0:
		return p.fail(at, "the target is empty")
	}
	p.at++
	s.make = link(url.String())
	if s.mark == markEmoji {
		id, ok := tgID(url.String(), "emoji")
		if !ok {
			return p.fail(at, "a custom emoji's target is tg://emoji?id=NUMBER")
		}
		s.make = emoji(id)
	}
	p.pop()
	return nil
}
