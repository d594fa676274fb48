package ends_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/internal/benchmark/ends"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var load = flow.Load{Bytes: 64, Batch: 8, Warm: time.Millisecond, For: 5 * time.Millisecond}

// sides opens both ends of a ring in this process.
func sides(t *testing.T) (fabric.Config, fabric.Producer, fabric.Consumer) {
	a, err := inproc.New(fabric.Config{Arena: "a", Edge: party.Edge, Generation: party.Generation, Capacity: fabric.CapacityMin})
	require.NoError(t, err)
	p, err := a.Producer()
	require.NoError(t, err)
	c, err := a.Consumer()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Close())
		require.NoError(t, c.Close())
		require.NoError(t, a.Close())
	})
	return a.Config(), p, c
}

// both runs the two ends and returns what the second measured.
func both(t *testing.T, first func(context.Context) error, second func(context.Context) (flow.Result, error)) flow.Result {
	failed := make(chan error, 1)
	go func() { failed <- first(t.Context()) }()
	result, err := second(t.Context())
	require.NoError(t, err)
	require.NoError(t, <-failed)
	return result
}

func TestBatches(t *testing.T) {
	_, p, c := sides(t)
	result := both(t, func(ctx context.Context) error { return ends.Send(ctx, p, load) },
		func(ctx context.Context) (flow.Result, error) { return ends.Read(ctx, c, load) })
	require.Positive(t, result.Items)
}

func TestRoundTrips(t *testing.T) {
	_, there, here := sides(t)
	_, back, home := sides(t)
	result := both(t, func(ctx context.Context) error { return ends.Pong(ctx, here, back, load) },
		func(ctx context.Context) (flow.Result, error) { return ends.Ping(ctx, there, home, load) })
	require.Positive(t, result.P50)
	require.LessOrEqual(t, result.P50, result.P99)
}

func TestItems(t *testing.T) {
	cfg, p, c := sides(t)
	result := both(t, func(ctx context.Context) error {
		out, err := edge.Produce[ends.Item64](ctx, party.NewCluster(&party.Sides{Config: cfg, Producer: p}), party.Edge)
		if err != nil {
			return err
		}
		return ends.Push(ctx, out, load)
	}, func(ctx context.Context) (flow.Result, error) {
		in, err := edge.Consume[ends.Item64](ctx, party.NewCluster(&party.Sides{Config: cfg, Consumer: c}), party.Edge)
		if err != nil {
			return flow.Result{}, err
		}
		return ends.Pop(ctx, in, load)
	})
	require.Positive(t, result.Items)
}
