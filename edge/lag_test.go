package edge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/edge"
)

// A producer that nothing wakes for acknowledgements is woken for the item that is timed.
func TestLagIsNotTheTimeToTheNextReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(inprocRing)
		defer w.Close()
		p, err := edge.Produce[string](t.Context(), w.process("up"), "e")
		require.NoError(t, err)
		defer p.Close(canceled())
		in, err := edge.Consume[string](t.Context(), w.process("down"), "e")
		require.NoError(t, err)
		defer in.Close(canceled())
		for i := range 5 {
			push(t, p, i, i+1)
			pop(t, in, i, i+1)
			p.Stats()
			time.Sleep(30 * time.Millisecond)
			require.NoError(t, in.Ack(at(i)))
			time.Sleep(time.Second)
			stats := p.Stats()
			require.Zero(t, stats.Retained)
			require.InDelta(t, 30*time.Millisecond, stats.Lag, float64(10*time.Millisecond))
		}
	})
}
