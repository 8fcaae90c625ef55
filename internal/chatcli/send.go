package chatcli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/keyboard"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// sending is the flags of a message.
type sending struct {
	reply, topic                                              int32
	replyIn, quote, as, at                                    string
	effect                                                    int64
	silent, background, clearDraft, noPreview, above, protect bool
	online                                                    bool
	buttons                                                   []string
}

func (s *sending) content(f *pflag.FlagSet) {
	f.BoolVar(&s.noPreview, "no-preview", false, "show no preview of links")
	f.BoolVar(&s.above, "preview-above", false, "show the preview above the text")
	f.StringArrayVar(&s.buttons, "button", nil, "a row of the inline keyboard, TEXT=LINK or TEXT=callback:DATA; may be given several times; for bots")
}

func (s *sending) schedule(f *pflag.FlagSet) {
	f.StringVar(&s.at, "at", "", "let Telegram send it later: a time such as 2031-05-01T09:00:00Z, or 2h30m from now")
	f.BoolVar(&s.online, "when-online", false, "let Telegram send it once the user is online")
}

func (s *sending) all(f *pflag.FlagSet) {
	s.content(f)
	s.schedule(f)
	f.Int32Var(&s.reply, "reply-to", 0, "id of the message to answer")
	f.StringVar(&s.replyIn, "reply-in", "", "the chat of the message to answer, where it is another one")
	f.StringVar(&s.quote, "quote", "", "part of the message to answer, word for word")
	f.Int32Var(&s.topic, "topic", 0, "forum topic, by its top message")
	f.StringVar(&s.as, "send-as", "", "channel in whose name to write")
	f.Int64Var(&s.effect, "effect", 0, "id of an animation that the recipient sees")
	f.BoolVar(&s.silent, "silent", false, "send without notification")
	f.BoolVar(&s.background, "background", false, "send as a background message")
	f.BoolVar(&s.clearDraft, "clear-draft", false, "clear the chat's draft")
	f.BoolVar(&s.protect, "protect", false, "forbid forwarding and saving")
}

// options are what the flags say.
func (s *sending) options(now time.Time) ([]client.SendOption, error) {
	var opts []client.SendOption
	for _, o := range []struct {
		given  bool
		option client.SendOption
	}{
		{s.reply != 0, client.ReplyTo(s.reply)}, {s.replyIn != "", client.ReplyIn(s.replyIn, s.reply)}, {s.quote != "", client.Quote(s.quote)},
		{s.topic != 0, client.Topic(s.topic)}, {s.as != "", client.SendAs(s.as)}, {s.effect != 0, client.Effect(s.effect)},
		{s.silent, client.Silent()}, {s.background, client.Background()}, {s.clearDraft, client.ClearDraft()},
		{s.noPreview, client.NoWebpage()}, {s.above, client.InvertMedia()}, {s.protect, client.Noforwards()}, {s.online, client.WhenOnline()},
	} {
		if o.given {
			opts = append(opts, o.option)
		}
	}
	if s.at != "" {
		at, err := moment(s.at, now)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.Schedule(at))
	}
	if len(s.buttons) > 0 {
		k, err := inlineKeyboard(s.buttons)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithKeyboard(k))
	}
	return opts, nil
}

// moment is a time as people write it: absolute, or from now.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fleetcli.Usage(fmt.Errorf("--at: is neither a time nor a duration (got %q)", text), "for example 2031-05-01T09:00:00Z, or 2h30m")
	}
	return at, nil
}

func inlineKeyboard(buttons []string) (keyboard.Inline, error) {
	var k keyboard.Inline
	for _, b := range buttons {
		text, action, ok := strings.Cut(b, "=")
		if !ok || text == "" || action == "" {
			return nil, fleetcli.Usage(fmt.Errorf("--button: is no TEXT=LINK (got %q)", b), "for example 'Open=https://example.org' or 'Yes=callback:yes'")
		}
		if data, callback := strings.CutPrefix(action, "callback:"); callback {
			k = append(k, keyboard.Row(keyboard.Callback(text, data)))
			continue
		}
		k = append(k, keyboard.Row(keyboard.URL(text, action)))
	}
	return k, nil
}

