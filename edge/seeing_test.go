package edge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
)

// stands expects an edge to stand so, by the word of each side, since so long ago.
func stands(t *testing.T, p *edge.Producer[string], in *edge.Consumer[string], producer, consumer api.EdgeState, ago time.Duration) {
	t.Helper()
	synctest.Wait()
	up, down := p.Stats(), in.Stats()
	require.Equal(t, producer, up.State)
	require.Equal(t, consumer, down.State)
	for _, r := range []api.EdgeReport{up, down} {
		require.InDelta(t, ago, time.Since(r.Since), float64(20*time.Millisecond), r.Role)
	}
}

func TestStatesOfAnEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		p, err := edge.Produce[string](t.Context(), c.Client("up"), "e", edge.Spare(false))
		require.NoError(t, err)
		defer p.Close(canceled())
		push(t, p, 0, 3)
		synctest.Wait()
		require.Equal(t, api.StateFilling, p.Stats().State)
		down := c.Client("down")
		in, err := edge.Consume[string](t.Context(), down, "e")
		require.NoError(t, err)
		defer in.Close(canceled())
		stands(t, p, in, api.StateFlowing, api.StateFlowing, 0)

		popped := make(chan struct{})
		go func() {
			defer close(popped)
			pop(t, in, 0, 4)
		}()
		time.Sleep(time.Minute)
		c.SetReachable(false)
		c.LoseRing("e")
		time.Sleep(5 * time.Second)
		stands(t, p, in, api.StateRelocating, api.StateRelocating, 5*time.Second)
		c.SetReachable(true)
		push(t, p, 3, 4)
		<-popped
		require.NoError(t, in.Ack(at(3)))
		time.Sleep(time.Second)
		require.Equal(t, api.StateFlowing, p.Stats().State)
		require.Equal(t, api.StateFlowing, in.Stats().State)

		down.EndSession()
		synctest.Wait()
		require.Equal(t, api.StateFilling, p.Stats().State, "its consumer has gone")
	})
}

// A consumer that takes nothing stalls its edge, and that is seen by what it does, not by how long something takes.
func TestAStalledEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		p, err := edge.Produce[string](t.Context(), c.Client("up"), "e")
		require.NoError(t, err)
		defer p.Close(canceled())
		in, err := edge.Consume[string](t.Context(), c.Client("down"), "e")
		require.NoError(t, err)
		defer in.Close(canceled())
		push(t, p, 0, 3)
		pop(t, in, 0, 2)
		require.NoError(t, in.Ack(at(0)))
		time.Sleep(time.Second)
		for range 3 {
			require.Equal(t, api.StateFlowing, p.Stats().State)
			require.Equal(t, api.StateFlowing, in.Stats().State)
			require.NoError(t, in.Ack(at(0)), "again, and for nothing")
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		stands(t, p, in, api.StateStalled, api.StateStalled, 11500*time.Millisecond)
		require.InDelta(t, 11500*time.Millisecond, p.Stats().Lag, float64(20*time.Millisecond))
		require.EqualValues(t, 2, p.Stats().Retained)
		require.NoError(t, in.Ack(at(1)))
		time.Sleep(time.Second)
		require.Equal(t, api.StateFlowing, p.Stats().State)
	})
}
