// Command orchestrator runs fleets of Telegram accounts and is their command line. It only
// wires: one file per subcommand, and nothing imports it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/telefleet/orchestrator/internal/chatcli"
	"github.com/telefleet/orchestrator/internal/eventcli"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// Exit codes; docs/operations.md lists them.
const (
	exitOK       = 0
	exitFailed   = 1 // the command was understood and failed
	exitUsage    = 2 // the command line or the configuration is wrong
	exitNotFound = 3
	exitAuth     = 4 // a code, password, login or API token was refused
	exitNoServer = 5 // the API cannot be reached
	exitCanceled = 130
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main without the process: its streams and its exit code can be tested.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	return report(errOut, err)
}

// globals are the flags that every command shares.
type globals struct {
	server  string // several are divided by commas
	context string
	output  string
	caFile  string
	token   string

	contexts bool // consult the contexts
	named    bool // --server was given
}

const (
	envServer     = "ORCHESTRATOR_SERVER"
	envToken      = "ORCHESTRATOR_TOKEN" //nolint:gosec // the name of a variable
	defaultServer = "http://127.0.0.1:8420"
)

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "orchestrator",
		Short: "Run fleets of Telegram accounts",
		Long: `orchestrator runs fleets of Telegram accounts, users and bots, over MTProto.

Try it without anything to install:   orchestrator demo
Run a node:                           orchestrator serve --config configs/single.yaml
Talk to a running node:               orchestrator account list`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q", args[0]), didYouMean(cmd, args[0]) + "see `orchestrator --help` for the commands"}
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	server := os.Getenv(envServer)
	if server == "" {
		server = defaultServer
	}
	root.PersistentFlags().StringVar(&g.server, "server", server, "address of a node's API (or "+envServer+"); its token comes by "+envToken)
	root.PersistentFlags().StringVar(&g.caFile, "ca-file", "", "certificate of the authority that signed the node's (default: the system's)")
	root.PersistentFlags().StringVarP(&g.output, "output", "o", "table", "output: table, json or yaml")
	root.PersistentFlags().StringVar(&g.context, "context", "", "cluster to talk to, see orchestrator context list")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		g.contexts, g.named = true, cmd.Flags().Changed("server")
		return g.checkOutput()
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newDemo(g), newSimulate(g), newServe(), newInfra(), newCert(), newCheckConfig(), newVersion(g),
		newAccount(g), newEvents(g), newContext(), newBench(g),
	)
	root.AddCommand(commands(g).Commands()...)
	root.AddCommand(chatcli.Commands(commands(g))...)
	root.AddCommand(eventcli.Commands(commands(g), g.printEvent)...)
	return root
}

// didYouMean names the commands that are spelled nearly so.
func didYouMean(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	like := cmd.SuggestionsFor(word)
	if len(like) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(like, " or ") + "? "
}

// kinds are the values of flags, as people call them.
var kinds = map[string]string{
	"int": "a whole number", "int32": "a whole number", "int64": "a whole number", "uint64": "a whole number",
	"duration": "a duration such as 90s or 2h30m", "bool": "true or false", "float64": "a number",
}

// negative is what looks like the id of a group or channel among the flags.
var negative = regexp.MustCompile(`^[0-9]+$`)

// flagError says what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	hint := "see `" + cmd.CommandPath() + " --help` for the flags"
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value) && kinds[value.GetFlag().Value.Type()] != "":
		err = fmt.Errorf("--%s: must be %s (got %q)", value.GetFlag().Name, kinds[value.GetFlag().Value.Type()], value.GetValue())
	case errors.As(err, &unknown) && negative.MatchString(unknown.GetSpecifiedShortnames()):
		err = fmt.Errorf("-%s: is taken for a flag", unknown.GetSpecifiedShortnames())
		hint = "write -- before ids that begin with a minus, behind the flags: " + cmd.CommandPath() + " ... -- ACCOUNT -" + unknown.GetSpecifiedShortnames()
	}
	return usageError{err, hint}
}

// usageError is a mistake in the command line, with what to do about it.
type usageError struct {
	err  error
	hint string
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// exactArgs is cobra.ExactArgs with an error that names the arguments.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		problem := fmt.Errorf("%d arguments given, %d wanted", len(args), len(names))
		if len(args) < len(names) {
			problem = fmt.Errorf("%s is missing", names[len(args)])
		}
		return usageError{problem, "usage: " + cmd.UseLine()}
	}
}

// errFailed ends a command that has already said what failed.
var errFailed = fleetcli.ErrFailed
