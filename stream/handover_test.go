package stream_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// ticking yields a number each millisecond, up to n.
type ticking struct{ n uint64 }

func (s ticking) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[int], error] {
	return func(yield func(stream.Item[int], error) bool) {
		done, _ := from.At(0)
		for n := done.Offset + 1; n <= s.n; n++ {
			time.Sleep(time.Millisecond)
			if ctx.Err() != nil || !yield(stream.Item[int]{Pos: position.Position{Offset: n}, Value: int(n)}, nil) {
				return
			}
		}
	}
}

// handover is a pipeline of three processes, of which the one of a stage is stopped in good order while another waits.
type handover struct {
	w       *world
	sink    streamtest.Sink[int]
	mu      sync.Mutex // guards what follows
	commits []time.Time
	epochs  map[string]fence.Epoch // by stage, of its last instance
}

func (h *handover) pipeline(cl edge.Cluster) *stream.Pipeline {
	p := stream.New(cl, "p", h.w.cursors(), stream.Observe(stream.Events{
		Committed: func(string, int) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.commits = append(h.commits, time.Now())
		},
		Started: func(stage string, e fence.Epoch) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.epochs[stage] = e
		},
		Restarted: func(stage string, cause error) { h.w.t.Errorf("stage %s starts over: %v", stage, cause) },
	}))
	stream.To(stream.Map(stream.From(p, "ingest", ticking{1000}), "double", double), "store", &h.sink, stream.BatchOf(10, time.Millisecond))
	return p
}

// run runs a stage until ctx ends, and then says good-bye.
func (h *handover) run(ctx context.Context, cl *edgetest.Client, stage string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		err := h.pipeline(cl).Run(ctx, stream.Stages(stage))
		cl.EndSession()
		ended <- err
	}()
	return ended
}

// A stage that is stopped in good order hands over to its standby: nothing is lost or comes twice, nobody sees an error, and the sink
// hardly a pause.
func TestAStageHandsOver(t *testing.T) {
	for _, which := range []string{"ingest", "double", "store"} {
		t.Run(which, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &handover{w: newWorld(t), epochs: map[string]fence.Epoch{}}
				ctx, cancel := context.WithCancel(t.Context())
				ended := map[string]<-chan error{}
				for _, stage := range []string{"ingest", "double", "store"} {
					until := t.Context()
					if stage == which {
						until = ctx
					}
					ended[stage] = h.run(until, h.w.client(), stage)
				}
				time.Sleep(200 * time.Millisecond)
				standby := h.run(t.Context(), h.w.client(), which)
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				first := h.epochs["p."+which]
				cancel()
				require.ErrorIs(t, <-ended[which], context.Canceled)
				ended[which] = standby
				for stage, err := range ended {
					require.NoError(t, <-err, stage)
				}
				require.Greater(t, h.epochs["p."+which], first)
				require.Len(t, h.sink.Values(), 1000)
				for i, v := range h.sink.Values() {
					require.Equal(t, 2*(i+1), v)
				}
				worst := time.Duration(0)
				for i, at := range h.commits[1:] {
					worst = max(worst, at.Sub(h.commits[i]))
				}
				t.Logf("worst gap %v", worst)
				require.Less(t, worst, 20*time.Millisecond)
				synctest.Wait()
			})
		})
	}
}
