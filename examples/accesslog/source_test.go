package accesslog

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/position"
)

func writeLines(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("line\n"), n), 0o600))
	return path
}

// readFor reads a log of n lines, above line from, and returns the numbers of the lines that came within d.
func readFor(t *testing.T, d time.Duration, rate float64, n int, from uint64) (lines []uint64) {
	path := writeLines(t, n)
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		done := position.VectorOf(position.Position{Offset: from})
		for item, err := range (logFile{path, rate}).Read(ctx, done) {
			require.NoError(t, err)
			require.Equal(t, item.Pos.Offset, item.Value.Number)
			lines = append(lines, item.Value.Number)
		}
	})
	return lines
}

func TestLogFileHoldsItsRate(t *testing.T) {
	for _, rate := range []float64{0.5, 7, 400, 50_000} {
		got := readFor(t, 4*time.Second, rate, 250_000, 0)
		require.InDelta(t, 4*rate, len(got), 1+2*rate*slack.Seconds(), "rate %v", rate)
		require.EqualValues(t, 1, got[0])
		require.EqualValues(t, len(got), got[len(got)-1])
	}
	require.Len(t, readFor(t, time.Nanosecond, 0, 5000, 0), 5000, "no rate: no wait")
}

func TestLogFileGoesOn(t *testing.T) {
	got := readFor(t, time.Minute, 100, 300, 120)
	require.EqualValues(t, 121, got[0])
	require.Len(t, got, 180)
	require.Len(t, readFor(t, time.Nanosecond, 100, 300, 120), 51, "what is read again is not held")
	require.Empty(t, readFor(t, time.Minute, 100, 300, 300))
}

func TestLogFileEnds(t *testing.T) {
	f := logFile{writeLines(t, 10), 0}
	for range f.Read(context.Background(), position.VectorOf(position.EndOfLane(0))) {
		t.Fatal("a line after the end")
	}
	for _, err := range f.Read(context.Background(), position.VectorOf(position.Position{Offset: 11})) {
		require.ErrorContains(t, err, "10 lines, 11 were read before")
	}
}
