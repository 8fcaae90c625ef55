package embedded

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge is a zap core that writes etcd's warnings and errors to hclog, and the rest only
// when hclog logs at trace level.
type bridge struct {
	log     hclog.Logger
	fields  []zapcore.Field
	closing *atomic.Bool // the server is being closed
}

// zapLogger makes the logger given to etcd. Where etcd would exit the process it panics
// instead, so that Start can tell what is wrong.
func zapLogger(log hclog.Logger, closing *atomic.Bool) *zap.Logger {
	return zap.New(bridge{log: log, closing: closing}, zap.WithFatalHook(zapcore.WriteThenPanic))
}

func (b bridge) Enabled(level zapcore.Level) bool {
	return level >= zapcore.WarnLevel || b.log.IsTrace()
}

func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	b.fields = append(b.fields[:len(b.fields):len(b.fields)], fields...)
	return b
}

func (b bridge) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return ce.AddCore(e, b)
	}
	return ce
}

// harmless are warnings about what we do on purpose: the server is reached in process only,
// so it shares no port and signs no token.
var harmless = map[string]bool{
	"Running http and grpc server on single port. This is not recommended for production.": true,
	"simple token is not cryptographically signed":                                         true,
}

// unborn is how etcd complains of a database that has nothing in it yet; it looks again later.
const unborn = "missing term information"

// ofTheEnd are errors and warnings that etcd logs when its own listener is closed.
var ofTheEnd = map[string]bool{
	"setting up serving from embedded etcd failed.": true,
	"stopping insecure grpc server due to error":    true,
	"stopped insecure grpc server due to error":     true,
}

func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range b.fields {
		f.AddTo(enc)
	}
	for _, f := range fields {
		f.AddTo(enc)
	}
	args := make([]any, 0, 2*len(enc.Fields))
	for k, v := range enc.Fields {
		args = append(args, k, fmt.Sprint(v))
	}
	switch {
	case harmless[e.Message], ofTheEnd[e.Message] && b.closing.Load(),
		strings.Contains(fmt.Sprint(enc.Fields["error"]), unborn):
		b.log.Trace(e.Message, args...)
	case e.Level >= zapcore.ErrorLevel:
		b.log.Error(e.Message, args...)
	case e.Level == zapcore.WarnLevel:
		b.log.Warn(e.Message, args...)
	default:
		b.log.Trace(e.Message, args...)
	}
	return nil
}

func (b bridge) Sync() error { return nil }
