package fleetcli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
)

// Environment variables for what must not stand in a command line or its history.
const (
	envCode     = "ORCHESTRATOR_LOGIN_CODE"
	envPassword = "ORCHESTRATOR_LOGIN_PASSWORD" //nolint:gosec // the name of a variable
	envBotToken = "ORCHESTRATOR_BOT_TOKEN"      //nolint:gosec // the name of a variable
)

// login is one sign-in at the terminal or by flags.
type login struct {
	g                         *CLI
	phone, code, passwordFile string
	botTokenFile              string
	token                     string
	bot, qr                   bool
	request, resend, cancel   bool
	in                        *bufio.Reader
	rawIn                     io.Reader
	out, errOut               io.Writer
}

func newLogin(g *CLI) *cobra.Command {
	l := &login{g: g}
	cmd := &cobra.Command{
		Use:   "login ACCOUNT",
		Short: "Sign an account in: by phone and code, by QR code, or as a bot",
		Long: `Sign an account in. Asks for what is not given by flag, file or environment.

A user needs the phone number, the code that Telegram sends, and the password of
two-step verification where one is set. With --qr the user scans a code in another
Telegram app instead: Settings, Devices, Link Desktop Device. A bot needs its token
from @BotFather. Secrets may come by ` + envCode + `,
` + envPassword + ` and ` + envBotToken + `.

Without a terminal, ask with --request, then sign in with --token and --code; --resend asks for
the code by the next way, --cancel drops it. After a wrong password, give the right one without
--phone and --token: the code has been accepted.`,
		Example: "  orchestrator login support-1 --phone +15550100\n  orchestrator login support-1 --qr\n  orchestrator login helper --bot\n" +
			"  token=$(orchestrator login support-1 --phone +15550100 --request)\n  orchestrator login support-1 --token \"$token\" --code 12345",
		Args: g.Args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error { return l.main(cmd, args[0]) },
	}
	cmd.Flags().StringVar(&l.phone, "phone", "", "phone number in international form")
	cmd.Flags().StringVar(&l.code, "code", "", "login code (or "+envCode+")")
	cmd.Flags().BoolVar(&l.qr, "qr", false, "show a QR code to scan in another Telegram app of the same user")
	cmd.Flags().BoolVar(&l.request, "request", false, "only ask for a code, and print the token that --token takes")
	cmd.Flags().StringVar(&l.token, "token", "", "token of a code that was asked for with --request")
	cmd.Flags().BoolVar(&l.resend, "resend", false, "with --token: ask for the code by the next way, and print its token")
	cmd.Flags().BoolVar(&l.cancel, "cancel", false, "with --token: drop the code")
	cmd.Flags().StringVar(&l.passwordFile, "password-file", "", "file with the two-step password (or "+envPassword+")")
	cmd.Flags().BoolVar(&l.bot, "bot", false, "sign in as a bot")
	cmd.Flags().StringVar(&l.botTokenFile, "bot-token-file", "", "file with the bot token (or "+envBotToken+"); implies --bot")
	cmd.MarkFlagsMutuallyExclusive("qr", "bot", "phone", "token")
	cmd.MarkFlagsMutuallyExclusive("request", "resend", "cancel", "code")
	return cmd
}

func (l *login) main(cmd *cobra.Command, account string) error {
	l.rawIn, l.in, l.out, l.errOut = cmd.InOrStdin(), bufio.NewReader(cmd.InOrStdin()), cmd.OutOrStdout(), cmd.ErrOrStderr()
	if (l.resend || l.cancel) && l.token == "" {
		return usageError{errors.New("--token is missing"), "give the token that --request has printed"}
	}
	c, err := l.g.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, a := cmd.Context(), c.Account(account)
	switch {
	case l.cancel:
		return a.ResumeLogin(l.token).Cancel(ctx)
	case l.resend:
		step, err := a.ResumeLogin(l.token).Resend(ctx)
		if err != nil {
			return err
		}
		return l.printSent(step)
	case l.request:
		step, err := l.requestCode(ctx, a)
		if err != nil {
			return err
		}
		return l.printSent(step)
	}
	user, err := l.run(ctx, a)
	if err != nil {
		return err
	}
	return l.g.Print(l.out, user, func() Table {
		return Table{Header: []string{"ACCOUNT", "USER", "NAME", "USERNAME"}, Rows: [][]string{{
			account, strconv.FormatInt(user.GetId(), 10), plain(strings.TrimSpace(user.GetFirstName() + " " + user.GetLastName())), dash(user.GetUsername()),
		}}}
	})
}

