package dcdial

import (
	"context"
	"fmt"
	"time"

	"github.com/telefleet/orchestrator/mtproto/exchange"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// Probe finds out whether Telegram answers: it dials, begins a key exchange, and checks the first
// answer, which names keys that only Telegram has. It returns the time from the first packet to
// the answer. No account is involved.
func Probe(ctx context.Context, list dcs.List, to Target, o transport.Options) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	conn, err := Dial(ctx, list, to, o)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Abort() }() // closing is all that matters
	stop := context.AfterFunc(ctx, func() { _ = conn.Abort() })
	defer stop()
	machine := exchange.New(exchange.Config{Keys: list.Keys, DC: conn.Field})
	began := time.Now()
	effects, err := machine.Step(began, exchange.Start{})
	if err != nil {
		return 0, fmt.Errorf("begin key exchange: %w", err)
	}
	for _, f := range effects.Write {
		if err := conn.WriteFrame(f); err != nil {
			return 0, err
		}
	}
	frame, err := conn.ReadFrame()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, err
	}
	defer transport.Recycle(frame)
	took := time.Since(began)
	if _, err := machine.Step(time.Now(), exchange.Frame{Data: frame}); err != nil {
		return 0, fmt.Errorf("check the answer of Telegram: %w", err)
	}
	return took, nil
}
