// Package tgraw lets code that is written for gotd/td's generated methods run over an account of the
// fleet: an Invoker is a tg.Invoker whose calls go through the API. It is the only part of the SDK that
// needs gotd.
//
// # Usage
//
//	raw := tg.NewClient(tgraw.New(c.Account("alice")))
//	dc, err := raw.HelpGetNearestDC(ctx)
//
// # Concurrency
//
// An Invoker is safe for concurrent use.
//
// # Errors
//
// An error that Telegram gave is both a *client.Error and a *tgerr.Error, so that errors.Is with a
// client.Reason and tgerr.Is both find it. The number in front of its name is that of the class, which
// can differ from Telegram's own. Waits that Telegram asks for are waited out at the node as far as the
// account's limit goes.
package tgraw

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/client"
)

// Invoker makes typed raw calls as one account.
type Invoker struct {
	account *client.Account
	opts    []client.InvokeOption
}

var _ tg.Invoker = (*Invoker)(nil)

// New makes an Invoker; opts are those of every call, such as client.OnDC.
func New(account *client.Account, opts ...client.InvokeOption) *Invoker {
	return &Invoker{account, opts}
}

// Invoke implements tg.Invoker. A call and its answer have at most 1 MiB.
func (i *Invoker) Invoke(ctx context.Context, input bin.Encoder, output bin.Decoder) error {
	var b bin.Buffer
	if err := input.Encode(&b); err != nil {
		return fmt.Errorf("encode the call: %w", err)
	}
	answer, err := i.account.InvokeTL(ctx, b.Raw(), i.opts...)
	if err != nil {
		return typed(err)
	}
	if err := output.Decode(&bin.Buffer{Buf: answer}); err != nil {
		return fmt.Errorf("decode the answer: %w", err)
	}
	return nil
}

// numbers are the classes of errors as Telegram counts them, by the code's name.
var numbers = map[string]int{
	"invalid_argument": 400, "not_found": 400, "failed_precondition": 400, "out_of_range": 400, "already_exists": 400,
	"unauthenticated": 401, "permission_denied": 403, "resource_exhausted": 420, "internal": 500, "unavailable": 500,
}

// typed adds gotd's form to what Telegram said.
func typed(err error) error {
	var said *client.Error
	if !errors.As(err, &said) || said.Method == "" || said.Reason == "" {
		return err
	}
	name := string(said.Reason)
	if said.Argument != 0 {
		name += "_" + strconv.Itoa(said.Argument)
	}
	number, ok := numbers[string(said.Code)]
	if !ok {
		number = 400
	}
	return both{err, tgerr.New(number, name)}
}

// both is one error in two forms.
type both struct {
	error
	rpc *tgerr.Error
}

func (b both) Unwrap() []error { return []error{b.error, b.rpc} }
