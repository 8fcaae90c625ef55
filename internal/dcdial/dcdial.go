// Package dcdial opens a connection to a DC: it tries the DC's known addresses in turn.
//
// # Usage
//
//	conn, err := dcdial.Dial(ctx, list, 2, false, options)
//
// # Errors
//
// ErrNoAddress for a DC that the list does not know; else what each address answered, joined.
package dcdial

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// Timeout bounds one dial over all addresses.
const Timeout = 15 * time.Second

// ErrNoAddress means that no address of the DC is known.
var ErrNoAddress = errors.New("no address of the DC is known")

// Known reports whether a DC can be dialled at all.
func Known(list dcs.List, dc int) bool { return len(list.Select(dc, dcs.Want{})) > 0 }

// Dial connects to a DC. With media, addresses for files are preferred; most DCs have none.
func Dial(ctx context.Context, list dcs.List, dc int, media bool, o transport.Options) (*transport.Conn, error) {
	options := list.Select(dc, dcs.Want{Media: media})
	if len(options) == 0 {
		options = list.Select(dc, dcs.Want{})
	}
	if len(options) == 0 {
		return nil, fmt.Errorf("%w (got %d)", ErrNoAddress, dc)
	}
	o.DC = dc
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var errs []error
	for _, option := range options {
		conn, err := transport.Dial(ctx, option.Addr, o)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// SleepUntil waits until a time, or until ctx ends; the zero time is now.
func SleepUntil(ctx context.Context, now func() time.Time, at time.Time) error {
	wait := at.Sub(now())
	if at.IsZero() || wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
