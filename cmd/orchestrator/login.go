package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// Environment variables for what must not stand in a command line or its history.
const (
	envCode     = "ORCHESTRATOR_LOGIN_CODE"
	envPassword = "ORCHESTRATOR_LOGIN_PASSWORD" //nolint:gosec // the name of a variable
	envBotToken = "ORCHESTRATOR_BOT_TOKEN"      //nolint:gosec // the name of a variable
)

// login is one sign-in at the terminal or by flags.
type login struct {
	g                         *globals
	phone, code, passwordFile string
	botTokenFile              string
	token                     string
	bot, request              bool
	in                        *bufio.Reader
	rawIn                     io.Reader
	errOut                    io.Writer
}

func newLogin(g *globals) *cobra.Command {
	l := &login{g: g}
	cmd := &cobra.Command{
		Use:   "login ACCOUNT",
		Short: "Sign an account in: by phone and code, or as a bot",
		Long: `Sign an account in. Asks for what is not given by flag, file or environment.

A user needs the phone number, the code that Telegram sends, and the password of
two-step verification where one is set. A bot needs its token from @BotFather.
Secrets may come by ` + envCode + `, ` + envPassword + ` and ` + envBotToken + `.

Without a terminal, ask with --request, then sign in with --token and --code. After a wrong
password, give the right one without --phone and --token: the code has been accepted.`,
		Example: "  orchestrator login support-1 --phone +15550100\n  orchestrator login helper --bot\n  token=$(orchestrator login support-1 --phone +15550100 --request)\n  orchestrator login support-1 --token \"$token\" --code 12345",
		Args:    exactArgs("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.rawIn, l.in, l.errOut = cmd.InOrStdin(), bufio.NewReader(cmd.InOrStdin()), cmd.ErrOrStderr()
			if l.request {
				return l.requestOnly(cmd, args[0])
			}
			user, err := l.run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return g.print(cmd.OutOrStdout(), user, func() table {
				return table{header: []string{"ACCOUNT", "USER", "NAME", "USERNAME"}, rows: [][]string{{
					args[0], number(user.GetId()), oneLine(strings.TrimSpace(user.GetFirstName()+" "+user.GetLastName()), 40), dash(user.GetUsername()),
				}}}
			})
		},
	}
	cmd.Flags().StringVar(&l.phone, "phone", "", "phone number in international form")
	cmd.Flags().StringVar(&l.code, "code", "", "login code (or "+envCode+")")
	cmd.Flags().BoolVar(&l.request, "request", false, "only ask for a code, and print the token that --token takes")
	cmd.Flags().StringVar(&l.token, "token", "", "token of a code that was asked for with --request")
	cmd.Flags().StringVar(&l.passwordFile, "password-file", "", "file with the two-step password (or "+envPassword+")")
	cmd.Flags().BoolVar(&l.bot, "bot", false, "sign in as a bot")
	cmd.Flags().StringVar(&l.botTokenFile, "bot-token-file", "", "file with the bot token (or "+envBotToken+"); implies --bot")
	return cmd
}

func (l *login) run(ctx context.Context, account string) (*v1.User, error) {
	c, err := dial(l.g)
	if err != nil {
		return nil, err
	}
	if l.bot || l.botTokenFile != "" {
		token, err := l.secret("Bot token", l.botTokenFile, envBotToken)
		if err != nil {
			return nil, err
		}
		r, err := c.auth.BotSignIn(ctx, &v1.BotSignInRequest{Account: account, BotToken: token})
		if err != nil {
			return nil, err
		}
		return r.GetUser(), nil
	}
	return l.user(ctx, c, account)
}

