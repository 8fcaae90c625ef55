package text

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/telegram/message/entity"
	"github.com/gotd/td/telegram/message/html"
	"github.com/gotd/td/tg"
	"pgregory.net/rapid"
)

// described are entities as texts.
func described(entities []tg.MessageEntityClass) []string {
	out := []string{}
	for _, e := range entities {
		out = append(out, fmt.Sprintf("%s%+v", strings.TrimPrefix(e.TypeName(), "messageEntity"), fields(e)))
	}
	return out
}

func fields(e tg.MessageEntityClass) []any {
	out := []any{e.GetOffset(), e.GetLength()}
	switch e := e.(type) {
	case *tg.MessageEntityTextURL:
		out = append(out, e.URL)
	case *tg.MessageEntityMentionName:
		out = append(out, e.UserID)
	case *tg.MessageEntityCustomEmoji:
		out = append(out, e.DocumentID)
	case *tg.MessageEntityPre:
		out = append(out, e.Language)
	case *tg.MessageEntityBlockquote:
		out = append(out, e.Collapsed)
	}
	return out
}

func TestMarkdownBecomesEntities(t *testing.T) {
	for source, want := range map[string]struct {
		text     string
		entities []string
	}{
		"plain. (really) #1 + 2 = 3!":    {"plain. (really) #1 + 2 = 3!", []string{}},
		"*bold* _it_ __un__ ~st~ ||sp||": {"bold it un st sp", []string{"Bold[0 4]", "Italic[5 2]", "Underline[8 2]", "Strike[11 2]", "Spoiler[14 2]"}},
		"🏟*😀b*":                          {"🏟😀b", []string{"Bold[2 3]"}},
		"*b _i __u__ i_ b*":              {"b i u i b", []string{"Bold[0 9]", "Italic[2 5]", "Underline[4 1]"}},
		"`a*b\\`` c":                     {"a*b` c", []string{"Code[0 4]"}},
		"```go\nx := 1```":               {"x := 1", []string{"Pre[0 6 go]"}},
		"```\nx```":                      {"x", []string{"Pre[0 1 ]"}},
		"```x y```":                      {"x y", []string{"Pre[0 3 ]"}},
		"[a*b*](https://e.org/\\))":      {"ab", []string{"TextUrl[0 2 https://e.org/)]", "Bold[1 1]"}},
		"[me](tg://user?id=7)":           {"me", []string{"MentionName[0 2 7]"}},
		"![👍](tg://emoji?id=9)":          {"👍", []string{"CustomEmoji[0 2 9]"}},
		">a\n>b\nc":                      {"a\nb\nc", []string{"Blockquote[0 3 false]"}},
		">a||\n**>b\n>c||":               {"a\nb\nc", []string{"Blockquote[0 1 true]", "Blockquote[2 3 true]"}},
		"x > y | z":                      {"x > y | z", []string{}},
		"\\*\\_\\[\\\\":                  {"*_[\\", []string{}},
		"_a_``__b__":                     {"ab", []string{"Italic[0 1]", "Underline[1 1]"}},
		"**":                             {"", []string{}},
	} {
		text, entities, err := Markdown(source)
		if err != nil || text != want.text || !slices.Equal(described(entities), want.entities) {
			t.Errorf("%q: got %q %v, %v; want %q %v", source, text, described(entities), err, want.text, want.entities)
		}
	}
}

