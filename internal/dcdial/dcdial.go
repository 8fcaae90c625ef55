// Package dcdial opens a connection to a DC: it tries the DC's known addresses in turn.
//
// # Usage
//
//	conn, err := dcdial.Dial(ctx, directory.Known(), dcdial.Target{DC: 2}, options)
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

	"github.com/telefleet/orchestrator/mtproto/exchange"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// Timeout bounds one dial over all addresses, addressTimeout each but the last of them.
const (
	Timeout        = 15 * time.Second
	addressTimeout = 5 * time.Second
)

// ErrNoAddress means that no address of the DC is known.
var ErrNoAddress = errors.New("no address of the DC is known")

// Target is where a connection is to go.
type Target struct {
	DC int
	// Files asks for addresses for files, which most DCs have none of, and for no others.
	Files bool
	// IPv6 says what becomes of IPv6 addresses.
	IPv6 dcs.IPv6
}

// Conn is an open connection.
type Conn struct {
	*transport.Conn
	// Field is the dc field that a key exchange on it must use: it depends on the kind of address.
	Field int
	// CDN says that the DC is one of a CDN: it has keys of its own and takes no authorisation.
	CDN bool
}

// Known reports whether an ordinary DC can be dialled at all.
func Known(list dcs.List, dc int) bool {
	return len(list.Select(dc, dcs.Want{IPv6: dcs.IPv6Fallback})) > 0
}

// IsCDN reports whether a DC is one of a CDN.
func IsCDN(list dcs.List, dc int) bool {
	return len(list.Select(dc, dcs.Want{CDN: true, IPv6: dcs.IPv6Fallback})) > 0
}

// Dial connects to a DC. Through a proxy, addresses that are meant for it come first; an MTProxy
// chooses the address by itself.
func Dial(ctx context.Context, list dcs.List, to Target, o transport.Options) (*Conn, error) {
	options := list.Select(to.DC, dcs.Want{Media: to.Files, IPv6: to.IPv6, Static: o.Proxy != nil, CDN: IsCDN(list, to.DC)})
	if len(options) == 0 {
		return nil, fmt.Errorf("%w (got %d)", ErrNoAddress, to.DC)
	}
	if o.Proxy != nil && o.Proxy.Kind == transport.MTProxy {
		options = options[:1]
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var errs []error
	for i, option := range options {
		conn, err := one(ctx, option, list.Test, i+1 < len(options), o)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil || proxyFailed(err) { // the next address would go the same way
			break
		}
	}
	return nil, errors.Join(errs...)
}

func one(ctx context.Context, option dcs.Option, test, others bool, o transport.Options) (*Conn, error) {
	if others {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, addressTimeout)
		defer cancel()
	}
	o.DC = exchange.DCField(option.ID, test, option.MediaOnly)
	if option.TCPOOnly && !o.Obfuscated {
		o.Obfuscated = true
		if o.Framing == transport.Full { // cannot be obfuscated
			o.Framing = transport.PaddedIntermediate
		}
	}
	conn, err := transport.Dial(ctx, option.Addr, o)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: conn, Field: o.DC, CDN: option.CDN}, nil
}

// proxyFailed says that a proxy did not come as far as to try the address.
func proxyFailed(err error) bool {
	var hop *transport.ProxyError
	return errors.As(err, &hop) && hop.Hop != transport.HopTarget
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
