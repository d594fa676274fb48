package edge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
)

// inOrder expects one trace whose phases follow each other.
func inOrder(t *testing.T, traces []api.Rewire) api.Rewire {
	t.Helper()
	require.Len(t, traces, 1)
	r := traces[0]
	require.False(t, r.Noticed.IsZero())
	require.Less(t, r.From, r.Generation)
	phases := []time.Duration{0, r.Decided, r.Attached, r.Resumed, r.First}
	require.IsNonDecreasing(t, phases)
	return r
}

func TestTraceOfAMoveToTheSpare(t *testing.T) {
	withSpare(t, func(t *testing.T, s *spared) {
		pop(t, s.in, 2, 3)
		spare := s.rec().Spare.Generation
		require.Empty(t, s.p.Stats().Traces)
		time.Sleep(time.Minute)
		s.c.LoseRing("e")
		s.flows(3, 4)
		for _, stats := range []api.EdgeReport{s.p.Stats(), s.in.Stats()} {
			r := inOrder(t, stats.Traces)
			require.True(t, r.Spare)
			require.Equal(t, spare, r.Generation)
			require.Equal(t, 1, r.Rings)
			require.Less(t, r.First, 50*time.Millisecond)
			require.Len(t, stats.Rewires, 1)
		}
		require.Empty(t, s.p.Stats().Traces, "they are told once")
	})
}

func TestTraceSaysWhereTheTimeWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []api.Rewire
		c := edgetest.New()
		defer c.Close()
		p, err := edge.Produce[string](t.Context(), c.Client("up"), "e", edge.Spare(false))
		require.NoError(t, err)
		defer p.Close(canceled())
		in, err := edge.Consume[string](t.Context(), c.Client("down"), "e", edge.Observe(edge.Events{
			Rewired: func(_ string, _ fabric.Role, r api.Rewire) { told = append(told, r) },
		}))
		require.NoError(t, err)
		defer in.Close(canceled())
		push(t, p, 0, 3)
		pop(t, in, 0, 3)
		require.Empty(t, told, "the first ring is none that one came to from another")

		popped := make(chan struct{})
		go func() {
			defer close(popped)
			pop(t, in, 3, 4)
		}()
		time.Sleep(time.Minute)
		c.SetReachable(false)
		c.LoseRing("e")
		time.Sleep(300 * time.Millisecond)
		c.SetReachable(true)
		synctest.Wait()
		time.Sleep(3 * time.Second)
		push(t, p, 3, 4)
		<-popped
		r := inOrder(t, told)
		require.Equal(t, api.ReasonRingLost, r.Reason)
		require.Contains(t, r.Cause, fabric.ErrDisconnected.Error())
		require.False(t, r.Spare)
		require.GreaterOrEqual(t, r.Decided, 300*time.Millisecond, "nobody could be asked")
		require.Less(t, r.Resumed, 3*time.Second)
		require.GreaterOrEqual(t, r.First, 3*time.Second, "there was nothing to bring")
	})
}

// A ring that is lost before it was of use is one that was tried; one that was taken up ends the trace.
func TestTraceOfManyRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		p, err := edge.Produce[string](t.Context(), c.Client("up"), "e", edge.Spare(false))
		require.NoError(t, err)
		defer p.Close(canceled())
		in, err := edge.Consume[string](t.Context(), c.Client("down"), "e")
		require.NoError(t, err)
		defer in.Close(canceled())
		push(t, p, 0, 3)
		pop(t, in, 0, 3)
		first := in.Generation()
		for range 2 {
			time.Sleep(time.Minute)
			c.LoseRing("e")
		}
		time.Sleep(time.Minute)
		push(t, p, 3, 4)
		pop(t, in, 3, 4)
		traces := in.Stats().Traces
		require.Len(t, traces, 2)
		require.Equal(t, first, traces[0].From)
		require.Negative(t, traces[0].First, "it was left before anything came")
		require.Equal(t, traces[0].Generation, traces[1].From)
		require.Greater(t, traces[1].First, 30*time.Second)
	})
}

// A ring that ends because somebody has taken the other role says only that it is sealed; the trace says why the edge has moved.
func TestTraceOfATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		p, err := edge.Produce[string](t.Context(), c.Client("up"), "e", edge.Spare(false))
		require.NoError(t, err)
		defer p.Close(canceled())
		push(t, p, 0, 3)
		synctest.Wait()
		in, err := edge.Consume[string](t.Context(), c.Client("down"), "e")
		require.NoError(t, err)
		defer in.Close(canceled())
		pop(t, in, 0, 3)
		require.Equal(t, api.ReasonTakeover, inOrder(t, p.Stats().Traces).Reason)
	})
}