func TestHTMLBecomesEntities(t *testing.T) {
	for source, want := range map[string]struct {
		text     string
		entities []string
	}{
		"a &lt;b&gt; &amp; &quot;c&quot; &#65;&#x42; &nbsp; & d": {`a <b> & "c" AB &nbsp; & d`, []string{}},
		"<b>b</b><STRONG>s</STRONG> <i>i</i><em>e</em>":          {"bs ie", []string{"Bold[0 1]", "Bold[1 1]", "Italic[3 1]", "Italic[4 1]"}},
		"<u>u</u><ins>n</ins><s>s</s><del>d</del><strike>k</strike>": {"unsdk", []string{
			"Underline[0 1]", "Underline[1 1]", "Strike[2 1]", "Strike[3 1]", "Strike[4 1]",
		}},
		`<span class="tg-spoiler">a</span><tg-spoiler>b</tg-spoiler>`:             {"ab", []string{"Spoiler[0 1]", "Spoiler[1 1]"}},
		`<a href="https://e.org/?a=1&amp;b=2">l</a><a href=tg://user?id=7>m</a>`:  {"lm", []string{"TextUrl[0 1 https://e.org/?a=1&b=2]", "MentionName[1 1 7]"}},
		`<tg-emoji emoji-id="9">👍</tg-emoji>`:                                     {"👍", []string{"CustomEmoji[0 2 9]"}},
		`<pre><code class="language-go">x</code></pre><pre>y</pre><code>z</code>`: {"xyz", []string{"Pre[0 1 go]", "Pre[1 1 ]", "Code[2 1]"}},
		"<blockquote>q</blockquote><blockquote expandable>r<b>s</b></blockquote>": {"qrs", []string{"Blockquote[0 1 false]", "Blockquote[1 2 true]", "Bold[2 1]"}},
		"<b></b>x": {"x", []string{}},
	} {
		text, entities, err := HTML(source)
		if err != nil || text != want.text || !slices.Equal(described(entities), want.entities) {
			t.Errorf("%q: got %q %v, %v; want %q %v", source, text, described(entities), err, want.text, want.entities)
		}
	}
}

func TestBadMarkupSaysWhere(t *testing.T) {
	type parser = func(string) (string, []tg.MessageEntityClass, error)
	for _, c := range []struct {
		parse        parser
		source       string
		line, column int
		problem      string
	}{
		{Markdown, "a\n😀 *b", 2, 3, "* is not closed"},
		{Markdown, "*a _b* c_", 1, 6, "* is closed, but _"},
		{Markdown, "`a", 1, 1, "` is not closed"},
		{Markdown, "a]", 1, 2, "] without ["},
		{Markdown, "[a] b", 1, 3, "followed by no"},
		{Markdown, "[a](b", 1, 3, "( is not closed"},
		{Markdown, "[a]()", 1, 3, "empty"},
		{Markdown, "![a](https://e.org)", 1, 4, "tg://emoji"},
		{Markdown, "[*a](b)", 1, 2, "not closed in its link"},
		{Markdown, ">*a\nb*", 1, 2, "not closed in its quotation"},
		{Markdown, "*a\n>b*", 2, 1, "> begins while * is open"},
		{HTML, "a <b>b", 1, 3, "<b> is not closed"},
		{HTML, "<b><i>x</b></i>", 1, 8, "</b> is found where </i> is due"},
		{HTML, "x</b>", 1, 2, "closes nothing"},
		{HTML, "1 < 2", 1, 3, "&lt;"},
		{HTML, "<table>", 1, 1, "no tag"},
		{HTML, "<a>x</a>", 1, 1, "no href"},
		{HTML, "<span>x</span>", 1, 1, "tg-spoiler"},
		{HTML, "<tg-emoji>x</tg-emoji>", 1, 1, "emoji-id"},
	} {
		_, _, err := c.parse(c.source)
		var bad *Error
		if !errors.As(err, &bad) || bad.Line != c.line || bad.Column != c.column || !strings.Contains(bad.Problem, c.problem) {
			t.Errorf("%q: got %v, want %d:%d %s", c.source, err, c.line, c.column, c.problem)
		}
	}
}

// coverage is, for each code unit, which formatting it has.
func coverage(text string, entities []tg.MessageEntityClass) []string {
	coded := utf16.Encode([]rune(text))
	out := make([]string, len(coded))
	for i := range out {
		if coded[i] == '\n' { // nobody sees how it is formatted
			continue
		}
		var at []string
		for _, e := range entities {
			if e.GetOffset() <= i && i < e.GetOffset()+e.GetLength() {
				at = append(at, e.TypeName()+fmt.Sprint(fields(e)[2:]))
			}
		}
		slices.Sort(at)
		out[i] = strings.Join(slices.Compact(at), " ")
	}
	return out
}

