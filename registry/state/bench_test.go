package state_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// grown is a state of many nodes that the benchmarks fill.
type grown struct {
	b     *testing.B
	state *state.State
	nodes int
}

func grow(b *testing.B, nodes int) *grown {
	g := &grown{b: b, state: state.New(), nodes: nodes}
	g.must(state.InitCluster{Cluster: "c"})
	for i := range nodes {
		g.must(state.RegisterNode{Node: g.node(i), Name: fmt.Sprint("node", i), Zone: "a", Address: "10.0.0.1:7000", Memory: 1 << 50})
	}
	return g
}

// must applies a command as it comes out of the log, so that the state shares no string with who made it.
func (g *grown) must(c state.Command) state.Result {
	b, err := state.Encode(c, 1)
	require.NoError(g.b, err)
	c, proposed, err := state.Decode(b)
	require.NoError(g.b, err)
	var r state.Result
	g.state, r = g.state.Step(state.Entry{Index: g.state.Index() + 1, Term: 1, Proposed: proposed, Command: c})
	require.NoError(g.b, r.Err)
	return r
}

func (g *grown) node(i int) locator.NodeID {
	return locator.NodeID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i%max(1, g.nodes)))
}

func (g *grown) session(i int) lease.SessionID {
	return lease.SessionID(fmt.Sprintf("session%019d", i))
}

func (g *grown) sessions(from, n int) {
	for i := range n {
		g.must(state.OpenSession{Session: g.session(from + i), Stage: "stage", Node: g.node(i), Incarnation: 1, TTL: lease.TTLDefault})
	}
}

// edges makes n edges, each with its ring, held by one of the sessions.
func (g *grown) edges(n, sessions int) {
	for i := range n {
		g.must(g.takes(i, 0, g.session(i%sessions)))
	}
}

func (g *grown) takes(i int, expect api.Revision, s lease.SessionID) state.ChangeEdges {
	return state.ChangeEdges{Op: string(lease.NewID()), Session: s, Reason: api.ReasonTakeover, TTL: lease.TTLDefault,
		Edges: []state.EdgeChange{{Name: fmt.Sprintf("pipeline%d.stage%d", i/10, i%10), Expect: expect, TakeProducer: true,
			ProducerStage: "stage", Codec: "0123456789abcdef0123456789abcdef", Capacity: 1 << 20, Lease: lease.NewID(), Node: g.node(i)}}}
}

func (g *grown) leases(n, sessions int) {
	for i := range n {
		g.must(state.GrantLease{Lease: lease.NewID(), Kind: lease.KindMemory, Node: g.node(i), Session: g.session(i % sessions),
			Bytes: 1 << 20, TTL: lease.TTLDefault})
	}
}

