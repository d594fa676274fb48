package edge_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
)

// TestKeptInLostRings has rings lost whose memory holds the only copies of what was pushed.
func TestKeptInLostRings(t *testing.T) {
	t.Run("inproc", func(t *testing.T) { keptInLostRings(t, inprocRing) })
	if runtime.GOOS == "linux" {
		t.Run("shm", func(t *testing.T) { keptInLostRings(t, shmRing) })
	}
}

func keptInLostRings(t *testing.T, ring func(fabric.Config) (fabric.Arena, error)) {
	w := newWorld(ring)
	defer w.Close()
	p, err := edge.Produce[word](t.Context(), w.process("up"), "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	c, err := edge.Consume[word](t.Context(), w.process("down"), "e")
	require.NoError(t, err)
	defer c.Close(canceled())
	item := func(i int) (v word) {
		binary.LittleEndian.PutUint64(v[:], uint64(i))
		return v
	}
	pushed, popped := 0, 0
	for round := range 20 {
		for range 100 {
			pushed++
			require.NoError(t, p.Push(t.Context(), at(pushed), item(pushed)))
		}
		for range 30 + 60*(round%2) {
			popped++
			m, err := c.Pop(t.Context())
			require.NoError(t, err)
			require.Equal(t, item(popped), m.Value)
			if popped%7 == 0 {
				require.NoError(t, c.Ack(m.Pos))
			}
		}
		w.Revoke("e")
	}
	for popped < pushed {
		popped++
		m, err := c.Pop(t.Context())
		require.NoError(t, err)
		require.Equal(t, item(popped), m.Value)
		require.NoError(t, c.Ack(m.Pos))
	}
	require.NoError(t, p.Close(t.Context()))
	require.Zero(t, c.Stats().Repeats)
}
