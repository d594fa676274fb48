package raftguard

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// Logger returns an hclog.Logger that writes to logger. What raft calls info is debug here: it says nothing to an operator
// that the registry does not say better.
func Logger(logger *slog.Logger) hclog.Logger { return adapter{logger: logger} }

type adapter struct {
	logger *slog.Logger
	name   string
	args   []any
}

var levels = map[hclog.Level]slog.Level{
	hclog.Trace: slog.LevelDebug - 4, hclog.Debug: slog.LevelDebug, hclog.Info: slog.LevelDebug,
	hclog.Warn: slog.LevelWarn, hclog.Error: slog.LevelError,
}

func (a adapter) Log(level hclog.Level, msg string, args ...any) {
	to, ok := levels[level]
	if !ok || !a.logger.Enabled(context.Background(), to) {
		return
	}
	for i, arg := range args {
		if format, ok := arg.(hclog.Format); ok && len(format) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(format[0]), format[1:]...)
		}
	}
	a.logger.Log(context.Background(), to, msg, args...)
}

func (a adapter) Trace(msg string, args ...any) { a.Log(hclog.Trace, msg, args...) }
func (a adapter) Debug(msg string, args ...any) { a.Log(hclog.Debug, msg, args...) }
func (a adapter) Info(msg string, args ...any)  { a.Log(hclog.Info, msg, args...) }
func (a adapter) Warn(msg string, args ...any)  { a.Log(hclog.Warn, msg, args...) }
func (a adapter) Error(msg string, args ...any) { a.Log(hclog.Error, msg, args...) }

func (a adapter) enabled(l hclog.Level) bool {
	return a.logger.Enabled(context.Background(), levels[l])
}

func (a adapter) IsTrace() bool { return a.enabled(hclog.Trace) }
func (a adapter) IsDebug() bool { return a.enabled(hclog.Debug) }
func (a adapter) IsInfo() bool  { return a.enabled(hclog.Info) }
func (a adapter) IsWarn() bool  { return a.enabled(hclog.Warn) }
func (a adapter) IsError() bool { return a.enabled(hclog.Error) }

func (a adapter) ImpliedArgs() []any { return a.args }
func (a adapter) Name() string       { return a.name }

func (a adapter) With(args ...any) hclog.Logger {
	return adapter{logger: a.logger.With(args...), name: a.name, args: append(a.args[:len(a.args):len(a.args)], args...)}
}

func (a adapter) Named(name string) hclog.Logger {
	return a.ResetNamed(strings.TrimPrefix(a.name+"."+name, "."))
}

func (a adapter) ResetNamed(name string) hclog.Logger {
	a.name = name
	return a
}

// SetLevel does nothing: the slog handler decides.
func (a adapter) SetLevel(hclog.Level) {}

func (a adapter) GetLevel() hclog.Level {
	for _, l := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Warn} {
		if a.enabled(l) {
			return l
		}
	}
	return hclog.Error
}

func (a adapter) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn)
}

func (a adapter) StandardWriter(opts *hclog.StandardLoggerOptions) io.Writer {
	return a.StandardLogger(opts).Writer()
}
