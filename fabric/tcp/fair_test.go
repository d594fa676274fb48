package tcp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/locator"
)

// many is a node that owns many rings.
type many map[locator.ArenaID]fabric.Arena

func (m many) Resolve(_ context.Context, h tcp.Hello) (fabric.Arena, error) { return m[h.Arena], nil }

// A thousand edges share a node, and some of them send as much as they can, in long records. When each has had time for
// a hundred records on average, none is far behind: not with its first, and not with its share.
func TestEdgesShareANodeFairly(t *testing.T) {
	rings := many{}
	o := serve(t, nil, rings)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stuck *time.Timer
	var running sync.WaitGroup
	var total atomic.Int64
	counts := make([]atomic.Int64, fairEdges)
	var attaching []tcp.Attach
	for i := range counts {
		cfg := fabrictest.Config(fabric.CapacityMin)
		cfg.Arena = locator.ArenaID(fmt.Sprint(i))
		arena, err := inproc.New(cfg)
		require.NoError(t, err)
		rings[cfg.Arena] = arena
		attaching = append(attaching, tcp.Attach{Address: o.listener.Addr().String(), Hello: tcp.Hello{
			Edge: cfg.Edge, Generation: cfg.Generation, Arena: cfg.Arena, Heartbeat: suiteHeartbeat,
		}})
	}
	var sides []func()
	for i, a := range attaching {
		p, err := tcp.DialProducer(ctx, a)
		require.NoError(t, err)
		c, err := tcp.DialConsumer(ctx, a)
		require.NoError(t, err)
		size := 4000 // sixteen to a ring, or a few rings' worth would be all that there is to share
		if i%100 == 0 {
			size = fabric.RecordMax(fabric.CapacityMin)
		}
		sides = append(sides, func() { produce(ctx, p, size) }, func() {
			consume(ctx, c, func() {
				counts[i].Add(1)
				switch n := total.Add(1); {
				case n == 100*fairEdges:
					stop()
				case n%fairEdges == 0:
					stuck.Reset(patience) // how long all of it takes is the machine's affair
				}
			})
		})
	}
	stuck = time.AfterFunc(patience, stop)
	defer stuck.Stop()
	for _, side := range sides {
		running.Go(side)
	}
	running.Wait()
	require.GreaterOrEqual(t, total.Load(), int64(100*fairEdges), "stuck")
	var got []int64
	for i := range counts {
		got = append(got, counts[i].Load())
	}
	slices.Sort(got)
	t.Log("least", got[0], "a hundredth", got[fairEdges/100], "median", got[fairEdges/2], "most", got[fairEdges-1])
	require.Positive(t, got[0], "not even its first")
	require.GreaterOrEqual(t, got[fairEdges/100], int64(20), "of a hundred")
	require.LessOrEqual(t, got[fairEdges-1], int64(500), "of a hundred")
}

// produce sends records, each with a flush, until ctx ends.
func produce(ctx context.Context, p fabric.Producer, size int) {
	defer p.Close()
	for ctx.Err() == nil {
		_, err := p.Claim(size)
		switch {
		case errors.Is(err, fabric.ErrFull):
			err = p.Wait(ctx)
		case err == nil:
			err = errors.Join(p.Commit(), p.Flush())
		}
		if err != nil {
			return
		}
	}
}

// consume counts and acks records until ctx ends.
func consume(ctx context.Context, c fabric.Consumer, count func()) {
	defer c.Close()
	for n := uint64(0); ctx.Err() == nil; {
		_, err := c.Next()
		switch {
		case errors.Is(err, fabric.ErrEmpty):
			err = c.Wait(ctx)
		case err == nil:
			n++
			count()
			err = c.Ack(n, nil)
		}
		if err != nil {
			return
		}
	}
}
