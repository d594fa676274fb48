package membership

import (
	"context"
	"log"
	"log/slog"
	"net"
	"strings"

	"github.com/grafnode/grafnode/internal/refusals"
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
	text, level := strings.TrimSpace(string(line)), slog.LevelInfo
	if head, rest, ok := strings.Cut(text, " "); ok {
		if l, known := levels[head]; known {
			level, text = l, strings.TrimPrefix(rest, "memberlist: ")
			if strings.HasPrefix(text, "ignoring alive message") {
				level = slog.LevelDebug // said by NotifyAlive, once
			}
		}
	}
	if what, from, ok := strings.Cut(text, " from="); ok && level >= slog.LevelWarn {
		w.failed(level, what, from)
		return len(line), nil
	}
	w.logger.Log(context.Background(), level, text)
	return len(line), nil
}

// failed tells what somebody who speaks gossip, or means to, has sent or does not take.
func (w lineWriter) failed(level slog.Level, what, from string) {
	address, _, _ := strings.Cut(from, " ")
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address // it is not known
	}
	w.logger.Log(context.Background(), level, "gossip with a peer failed", refusals.Peer, host, "address", address, "error", what)
}
