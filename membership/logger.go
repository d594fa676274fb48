package membership

import (
	"bytes"
	"context"
	"log"
	"log/slog"
)

// lineWriter turns memberlist's log lines, "[LEVEL] memberlist: text", into slog records.
type lineWriter struct{ logger *slog.Logger }

func newLogger(l *slog.Logger) *log.Logger { return log.New(lineWriter{l}, "", 0) }

// levels are memberlist's. Its errors are about other nodes or the network between, not about this one: warnings here.
var levels = map[string]slog.Level{
	"[DEBUG]": slog.LevelDebug, "[INFO]": slog.LevelInfo, "[WARN]": slog.LevelWarn, "[ERR]": slog.LevelWarn,
}

// Write takes one line.
func (w lineWriter) Write(line []byte) (int, error) {
	text := bytes.TrimSpace(line)
	level := slog.LevelInfo
	if head, rest, ok := bytes.Cut(text, []byte(" ")); ok {
		if l, known := levels[string(head)]; known {
			level, text = l, bytes.TrimPrefix(rest, []byte("memberlist: "))
			if bytes.HasPrefix(text, []byte("ignoring alive message")) {
				level = slog.LevelDebug // said by NotifyAlive, once
			}
		}
	}
	w.logger.Log(context.Background(), level, string(text))
	return len(line), nil
}
