package membership

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// Where the others are may become known after the start, and what is wrong is said once.
func TestSeedsMayChange(t *testing.T) {
	a := start(t, config("a", "127.0.0.1"))
	warnings := make(chan string, 100)
	cfg := config("b", "127.0.0.2")
	cfg.Logger = slog.New(heard{slog.NewTextHandler(nil, nil), warnings})
	asked := 0
	cfg.Seeds = func() ([]string, error) { // called by one goroutine at a time
		if asked++; asked < 3 {
			return nil, errors.New("no file")
		}
		return []string{a.Address()}, nil
	}
	b := start(t, cfg)
	await(t, b, "found", sees("a", Alive))
	await(t, a, "found", sees("b", Alive))
	require.Contains(t, <-warnings, "no file")
	select {
	case text := <-warnings:
		require.NotContains(t, text, "no file")
	default:
	}
}

// A node that was up for longer than others are looked for remembers those that were alive to the end, however it ends.
func TestPeersAreRememberedForAsLongAsTheyLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "peers.json")
		g, err := New(Config{NodeID: "c", BindAddr: "127.0.0.9", AdvertiseAddress: "127.0.0.9:7000", PeersFile: path})
		require.NoError(t, err)
		remembers := func() []string {
			peers, err := loadPeers(path)
			require.NoError(t, err)
			next := newCache("c", slog.New(slog.DiscardHandler))
			next.recall(peers)
			addresses, _ := next.missing(nil, g.cfg.Timing.Forget)
			return addresses
		}
		g.loops.Go(g.rememberLoop)
		defer g.Close()
		g.cache.NotifyJoin(said("b", 3, sampleMeta))
		time.Sleep(2 * g.cfg.Timing.Forget)
		synctest.Wait()
		require.Equal(t, []string{"127.0.0.9:3"}, remembers(), "if it is killed now")
		require.NoError(t, g.Close())
		time.Sleep(g.cfg.Timing.Forget - time.Minute)
		require.Equal(t, []string{"127.0.0.9:3"}, remembers(), "if it is started again a minute before they are forgotten")
	})
}
