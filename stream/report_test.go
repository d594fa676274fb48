package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
)

// moody is a cluster that takes reports or does not.
type moody struct {
	edge.Cluster
	away  atomic.Bool // stored by the test, loaded by Report
	taken []api.StageReport
}

func (m *moody) Report(_ context.Context, r api.StageReport) error {
	if m.away.Load() {
		return errors.New("no node to report to")
	}
	m.taken = append(m.taken, r)
	return nil
}

// What is told only once is told when there is somebody to listen.
func TestRewiresWaitForANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := &moody{}
		cl.away.Store(true)
		told := fence.Epoch(0)
		side := func() api.EdgeReport {
			told++
			return api.EdgeReport{Edge: "e", Items: uint64(told), Traces: []api.Rewire{{Generation: told}}, Rewires: []float64{float64(told)}}
		}
		gaps := &gaps{seconds: []float64{1}}
		p := &Pipeline{cl: cl, name: "p"}
		stop := p.report(&stage{name: "s"}, gaps.report, side)
		time.Sleep(20*time.Second + 500*time.Millisecond)
		cl.away.Store(false)
		time.Sleep(2 * time.Second)
		stop()
		require.Len(t, cl.taken, 3)
		first := cl.taken[0].Edges[0]
		require.EqualValues(t, 21, first.Items)
		require.Len(t, first.Traces, onceMax)
		require.Len(t, first.Rewires, onceMax)
		require.EqualValues(t, 21, first.Traces[onceMax-1].Generation)
		require.Equal(t, []float64{1}, cl.taken[0].Sink.Gaps)
		require.Equal(t, []api.Rewire{{Generation: 22}}, cl.taken[1].Edges[0].Traces)
		require.Empty(t, cl.taken[1].Sink.Gaps)
	})
}
