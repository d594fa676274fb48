package registry

import (
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// BenchmarkApplyBatch measures what an entry costs a node from the log to what its watches see: changes of 64 edges in turns, so many
// entries at a time, with as many ends and changes remembered as there may be.
func BenchmarkApplyBatch(b *testing.B) {
	for _, size := range []int{1, 16} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m := newMachine(nil)
			m.hub = newHub(watchstream.ChangesMax, watchstream.BytesMax)
			index := uint64(0)
			next := func(c state.Command) *raft.Log {
				data, err := state.Encode(c, 1)
				require.NoError(b, err)
				index++
				return &raft.Log{Index: index, Term: 2, Type: raft.LogCommand, Data: data}
			}
			change := func(i int) state.ChangeEdges {
				return state.ChangeEdges{Op: string(lease.NewID()), Session: "s1", Reason: api.ReasonRequested, TTL: lease.TTLDefault,
					Edges: []state.EdgeChange{{Name: fmt.Sprint("bench-", i), Capacity: 1 << 16, Lease: lease.NewID(), Node: "host"}}}
			}
			revisions := make([]api.Revision, 64)
			note := func(i int, answer any) {
				r := answer.(state.Result)
				require.NoError(b, r.Err)
				if len(r.Edges) > 0 {
					revisions[i] = r.Revision
				}
			}
			note(0, m.Apply(next(state.InitCluster{Cluster: "c"})))
			note(0, m.Apply(next(state.RegisterNode{Node: "host", Address: "127.0.0.1:1", Memory: 1 << 50})))
			note(0, m.Apply(next(state.OpenSession{Session: "s1", Stage: "bench", Node: "host", Incarnation: 1, TTL: lease.TTLDefault})))
			for i := range revisions {
				c := change(i)
				c.Edges[0].TakeProducer, c.Edges[0].ProducerStage = true, "bench"
				note(i, m.Apply(next(c)))
			}
			turn := 0
			step := func() {
				b.StopTimer()
				logs := make([]*raft.Log, size)
				for i := range logs {
					at := (turn + i) % len(revisions)
					c := change(at)
					c.Edges[0].Expect = revisions[at]
					logs[i] = next(c)
				}
				b.StartTimer()
				for i, answer := range m.ApplyBatch(logs) {
					note((turn+i)%len(revisions), answer)
				}
				turn += size
			}
			for turn < 16384 { // until as much is remembered as there may be
				step()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += size {
				step()
			}
		})
	}
}
