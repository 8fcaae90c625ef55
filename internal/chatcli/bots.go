package chatcli

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newBot(g *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "bot", Short: "Answer what users ask of a bot",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fleetcli.Usage(fmt.Errorf("unknown command %q for orchestrator bot", args[0]), "use answer, inline or edit")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBotAnswer(g), newBotInline(g), newBotEdit(g))
	return fleetcli.TakeRequestIDs(cmd)
}

// queryID reads the id of a query, as events show it.
func queryID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fleetcli.Usage(fmt.Errorf("QUERY: must be a number (got %q)", text), "orchestrator events shows the ids of queries")
	}
	return id, nil
}

func newBotAnswer(g *cli) *cobra.Command {
	var answer client.CallbackAnswer
	cmd := &cobra.Command{
		Use:     "answer ACCOUNT QUERY TEXT",
		Short:   "Answer the press of a button; an empty TEXT only ends the wait",
		Example: "  orchestrator bot answer helper 1234567890 'done'",
		Args:    g.Args("ACCOUNT", "QUERY", "TEXT"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			id, err := queryID(args[0])
			if err != nil {
				return err
			}
			answer.Text = args[1]
			return a.AnswerCallbackQuery(cmd.Context(), id, answer)
		}),
	}
	cmd.Flags().BoolVar(&answer.Alert, "alert", false, "show it in a window")
	cmd.Flags().StringVar(&answer.URL, "url", "", "link to open")
	cmd.Flags().DurationVar(&answer.CacheTime, "cache", 0, "how long the user's client keeps it")
	return cmd
}

func newBotInline(g *cli) *cobra.Command {
	var in inlining
	cmd := &cobra.Command{
		Use:   "inline ACCOUNT QUERY",
		Short: "Answer an inline query with articles, photos and files, or with nothing",
		Long: `Answer an inline query. The results are those of --article, --photo, --file and --file-of in this order; their
ids count from 1. A query that is not answered within some seconds is lost: upload large files before, and
name the messages that have them by --file-of.`,
		Example: "  orchestrator bot inline helper 1234567890 --article 'Title=the text that is sent' --button 'More=https://example.org'\n" +
			"  orchestrator bot inline helper 1234567890 --photo cat.jpg --file-of @catalogue:17 --caption 'as asked for'\n" +
			"  orchestrator bot inline helper 1234567890",
		Args: g.Args("ACCOUNT", "QUERY"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			id, err := queryID(args[0])
			if err != nil {
				return err
			}
			answer, end, err := in.results(cmd)
			if err != nil {
				return err
			}
			defer end()
			return a.AnswerInlineQuery(cmd.Context(), id, answer)
		}),
	}
	in.flags(cmd)
	return cmd
}

// inlining is the flags of bot inline.
type inlining struct {
	answer                                     client.InlineAnswer
	articles, photos, files, filesOf, keyboard []string
	caption                                    string
	form                                       markup
}

func (in *inlining) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&in.articles, "article", nil, "TITLE=TEXT of a result, may be repeated")
	f.StringArrayVar(&in.photos, "photo", nil, "picture of this machine, may be repeated")
	f.StringArrayVar(&in.files, "file", nil, "file of this machine, may be repeated")
	f.StringArrayVar(&in.filesOf, "file-of", nil, "PEER:ID, the file of a message, may be repeated")
	f.StringVar(&in.caption, "caption", "", "caption of photos and files")
	f.StringArrayVar(&in.keyboard, "button", nil, "a row of the results' inline keyboard, TEXT=LINK or TEXT=callback:DATA; may be repeated")
	f.DurationVar(&in.answer.CacheTime, "cache", 5*time.Minute, "how long Telegram keeps the answer; less than 0 = not at all")
	f.BoolVar(&in.answer.Personal, "personal", false, "keep it for this user only")
	f.BoolVar(&in.answer.Gallery, "gallery", false, "show the results side by side")
	f.StringVar(&in.answer.NextOffset, "next-offset", "", "offset of the query for further results")
	f.StringVar(&in.answer.SwitchText, "switch", "", "text of a button above the results")
	f.StringVar(&in.answer.SwitchParam, "switch-start", "", "what /start is given when that button opens the chat with the bot")
	f.StringVar(&in.answer.SwitchApp, "switch-app", "", "link of the Mini App that that button opens instead")
	in.form.flags(cmd)
}

// results is the answer that the flags describe; end ends what shows uploads.
func (in *inlining) results(cmd *cobra.Command) (answer client.InlineAnswer, end func(), err error) {
	answer = in.answer
	buttons, err := inlineKeyboard(in.keyboard)
	if err != nil {
		return answer, nil, err
	}
	id := func() string { return strconv.Itoa(len(answer.Results) + 1) }
	for _, article := range in.articles {
		title, text, ok := strings.Cut(article, "=")
		if !ok {
			return answer, nil, fleetcli.Usage(fmt.Errorf("--article: must be TITLE=TEXT (got %q)", article), "for example --article 'Hello=Hello, world'")
		}
		answer.Results = append(answer.Results, client.InlineArticle{ID: id(), Title: title, Content: in.form.content(text), Keyboard: buttons})
	}
	var ends []func()
	add := func(file client.OutgoingFile) {
		answer.Results = append(answer.Results, client.InlineFile{ID: id(), File: file, Caption: in.form.content(in.caption), Keyboard: buttons})
	}
	for _, path := range in.photos {
		file, end := local(cmd, path)
		ends = append(ends, end)
		add(file.As(client.AsPhoto))
	}
	for _, path := range in.files {
		file, end := local(cmd, path)
		ends = append(ends, end)
		add(file)
	}
	for _, of := range in.filesOf {
		file, err := storedFile(of)
		if err != nil {
			return answer, nil, err
		}
		add(file)
	}
	return answer, func() {
		for _, end := range ends {
			end()
		}
	}, nil
}

func newBotEdit(g *cli) *cobra.Command {
	var form markup
	var message sending
	var file attachment
	cmd := &cobra.Command{
		Use:   "edit ACCOUNT INLINE-ID TEXT",
		Short: "Change a message that came from an inline query",
		Long: `Change a message that came from an inline query, or with --file and the like what it carries and its caption.
INLINE-ID is inline_message_id of ` + "`orchestrator events -o json`" + `. A keyboard that is not given is taken away.`,
		Args: g.Args("ACCOUNT", "INLINE-ID", "TEXT"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			id, err := base64.StdEncoding.DecodeString(args[0])
			if err != nil {
				return fleetcli.Usage(fmt.Errorf("INLINE-ID: is no base64 (got %d characters)", len(args[0])), "copy inline_message_id of the event")
			}
			opts, err := message.options(time.Now())
			if err != nil {
				return err
			}
			edit := func() (bool, error) { return a.EditInlineMessage(cmd.Context(), id, form.content(args[1]), opts...) }
			if file.given() {
				one, end, err := file.file(cmd)
				if err != nil {
					return err
				}
				defer end()
				edit = func() (bool, error) { return a.EditInlineFile(cmd.Context(), id, one, form.content(args[1]), opts...) }
			}
			changed, err := edit()
			if err != nil {
				return err
			}
			outcome := "changed"
			if !changed {
				outcome = "it was like this before"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), outcome)
			return err
		}),
	}
	form.flags(cmd)
	message.content(cmd.Flags())
	file.flags(cmd)
	return cmd
}
