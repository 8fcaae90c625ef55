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
	var articles []string
	var form markup
	var answer client.InlineAnswer
	cmd := &cobra.Command{
		Use:   "inline ACCOUNT QUERY",
		Short: "Answer an inline query with articles, or with nothing",
		Example: "  orchestrator bot inline helper 1234567890 --article 'Title=the text that is sent'\n" +
			"  orchestrator bot inline helper 1234567890",
		Args: g.Args("ACCOUNT", "QUERY"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			id, err := queryID(args[0])
			if err != nil {
				return err
			}
			for i, article := range articles {
				title, text, ok := strings.Cut(article, "=")
				if !ok {
					return fleetcli.Usage(fmt.Errorf("--article: must be TITLE=TEXT (got %q)", article), "for example --article 'Hello=Hello, world'")
				}
				answer.Results = append(answer.Results, client.InlineArticle{ID: strconv.Itoa(i + 1), Title: title, Content: form.content(text)})
			}
			return a.AnswerInlineQuery(cmd.Context(), id, answer)
		}),
	}
	cmd.Flags().StringArrayVar(&articles, "article", nil, "TITLE=TEXT of a result, may be repeated; their ids count from 1")
	cmd.Flags().DurationVar(&answer.CacheTime, "cache", 5*time.Minute, "how long Telegram keeps the answer")
	cmd.Flags().BoolVar(&answer.Personal, "personal", false, "keep it for this user only")
	cmd.Flags().StringVar(&answer.NextOffset, "next-offset", "", "offset of the query for further results")
	form.flags(cmd)
	return cmd
}

func newBotEdit(g *cli) *cobra.Command {
	var form markup
	cmd := &cobra.Command{
		Use:   "edit ACCOUNT INLINE-ID TEXT",
		Short: "Change a message that came from an inline query",
		Long:  "Change a message that came from an inline query. INLINE-ID is inline_message_id of `orchestrator events -o json`.",
		Args:  g.Args("ACCOUNT", "INLINE-ID", "TEXT"),
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			id, err := base64.StdEncoding.DecodeString(args[0])
			if err != nil {
				return fleetcli.Usage(fmt.Errorf("INLINE-ID: is no base64 (got %d characters)", len(args[0])), "copy inline_message_id of the event")
			}
			changed, err := a.EditInlineMessage(cmd.Context(), id, form.content(args[1]))
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
	return cmd
}