// BenchmarkMemory reports what a record takes in the state, bytes: as commands have made it, and as a snapshot brings it back.
func BenchmarkMemory(b *testing.B) {
	const sessions = 1000
	fill := map[string]func(g *grown, n int){
		"edge":    func(g *grown, n int) { g.edges(n, sessions) },
		"lease":   func(g *grown, n int) { g.leases(n, sessions) },
		"session": func(g *grown, n int) { g.sessions(sessions, n) },
		"edge-32-changes": func(g *grown, n int) {
			g.edges(n, sessions)
			for range state.HistoryMax {
				for i := range n {
					r, _ := g.state.Edge(g.takes(i, 0, "").Edges[0].Name)
					g.must(g.takes(i, r.Revision, g.session(i%sessions)))
				}
			}
		},
	}
	for _, what := range []string{"edge", "lease", "session", "edge-32-changes"} {
		for _, n := range []int{1000, 10_000, 100_000} {
			if what == "edge-32-changes" && n > 10_000 {
				continue
			}
			b.Run(fmt.Sprint(what, "/", n), func(b *testing.B) {
				for b.Loop() {
					g := grow(b, 1000)
					g.sessions(0, sessions)
					before, snapshot := heap(), heapOf(b, g.state)
					fill[what](g, n)
					b.ReportMetric(float64(heap()-before)/float64(n), "bytes/record")
					b.ReportMetric(float64(heapOf(b, g.state)-snapshot)/float64(n), "bytes/restored")
					runtime.KeepAlive(g)
				}
			})
		}
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools kept is gone now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// heapOf returns what a state takes that was read from s's snapshot.
func heapOf(b *testing.B, s *state.State) int64 {
	snapshot := bytesOf(b, s)
	before := heap()
	again, err := state.Read(bytes.NewReader(snapshot))
	require.NoError(b, err)
	after := heap()
	runtime.KeepAlive(again)
	runtime.KeepAlive(snapshot)
	return after - before
}

// BenchmarkSnapshot writes and reads a state of so many edges, each with its ring, and as many leases besides.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		g := grow(b, 1000)
		g.sessions(0, 1000)
		g.edges(n, 1000)
		g.leases(n, 1000)
		snapshot := bytesOf(b, g.state)
		b.Run(fmt.Sprint("write/", n), func(b *testing.B) {
			b.SetBytes(int64(len(snapshot)))
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, g.state.Write(new(bytes.Buffer)))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/edge")
		})
		b.Run(fmt.Sprint("read/", n), func(b *testing.B) {
			b.SetBytes(int64(len(snapshot)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := state.Read(bytes.NewReader(snapshot))
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/edge")
		})
	}
}

// BenchmarkStepAmong measures the change of one edge among so many.
func BenchmarkStepAmong(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := grow(b, 1000)
			g.sessions(0, 1000)
			g.edges(n, 1000)
			changes, revisions := make([]state.ChangeEdges, n), make([]api.Revision, n)
			for i := range changes {
				changes[i] = g.takes(i, 0, g.session(i%1000))
				r, _ := g.state.Edge(changes[i].Edges[0].Name)
				revisions[i] = r.Revision
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := i * 7919 % n
				c := changes[at]
				c.Op, c.Edges[0].Expect, c.Edges[0].Lease = "", revisions[at], lease.NewID()
				var r state.Result
				g.state, r = g.state.Step(state.Entry{Index: g.state.Index() + 1, Term: 1, Command: c})
				require.NoError(b, r.Err)
				revisions[at] = r.Revision
			}
		})
	}
}

// BenchmarkLog measures the encoding of a change of one edge, and its decoding.
func BenchmarkLog(b *testing.B) {
	g := grown{b: b, nodes: 1}
	c := g.takes(1, 12345, g.session(1))
	encoded, err := state.Encode(c, 1)
	require.NoError(b, err)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := state.Encode(c, 1)
			require.NoError(b, err)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, err := state.Decode(encoded)
			require.NoError(b, err)
		}
	})
}

// BenchmarkRecover measures the leap of all generations.
func BenchmarkRecover(b *testing.B) {
	g := grow(b, 1000)
	g.sessions(0, 1000)
	g.edges(100_000, 1000)
	for b.Loop() {
		require.Greater(b, g.state.Recovered().Revision(), api.Revision(1<<40))
	}
}

// BenchmarkStep measures the state machine alone, with a thousand edges.
func BenchmarkStep(b *testing.B) {
	s := newScript(b)
	s.must(state.RegisterNode{Node: "host", Address: "127.0.0.1:1", Memory: 1 << 50})
	now, index := s.state, s.index
	revisions := make([]api.Revision, 1000)
	for i := 0; b.Loop(); i++ {
		e := producer(fmt.Sprint("p.", i%1000), revisions[i%1000], lease.NewID())
		e.Node = "host"
		var r state.Result
		index++
		now, r = now.Step(state.Entry{Index: index, Command: change("s1", string(lease.NewID()), e)})
		require.NoError(b, r.Err)
		revisions[i%1000] = r.Edges[0].Revision
	}
}
