package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

// report writes an error and its hint, and chooses the exit code.
func report(w io.Writer, err error) int {
	if errors.Is(err, errFailed) {
		return exitFailed
	}
	message, hint, code := explain(err)
	fmt.Fprintf(w, "orchestrator: error: %s\n", message)
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return code
}

func explain(err error) (message, hint string, code int) {
	var (
		usage    usageError
		wrong    fleetcli.UsageError
		step     interface{ Hint() string }
		called   *client.Error
		one      fleetcli.Named
		problems *configs.Problems
		own      *fleet.Error
		op       *net.OpError
	)
	switch {
	case errors.As(err, &one):
		message, hint, code = explain(one.Err)
		return one.ID + ": " + message, hint, code
	case errors.As(err, &wrong):
		return wrong.Error(), wrong.Hint(), exitUsage
	case errors.As(err, &step):
		return err.Error(), step.Hint(), exitFailed
	case errors.As(err, &called) && called.Code != fleet.CodeCanceled:
		return explainCall(called)
	case errors.Is(err, context.Canceled):
		return "interrupted", "", exitCanceled
	case errors.As(err, &usage):
		return usage.Error(), usage.hint, exitUsage
	case errors.As(err, &problems):
		return problems.Error(), "compare with configs/single.yaml, then run `orchestrator check-config FILE`", exitUsage
	case errors.As(err, &own):
		return own.Error(), own.Remedy, ownCode(own.Code)
	case errors.As(err, &op) && op.Op == "listen":
		return fmt.Sprintf("listen on %s: %v", op.Addr, op.Err), "another process uses the address: stop it, or choose another port", exitFailed
	case errors.Is(err, fs.ErrNotExist):
		return err.Error(), "check the path; it is taken from the working directory", exitUsage
	case strings.HasPrefix(err.Error(), "unknown command"):
		return err.Error(), "see `orchestrator --help` for the commands", exitUsage
	}
	return err.Error(), "", exitFailed
}

// ownCode is the exit code of an error of this process.
func ownCode(c fleet.Code) int {
	switch c {
	case fleet.CodeInvalidArgument:
		return exitUsage
	case fleet.CodeNotFound:
		return exitNotFound
	}
	return exitFailed
}

// explainCall says what a call of the SDK came to.
func explainCall(err *client.Error) (message, hint string, code int) {
	hint, code = err.Remedy, ownCode(err.Code)
	switch {
	case err.Reason == client.ReasonUnreachable || err.Reason == client.ReasonUntrusted && err.Code == fleet.CodeUnavailable:
		hint = "start a node with `orchestrator serve` or `orchestrator demo`, or name one by --server"
		if err.Reason == client.ReasonUntrusted {
			hint = "check the address's scheme, and name the node's authority by --ca-file"
		}
		return "the API does not answer: " + err.Message, hint, exitNoServer
	case refused[string(err.Reason)], err.Code == fleet.CodeUnauthenticated, err.Code == fleet.CodePermissionDenied:
		code = exitAuth
	}
	if hint == "" && err.RetryAfter > 0 {
		hint = "repeat it in " + err.RetryAfter.String()
	}
	return err.Message, hint, code
}

// refused are the reasons by which Telegram turns a code, password or token down.
var refused = map[string]bool{
	"PHONE_CODE_INVALID": true, "PHONE_CODE_EMPTY": true, "PHONE_CODE_EXPIRED": true,
	"PASSWORD_HASH_INVALID": true, "ACCESS_TOKEN_INVALID": true, "ACCESS_TOKEN_EXPIRED": true,
}