// run signs in by what was chosen.
func (l *login) run(ctx context.Context, a *client.Account) (*client.User, error) {
	var step client.LoginStep
	var err error
	switch {
	case l.bot || l.botTokenFile != "":
		token, err := l.secret("Bot token", l.botTokenFile, envBotToken)
		if err != nil {
			return nil, err
		}
		return a.BotSignIn(ctx, token)
	case l.qr:
		step, err = l.scan(ctx, a)
	case l.token != "":
		step = a.ResumeLogin(l.token)
	case l.phone == "" && (l.passwordFile != "" || os.Getenv(envPassword) != ""):
		step = &client.PasswordRequired{} // the code was right before, only the password is missing
	default:
		step, err = l.requestCode(ctx, a)
	}
	for err == nil {
		switch s := step.(type) {
		case *client.SignedIn:
			return s.User, nil
		case *client.CodeSent:
			step, err = l.signIn(ctx, s)
		case *client.PasswordRequired:
			return l.password(ctx, a, s.Hint)
		default:
			return nil, usageError{
				errors.New("this phone number has no Telegram account, and signing up is not supported: Telegram lets only its official apps do that"),
				"sign up with an official Telegram app, then log in here",
			}
		}
	}
	return nil, err
}

func (l *login) requestCode(ctx context.Context, a *client.Account) (client.LoginStep, error) {
	if l.phone == "" {
		var err error
		if l.phone, err = l.ask("Phone number"); err != nil {
			return nil, err
		}
	}
	return a.RequestCode(ctx, l.phone)
}

// printSent prints what --token takes, or the user where no code was needed.
func (l *login) printSent(step client.LoginStep) error {
	reply := &v1.RequestCodeReply{}
	switch s := step.(type) {
	case *client.SignedIn:
		reply.User = s.User
		fmt.Fprintln(l.errOut, "the account is signed in: Telegram wanted no code")
	case *client.CodeSent:
		reply.Code = &v1.LoginCode{Token: s.Token(), Type: s.Type, NextType: s.NextType, Length: int32(s.Length), Pattern: s.Pattern}
		if s.Timeout > 0 {
			reply.Code.Timeout = durationpb.New(s.Timeout)
		}
	}
	return l.g.Print(l.out, reply, func() Table { return Table{Rows: [][]string{{reply.GetCode().GetToken()}}} })
}

// again is what a person enters to get the code in another way.
const again = "r"

// signIn asks for the code and gives it; a wrong one may be entered again at a terminal.
func (l *login) signIn(ctx context.Context, sent *client.CodeSent) (client.LoginStep, error) {
	text := l.code
	if text == "" {
		text = os.Getenv(envCode)
	}
	if text == "" {
		label := "Code (sent by " + codeName(sent.Type)
		if sent.NextType != v1.CodeType_CODE_TYPE_UNSPECIFIED && l.interactive() {
			label += "; " + again + " sends it by " + codeName(sent.NextType)
		}
		var err error
		if text, err = l.ask(label + ")"); err != nil {
			return nil, err
		}
		if text == again && l.interactive() {
			return sent.Resend(ctx)
		}
	}
	step, err := sent.SignIn(ctx, text)
	if l.code == "" && os.Getenv(envCode) == "" && l.mayRepeat(err, "PHONE_CODE_INVALID", "PHONE_CODE_EMPTY") {
		return sent, nil
	}
	return step, err
}

func codeName(t v1.CodeType) string {
	return strings.ToLower(strings.TrimPrefix(t.String(), "CODE_TYPE_"))
}

func (l *login) password(ctx context.Context, a *client.Account, hint string) (*client.User, error) {
	label := "Two-step password"
	if hint != "" {
		label += " (hint: " + plain(hint) + ")"
	}
	for {
		password, err := l.secret(label, l.passwordFile, envPassword)
		if err != nil {
			return nil, err
		}
		user, err := a.CheckPassword(ctx, password)
		if l.passwordFile == "" && os.Getenv(envPassword) == "" && l.mayRepeat(err, "PASSWORD_HASH_INVALID") {
			continue
		}
		return user, err
	}
}

// mayRepeat reports whether a person at the terminal may try once more, and says why.
func (l *login) mayRepeat(err error, reasons ...client.Reason) bool {
	var called *client.Error
	if !errors.As(err, &called) || !l.interactive() {
		return false
	}
	for _, r := range reasons {
		if called.Reason == r {
			fmt.Fprintln(l.errOut, called.Message+": try again")
			return true
		}
	}
	return false
}

func (l *login) interactive() bool { return isTerminal(l.rawIn) }

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

// maxPlain bounds names and hints in a line of text.
const maxPlain = 60

// plain makes a text of somebody else's harmless for a terminal.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxPlain {
		return string(runes[:maxPlain-1]) + "…"
	}
	return s
}
