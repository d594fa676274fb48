package membership

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// heard hands on what is logged as a warning or worse.
type heard struct {
	slog.Handler
	warnings chan string
}

func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
		h.warnings <- text
	}
	return nil
}

func (h heard) WithAttrs([]slog.Attr) slog.Handler { return h }

// A node whose seeds are wrong says so, with their addresses: to wait in silence would look like waiting for the others.
func TestANodeThatFindsNobodySaysSo(t *testing.T) {
	warnings := make(chan string, 10)
	cfg := config("a", "127.0.0.1", "127.0.0.9:1")
	cfg.Logger = slog.New(heard{slog.NewTextHandler(nil, nil), warnings})
	start(t, cfg)
	for text := range warnings {
		if strings.Contains(text, "no other node is found") {
			require.Contains(t, text, "127.0.0.9:1")
			require.Contains(t, text, "refused")
			return
		}
	}
}