func (l *login) user(ctx context.Context, c *api, account string) (*v1.User, error) {
	code := &v1.LoginCode{Token: l.token}
	if l.token == "" && l.phone == "" && (l.passwordFile != "" || os.Getenv(envPassword) != "") {
		return l.password(ctx, c, account, "") // the code was right before, only the password is missing
	}
	if l.token == "" {
		asked, err := l.requestCode(ctx, c, account)
		if err != nil {
			return nil, err
		}
		if u := asked.GetUser(); u != nil {
			return u, nil
		}
		code = asked.GetCode()
	}
	for {
		r, err := l.trySignIn(ctx, c, account, code)
		switch {
		case l.again(err, "PHONE_CODE_INVALID", "PHONE_CODE_EMPTY"):
			continue
		case err != nil:
			return nil, err
		}
		switch r.GetOutcome() {
		case v1.SignInOutcome_SIGN_IN_OUTCOME_SIGNED_IN:
			return r.GetUser(), nil
		case v1.SignInOutcome_SIGN_IN_OUTCOME_PASSWORD_REQUIRED:
			return l.password(ctx, c, account, r.GetPassword().GetHint())
		default:
			return nil, usageError{errors.New("this phone number has no Telegram account"),
				"sign up with an official Telegram app first: signing up is not supported here"}
		}
	}
}

func (l *login) requestCode(ctx context.Context, c *api, account string) (*v1.RequestCodeReply, error) {
	if l.phone == "" {
		var err error
		if l.phone, err = l.ask("Phone number"); err != nil {
			return nil, err
		}
	}
	return c.auth.RequestCode(ctx, &v1.RequestCodeRequest{Account: account, PhoneNumber: l.phone})
}

// requestOnly asks for a code and prints what --token takes.
func (l *login) requestOnly(cmd *cobra.Command, account string) error {
	c, err := dial(l.g)
	if err != nil {
		return err
	}
	r, err := l.requestCode(cmd.Context(), c, account)
	if err != nil {
		return err
	}
	return l.g.print(cmd.OutOrStdout(), r, func() table {
		return table{rows: [][]string{{r.GetCode().GetToken()}}}
	})
}

func (l *login) trySignIn(ctx context.Context, c *api, account string, code *v1.LoginCode) (*v1.SignInReply, error) {
	text := l.code
	if text == "" {
		text = os.Getenv(envCode)
	}
	if text == "" {
		var err error
		how := strings.ToLower(strings.TrimPrefix(code.GetType().String(), "CODE_TYPE_"))
		if text, err = l.ask("Code (sent by " + how + ")"); err != nil {
			return nil, err
		}
	}
	r, err := c.auth.SignIn(ctx, &v1.SignInRequest{Account: account, Token: code.GetToken(), Code: text})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (l *login) password(ctx context.Context, c *api, account, hint string) (*v1.User, error) {
	label := "Two-step password"
	if hint != "" {
		label += " (hint: " + oneLine(hint, 60) + ")"
	}
	for {
		password, err := l.secret(label, l.passwordFile, envPassword)
		if err != nil {
			return nil, err
		}
		r, err := c.auth.CheckPassword(ctx, &v1.CheckPasswordRequest{Account: account, Password: password})
		if l.passwordFile == "" && os.Getenv(envPassword) == "" && l.again(err, "PASSWORD_HASH_INVALID") {
			continue
		}
		if err != nil {
			return nil, err
		}
		return r.GetUser(), nil
	}
}

// again reports whether a person at the terminal may try once more, and says why.
func (l *login) again(err error, reasons ...string) bool {
	var rpc *connect.Error
	if !errors.As(err, &rpc) || l.code != "" || os.Getenv(envCode) != "" || !l.interactive() {
		return false
	}
	for _, r := range reasons {
		if errorDetail(rpc).GetReason() == r {
			fmt.Fprintln(l.errOut, rpc.Message()+": try again")
			return true
		}
	}
	return false
}

func (l *login) interactive() bool {
	f, ok := l.rawIn.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// secret comes from a file, the environment, or the terminal without echo.
func (l *login) secret(label, file, env string) (string, error) {
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	if v := os.Getenv(env); v != "" {
		return v, nil
	}
	if f, ok := l.rawIn.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(l.errOut, label+": ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(l.errOut)
		return string(b), err
	}
	return l.ask(label)
}

func (l *login) ask(label string) (string, error) {
	fmt.Fprint(l.errOut, label+": ")
	line, err := l.in.ReadString('\n')
	if !l.interactive() {
		fmt.Fprintln(l.errOut) // nobody's return key ended the line
	}
	if line = strings.TrimSpace(line); line == "" {
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return "", usageError{fmt.Errorf("%s: nothing was entered", strings.ToLower(label)), "give it by flag, environment or at the prompt; see `orchestrator login --help`"}
	}
	return line, nil
}