// textOf is a text argument; - is standard input.
func textOf(cmd *cobra.Command, text string) (string, error) {
	if text != "-" {
		return text, nil
	}
	b, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimRight(string(b), "\n"), nil
}

func newSend(g *cli) *cobra.Command {
	var s sending
	var form markup
	var files attachments
	cmd := &cobra.Command{
		Use:     "send ACCOUNT PEER TEXT",
		Short:   "Send a text message, a file or an album",
		Long:    "Send a text message, or files with TEXT as their caption. TEXT may be - to read it from standard input. PEER is me, @name, +phone, a number or a t.me link.",
		Example: "  orchestrator send support-1 @durov 'hello'\n  echo hello | orchestrator send support-1 me -\n  orchestrator send support-1 me 'water the plants' --at 8h\n  orchestrator send support-1 me 'the view' --file view.jpg",
		Args:    g.Args("ACCOUNT", "PEER", "TEXT"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			text, err := textOf(cmd, args[1])
			if err != nil {
				return err
			}
			opts, err := s.options(time.Now())
			if err != nil {
				return err
			}
			if len(files.paths) > 0 {
				return files.send(g, cmd, a, args[0], form.content(text), opts)
			}
			sent, err := a.SendMessage(cmd.Context(), args[0], form.content(text), opts...)
			if err != nil {
				return err
			}
			return g.printSent(cmd, sent)
		}),
	}
	s.all(cmd.Flags())
	files.flags(cmd)
	form.flags(cmd)
	return fleetcli.TakesRequestID(cmd)
}

func newEdit(g *cli) *cobra.Command {
	var e editing
	cmd := &cobra.Command{
		Use:   "edit ACCOUNT PEER ID TEXT",
		Short: "Change the text or the file of a message",
		Long: `Change the text of a message, or with --file and the like what it carries and its caption. TEXT may be - to
read it from standard input. With --scheduled, ID is that of a message that waits for its time, and --at or
--when-online says when.`,
		Example: "  orchestrator edit support-1 @durov 17 'hello again'\n  orchestrator edit support-1 @durov 17 'the view, sharper' --photo view.jpg",
		Args:    g.Args("ACCOUNT", "PEER", "ID", "TEXT"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			m, err := e.edit(cmd, a, args)
			if err != nil {
				return err
			}
			return g.Print(cmd.OutOrStdout(), &v1.EditMessageReply{Message: m, NotModified: m == nil}, func() fleetcli.Table {
				if m == nil {
					return note("it was so already")
				}
				return messageTable(m)
			})
		}),
	}
	e.form.flags(cmd)
	e.message.content(cmd.Flags())
	e.message.schedule(cmd.Flags())
	e.file.flags(cmd)
	cmd.Flags().BoolVar(&e.scheduled, "scheduled", false, "ID is that of a scheduled message")
	return fleetcli.TakesRequestID(cmd)
}

// editing is the flags of edit.
type editing struct {
	message   sending
	form      markup
	file      attachment
	scheduled bool
}

// edit changes the message that args name, PEER ID TEXT.
func (e *editing) edit(cmd *cobra.Command, a *client.Account, args []string) (*client.Message, error) {
	ids, err := messageIDs(args[1:2])
	if err != nil {
		return nil, err
	}
	text, err := textOf(cmd, args[2])
	if err != nil {
		return nil, err
	}
	opts, err := e.message.options(time.Now())
	if err != nil {
		return nil, err
	}
	content := e.form.content(text)
	if !e.file.given() {
		edit := a.EditMessage
		if e.scheduled {
			edit = a.EditScheduledMessage
		}
		return edit(cmd.Context(), args[0], ids[0], content, opts...)
	}
	file, end, err := e.file.file(cmd)
	if err != nil {
		return nil, err
	}
	defer end()
	edit := a.EditFile
	if e.scheduled {
		edit = a.EditScheduledFile
	}
	return edit(cmd.Context(), args[0], ids[0], file, content, opts...)
}
