// Package slogbridge carries log/slog records, such as those of the actor library, to the
// product's hclog.Logger.
//
// # Usage
//
//	slog.New(slogbridge.New(logger))
//
// Values are rendered without reflection: only basic kinds, errors, fmt.Stringer,
// slog.LogValuer and encoding.TextMarshaler show their content. A struct, map, slice or pointer
// shows as its type, because a third party's log line could otherwise spill keys and message
// text held in a message it prints. Strings are cut at 1024 bytes.
//
// # Concurrency
//
// A Handler is immutable and safe to share.
package slogbridge

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

const maxString = 1024

// Handler implements slog.Handler over an hclog.Logger.
type Handler struct {
	log    hclog.Logger
	prefix string
}

// New makes a Handler that writes to log.
func New(log hclog.Logger) *Handler { return &Handler{log: log} }

// Level maps a slog level to hclog's; a level between two counts as the lower one.
func Level(l slog.Level) hclog.Level {
	switch {
	case l < slog.LevelDebug:
		return hclog.Trace
	case l < slog.LevelInfo:
		return hclog.Debug
	case l < slog.LevelWarn:
		return hclog.Info
	case l < slog.LevelError:
		return hclog.Warn
	default:
		return hclog.Error
	}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool {
	switch Level(l) {
	case hclog.Trace:
		return h.log.IsTrace()
	case hclog.Debug:
		return h.log.IsDebug()
	case hclog.Info:
		return h.log.IsInfo()
	case hclog.Warn:
		return h.log.IsWarn()
	default:
		return h.log.IsError()
	}
}

// Handle implements slog.Handler. The time is hclog's own: the two differ by the call only.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	args := make([]any, 0, 2*r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		args = appendAttr(args, h.prefix, a)
		return true
	})
	h.log.Log(Level(r.Level), cut(r.Message), args...)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var args []any
	for _, a := range attrs {
		args = appendAttr(args, h.prefix, a)
	}
	if len(args) == 0 {
		return h
	}
	return &Handler{log: h.log.With(args...), prefix: h.prefix}
}

// WithGroup implements slog.Handler: the keys that follow are prefixed "name.".
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &Handler{log: h.log, prefix: h.prefix + name + "."}
}

func appendAttr(args []any, prefix string, a slog.Attr) []any {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			args = appendAttr(args, prefix, g)
		}
		return args
	}
	if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
		return args // the zero Attr, which slog asks handlers to ignore
	}
	return append(args, prefix+a.Key, value(v))
}

func value(v slog.Value) any {
	switch v.Kind() {
	case slog.KindString:
		return cut(v.String())
	case slog.KindDuration, slog.KindTime:
		return v.String()
	case slog.KindAny:
		return opaque(v.Any())
	default:
		return v.Any()
	}
}

// opaque shows what a type chooses to show of itself, and else only its name.
func opaque(v any) (out any) {
	defer func() {
		if recover() != nil { // a nil pointer behind an interface
			out = fmt.Sprintf("<%T>", v)
		}
	}()
	switch v := v.(type) {
	case nil:
		return nil
	case error:
		return cut(v.Error())
	case fmt.Stringer:
		return cut(v.String())
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil {
			return fmt.Sprintf("<%T>", v)
		}
		return cut(string(b))
	default:
		return fmt.Sprintf("<%T>", v)
	}
}

func cut(s string) string {
	if len(s) <= maxString {
		return s
	}
	n := maxString
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]) + "…"
}
