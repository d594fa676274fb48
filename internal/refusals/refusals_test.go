package refusals_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/refusals"
)

func logger() (*slog.Logger, *refusals.Handler, *bytes.Buffer) {
	var out bytes.Buffer
	h := refusals.New(slog.NewTextHandler(&out, nil))
	return slog.New(h), h, &out
}

func lines(out *bytes.Buffer, with string) int { return strings.Count(out.String(), with) }

func TestEachPeerIsToldOfOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, out := logger()
		for range 1000 {
			log.Warn("refused", refusals.Peer, "10.0.0.1")
			log.With(refusals.Peer, "10.0.0.2").WithGroup("g").Warn("refused")
			log.Warn("another cluster", refusals.Peer, "10.0.0.1")
		}
		require.Equal(t, 3, lines(out, "\n"), out)
		require.NotContains(t, out.String(), "left_out")
		require.EqualValues(t, 3000, h.Count())
		time.Sleep(time.Minute)
		log.Warn("refused", refusals.Peer, "10.0.0.1")
		log.Warn("refused", refusals.Peer, "10.0.0.1")
		require.Equal(t, 4, lines(out, "\n"), out)
		require.Equal(t, 1, lines(out, "peer=10.0.0.1 left_out=999"), out)
		time.Sleep(time.Minute)
		log.Warn("refused", refusals.Peer, "10.0.0.1")
		require.Equal(t, 1, lines(out, "left_out=1\n"), out)
	})
}

func TestWhatIsNoRefusalIsAlwaysSaid(t *testing.T) {
	log, h, out := logger()
	for range 10 {
		log.Warn("leases not renewed")
		log.Info("found", refusals.Peer, "10.0.0.1")
		log.Debug("looked for", refusals.Peer, "10.0.0.1")
	}
	require.Equal(t, 20, lines(out, "\n"), out)
	require.Zero(t, h.Count())
}

// Who comes by ever other addresses gets neither memory nor lines without end, and those are told of again whom there is room for.
func TestThereAreNotPeersWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, out := logger()
		for i := range 10_000 {
			log.Warn("refused", refusals.Peer, fmt.Sprint("2001:db8::", i))
		}
		require.Less(t, lines(out, "\n"), 300)
		require.EqualValues(t, 10_000, h.Count())
		time.Sleep(time.Minute)
		out.Reset()
		log.Warn("refused", refusals.Peer, "10.0.0.1")
		require.Equal(t, 1, lines(out, "peer=10.0.0.1\n"), out)
	})
}