var makers = []maker{
	bold, italic, underline, strike, spoiler, code, pre(""), pre("go"), emoji(5),
	link("https://example.org/a_(b)\\?x=1&y=\"2\""), link("tg://user?id=7"),
}

// drawn is a text with entities: any that overlap in any way; quotations of whole lines.
func drawn(t *rapid.T) (string, []tg.MessageEntityClass) {
	runes := rapid.SliceOfN(rapid.SampledFrom([]rune("ab *_~`|[]()>!\\<&\";\nж😀")), 1, 30).Draw(t, "text")
	offsets := []int{0}
	for _, r := range runes {
		offsets = append(offsets, offsets[len(offsets)-1]+utf16.RuneLen(r))
	}
	var entities []tg.MessageEntityClass
	for range rapid.IntRange(0, 6).Draw(t, "entities") {
		from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(runes)).Draw(t, "to")
		e := rapid.SampledFrom(makers).Draw(t, "kind")(offsets[from], offsets[to]-offsets[from])
		if rank(e) < 4 || !slices.ContainsFunc(entities, func(o tg.MessageEntityClass) bool { return rank(o) >= 4 && meet(e, o) }) {
			entities = append(entities, e) // Telegram has no code in code, and no emoji in either
		}
	}
	line := 0
	for i := 0; i <= len(runes); i++ {
		if i < len(runes) && runes[i] != '\n' {
			continue
		}
		if i > line && rapid.Bool().Draw(t, "quoted") {
			entities = append(entities, quote(rapid.Bool().Draw(t, "collapsed"))(offsets[line], offsets[i]-offsets[line]))
		}
		line = i + 1
	}
	return string(runes), entities
}

func meet(a, b tg.MessageEntityClass) bool {
	return a.GetOffset() < b.GetOffset()+b.GetLength() && b.GetOffset() < a.GetOffset()+a.GetLength()
}

func TestMarkupRoundTrips(t *testing.T) {
	for name, d := range map[string]struct {
		write func(string, []tg.MessageEntityClass) string
		read  func(string) (string, []tg.MessageEntityClass, error)
	}{"markdown": {ToMarkdown, Markdown}, "html": {ToHTML, HTML}} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				text, entities := drawn(t)
				markup := d.write(text, entities)
				got, back, err := d.read(markup)
				if err != nil || got != text {
					t.Fatalf("%q %v\n-> %q\n-> %q, %v", text, described(entities), markup, got, err)
				}
				if diff := cmp.Diff(coverage(text, entities), coverage(got, back)); diff != "" {
					t.Fatalf("%q %v\n-> %q\n-> %v\n%s", text, described(entities), markup, described(back), diff)
				}
			})
		})
	}
}

// TestForeignParserReadsOurHTML: gotd's, which has the tags from TDLib.
func TestForeignParserReadsOurHTML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, entities := drawn(t)
		entities = slices.DeleteFunc(entities, func(e tg.MessageEntityClass) bool {
			_, mention := e.(*tg.MessageEntityMentionName) // it makes the form of requests of them
			folded, ok := e.(*tg.MessageEntityBlockquote)  // it takes later ones for folded, too
			return mention || ok && folded.Collapsed || rank(e) >= rankCode
		})
		var b entity.Builder
		if err := html.HTML(strings.NewReader(ToHTML(text, entities)), &b, html.Options{}); err != nil {
			t.Fatal(err)
		}
		got, back := b.Raw()
		if diff := cmp.Diff(coverage(text, entities), coverage(got, back)); got != text || diff != "" {
			t.Fatalf("%q %v\n-> %q %v\n%s", text, described(entities), got, described(back), diff)
		}
	})
}

func FuzzMarkdown(f *testing.F) {
	f.Add("*a _b_ [c](d) `e` ```f\ng``` >h ||i||")
	f.Fuzz(func(t *testing.T, source string) {
		text, entities, err := Markdown(source)
		if err == nil && len(entities) > 0 && ToMarkdown(text, entities) == "" {
			t.Error("entities of nothing")
		}
	})
}
