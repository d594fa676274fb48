package stream_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// without is a process that gets no role of some stages.
type without struct {
	*edgetest.Client
	stages []string
}

func (w without) Change(ctx context.Context, r api.ChangeRequest) ([]api.Edge, error) {
	if slices.Contains(w.stages, r.Detail) {
		return nil, api.ErrConflict
	}
	return w.Client.Change(ctx, r)
}

// Two processes run the same stages, each as the standby of the other, and each has the roles of one. That all has ended must not
// be kept from them by their waiting for each other's.
func TestStandbysOfEachOtherEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var store streamtest.Sink[int]
		items := source.Slice[int]{1, 2, 3}
		run := func(cl edge.Cluster) error {
			p := stream.New(cl, "p", w.cursors())
			nums := stream.From(p, "ingest", items)
			stream.To(stream.Map(nums, "add", func(_ context.Context, v int) (int, error) { return v + 1, nil }), "store", &store)
			return p.Run(t.Context())
		}
		ended := make(chan error, 2)
		one, other := w.client(), w.client()
		begin := func(cl *edgetest.Client, not ...string) {
			go func() {
				defer cl.EndSession()
				ended <- run(without{cl, not})
			}()
		}
		begin(one, "p.add")
		time.Sleep(time.Minute)
		begin(other)
		for range 2 {
			select {
			case err := <-ended:
				require.NoError(t, err)
			case <-time.After(time.Hour):
				t.Fatal("they wait for each other")
			}
		}
		require.Equal(t, []int{2, 3, 4}, store.Values())
	})
}
