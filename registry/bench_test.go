package registry_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
)

// BenchmarkFollowerLearns measures how long after the leader a follower has applied a change.
func BenchmarkFollowerLearns(b *testing.B) {
	c := newCluster(b, 3, steady)
	c.furnish("s1")
	follower := c.followers()[0]
	var lag time.Duration
	rev := api.Revision(0)
	for b.Loop() {
		r, err := c.leader().Apply(c.within(), take("p.a", rev, "s1"))
		require.NoError(b, err)
		rev = r.Edges[0].Revision
		applied := time.Now()
		require.NoError(b, follower.WaitApplied(c.within(), rev))
		lag += time.Since(applied)
	}
	b.ReportMetric(float64(lag.Microseconds())/float64(b.N), "µs-behind")
}

// BenchmarkChange measures a change at the leader, on each log store.
func BenchmarkChange(b *testing.B) {
	for _, store := range []string{registry.LogStoreBolt, registry.LogStoreWAL} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprint(store, "/", clients), func(b *testing.B) {
				c := newCluster(b, 3, func(cfg *registry.Config) { steady(cfg); cfg.LogStore = store })
				c.furnish("s1")
				leader := c.leader()
				spread(b, clients, func(client int, last *api.Revision) {
					r, err := leader.Apply(c.within(), take(fmt.Sprint("p.", client), *last, "s1"))
					require.NoError(b, err)
					*last = r.Edges[0].Revision
				})
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, mode := range []api.Consistency{api.Default, api.Strict} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprint(mode, "/", clients), func(b *testing.B) {
				c := newCluster(b, 3, steady)
				leader := c.leader()
				spread(b, clients, func(int, *api.Revision) { require.NoError(b, leader.Read(c.within(), mode)) })
			})
		}
	}
}

// spread runs b.N calls on so many goroutines.
func spread(b *testing.B, clients int, call func(client int, last *api.Revision)) {
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			var last api.Revision
			for left.Add(-1) >= 0 {
				call(client, &last)
			}
		})
	}
	wg.Wait()
}
