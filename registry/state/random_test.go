package state_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// generator draws commands over few names, so that they meet.
type generator struct {
	t     *rapid.T
	state *state.State
	next  int // numbers new leases and sessions
}

func pick[T any](g *generator, what string, of ...T) T { return rapid.SampledFrom(of).Draw(g.t, what) }

func (g *generator) fresh(prefix string) string {
	g.next++
	return fmt.Sprint(prefix, g.next)
}

func (g *generator) node() locator.NodeID { return pick(g, "node", locator.NodeID("n1"), "n2", "n3") }
func (g *generator) edge() string         { return pick(g, "edge", "a", "b", "c") }

func (g *generator) session() lease.SessionID {
	ids := []lease.SessionID{"", "nobody"}
	for s := range g.state.Sessions() {
		ids = append(ids, s.ID, s.ID)
	}
	return pick(g, "session", ids...)
}

func (g *generator) lease() lease.ID {
	ids := []lease.ID{"none"}
	for l := range g.state.Leases() {
		ids = append(ids, l.ID)
	}
	return pick(g, "lease", ids...)
}

// expect is mostly right.
func (g *generator) expect(edge string) api.Revision {
	if rapid.IntRange(0, 9).Draw(g.t, "stale") == 0 {
		return api.Revision(rapid.Uint64Range(0, 9).Draw(g.t, "revision"))
	}
	r, _ := g.state.Edge(edge)
	return r.Revision
}

func (g *generator) change() state.Command {
	c := state.ChangeEdges{Op: pick(g, "op", "", "op1", "op2"), Session: g.session(), Reason: api.ReasonTakeover,
		TTL: lease.TTLDefault}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID[string]).Draw(g.t, "edges")
	for _, name := range names {
		ec := state.EdgeChange{Name: name, Expect: g.expect(name), Capacity: pick(g, "capacity", uint64(0), 100, 100, 400),
			Lease: lease.ID(g.fresh("l")), Node: g.node(), Codec: pick(g, "codec", "", "", "x", "y")}
		if rapid.IntRange(0, 9).Draw(g.t, "reuse") == 0 {
			ec.Lease = g.lease()
		}
		ec.TakeProducer, ec.ProducerStage = rapid.Bool().Draw(g.t, "producer"), "p"
		ec.TakeConsumer, ec.ConsumerStage = rapid.Bool().Draw(g.t, "consumer"), "c"
		c.Edges = append(c.Edges, ec)
	}
	return c
}

func (g *generator) marks() (leases []state.Mark[lease.ID], sessions []state.Mark[lease.SessionID]) {
	for l := range g.state.Leases() {
		if rapid.IntRange(0, 3).Draw(g.t, "mark") == 0 {
			leases = append(leases, state.Mark[lease.ID]{ID: l.ID, Seq: l.Seq + pick(g, "seq", uint64(0), 0, 1)})
		}
	}
	for s := range g.state.Sessions() {
		if rapid.IntRange(0, 3).Draw(g.t, "mark") == 0 {
			sessions = append(sessions, state.Mark[lease.SessionID]{ID: s.ID, Seq: s.Seq + pick(g, "seq", uint64(0), 0, 1)})
		}
	}
	return leases, sessions
}

func (g *generator) command() state.Command {
	incarnation := rapid.Uint64Range(0, 3).Draw(g.t, "incarnation")
	switch rapid.IntRange(0, 32).Draw(g.t, "kind") {
	case 0:
		return state.RegisterNode{Node: g.node(), Address: "127.0.0.1:1", Memory: pick(g, "memory", uint64(0), 500, 1000)}
	case 1, 2:
		return state.OpenSession{Session: lease.SessionID(g.fresh("s")), Stage: "stage", Node: g.node(),
			Incarnation: incarnation, TTL: lease.TTLDefault, Rules: pick(g, "rules", nil, nil, g.rules())}
	case 3:
		return state.AdoptSession{Session: g.session(), Node: g.node(), Incarnation: incarnation}
	case 4:
		return state.EndSession{Session: g.session(), Incarnation: incarnation}
	case 5:
		name := g.edge()
		return state.DeleteEdge{Name: name, Expect: g.expect(name), Op: pick(g, "op", "", "", "op1", "op2")}
	case 6:
		return state.GrantLease{Lease: lease.ID(g.fresh("l")), Kind: lease.KindMemory, Node: g.node(), Session: g.session(),
			Bytes: 100, TTL: lease.TTLDefault}
	case 7:
		return state.GrantLease{Lease: lease.ID(g.fresh("l")), Kind: lease.KindBlock, Node: g.node(), Session: g.session(),
			Name: pick(g, "region", "", "r1", "r2"), Bytes: 100, TTL: lease.TTLDefault}
	case 8:
		return state.ReleaseLease{Lease: g.lease(), Session: g.session()}
	case 9:
		return state.RevokeLease{Lease: g.lease()}
	case 10:
		return state.AdoptLease{Lease: g.lease(), Node: g.node(), Incarnation: incarnation}
	case 11:
		leases, sessions := g.marks()
		return state.Allowance{Term: rapid.Uint64Range(1, 2).Draw(g.t, "term"), Leases: leases, Sessions: sessions}
	case 12:
		leases, sessions := g.marks()
		return state.Expire{Term: rapid.Uint64Range(1, 2).Draw(g.t, "term"), Leases: leases, Sessions: sessions}
	case 13:
		value := rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(g.t, "value")
		return state.PutCheckpoint{Key: g.edge(), Epoch: fence.Epoch(rapid.Uint64Range(0, 3).Draw(g.t, "epoch")),
			Write: rapid.Bool().Draw(g.t, "write"), Value: value, Sum: crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli))}
	case 14:
		return state.RemoveNode{Node: g.node(), Force: rapid.Bool().Draw(g.t, "force")}
	case 15:
		return state.Upgrade{Level: rapid.Uint64Range(0, state.Level+1).Draw(g.t, "level")}
	case 16, 17, 18, 19:
		return g.spare()
	case 20, 21:
		return state.DrainNode{Node: g.node(), Drain: pick(g, "drain", api.DrainNot, api.DrainNot, api.DrainUntilEnabled, api.DrainUntilStart, "x")}
	case 22, 23:
		return state.PutToken{Token: pick(g, "token", "t1", "t2", "t3"), Name: pick(g, "name", "", "ci"), Hash: [32]byte{byte(incarnation)},
			Rules: g.rules(), Expires: pick(g, "expires", int64(0), 1, 1<<40, -1)}
	case 24:
		return state.RemoveToken{Token: pick(g, "token", "t1", "t2", "t3")}
	case 25:
		return state.SetEligibility{Node: g.node(), Ineligible: rapid.Bool().Draw(g.t, "ineligible")}
	case 26:
		return state.ResizeNode{Node: g.node(), Incarnation: incarnation, Memory: pick(g, "memory", uint64(0), 100, 1<<20)}
	default:
		return g.change()
	}
}

// rules are mostly some that somebody can be given.
func (g *generator) rules() api.Rules {
	return pick(g, "rules", api.Rules{{Prefix: "a", Rights: []api.Right{api.RightRead}}}, api.Rules{{Rights: api.Rights}, {Prefix: "b", Rights: api.Rights[:2]}},
		api.Rules{{Prefix: "c"}}, api.Rules{})
}

// beginning returns a state at some level, mostly with an edge that both sides use.
func beginning(t *rapid.T) *script {
	s := newScript(t)
	s.must(state.Upgrade{Level: rapid.SampledFrom([]uint64{6, 6, 6, 5, 4, 3, 2, 1}).Draw(t, "level")})
	if rapid.Bool().Draw(t, "bare") {
		return s
	}
	taken := producer("a", 0, "l")
	taken.TakeConsumer, taken.ConsumerStage, taken.Capacity = true, "c", 100
	s.must(change("s1", "", taken))
	return s
}

// spare is mostly what the producer of an edge asks for.
func (g *generator) spare() state.Command {
	var r state.Record
	for r = range g.state.Edges("") {
		if !r.Producer.Free() && (!r.Consumer.Free() || rapid.Bool().Draw(g.t, "next")) {
			break
		}
	}
	if r.Name == "" {
		return g.change()
	}
	c := state.ChangeSpare{Op: pick(g, "op", "", "op1", "op2"), Session: r.Producer.Session, Edge: r.Name, Expect: r.Revision,
		Lease: lease.ID(g.fresh("l")), Node: "n1", TTL: lease.TTLDefault}
	if r.Spare != nil && r.Spare.Lease != "" {
		c.Confirm = pick(g, "confirm", r.Spare.Generation, r.Spare.Generation, 0, r.Spare.Generation-1)
	}
	c.Arm = c.Confirm == 0 || rapid.Bool().Draw(g.t, "arm")
	switch now := r.API(g.state); {
	case c.Confirm != 0 && now.Spare.Locator.Node == "n1", c.Confirm == 0 && r.Node == "n1":
		c.Node = "n2"
	}
	if c.Confirm == 0 && g.state.Level() >= 4 && rapid.Bool().Draw(g.t, "planned") {
		c.Planned, c.Session = true, pick(g, "by", "", r.Producer.Session, r.Consumer.Session)
	}
	switch pick(g, "odd", "", "", "", "", "", "session", "lease", "none", "node", "expect") {
	case "session":
		c.Session = g.session()
	case "lease":
		c.Lease = g.lease()
	case "none":
		c.Lease = ""
	case "node":
		c.Node = g.node()
	case "expect":
		c.Expect--
	}
	return c
}

// auditor watches one history of states from outside.
type auditor struct {
	t   *rapid.T
	top map[string]fence.Epoch // highest generation seen on an edge, whatever became of it
}

// step checks what must hold between a state and the next.
func (a *auditor) step(before, after *state.State, c state.Command, r state.Result) {
	require.NoError(a.t, after.Verify(), "%#v", c)
	require.Equal(a.t, differences(before, after), r.Changes, "%#v", c)
	if r.Err != nil {
		require.True(a.t, state.SameTrees(before, after), "%#v refused, but changed something", c)
		return
	}
	for edge := range after.Edges("") {
		was, _ := before.Edge(edge.Name)
		a.top[edge.Name] = granted(a.t, was, edge, a.top[edge.Name])
	}
	if change, ok := c.(state.ChangeEdges); ok && r.Revision == after.Revision() {
		for _, ec := range change.Edges {
			was, _ := before.Edge(ec.Name)
			is, _ := after.Edge(ec.Name)
			require.Equal(a.t, ec.Expect, was.Revision, "all or nothing")
			require.Equal(a.t, after.Revision(), is.Revision, "all or nothing")
		}
	}
	for l := range after.Leases() {
		if _, had := before.Lease(l.ID); !had {
			n, _ := before.Node(l.Node)
			require.False(a.t, n.Closed(), "%#v places a lease on a node that takes nothing new", c)
		}
	}
	leased := map[locator.NodeID]uint64{}
	for l := range after.Leases() {
		if l.Kind == lease.KindMemory {
			leased[l.Node] += l.Bytes
			if l.Edge != "" {
				leased[l.Node] += after.RingBytes(0)
			}
		}
	}
	for n := range after.Nodes() {
		require.Equal(a.t, leased[n.ID], after.Leased(n.ID), "node %s", n.ID)
	}
}

// granted checks what a step grants on an edge, of which top is the highest generation that was ever granted, and returns what is the
// highest then: each generation is one arena's, and the ring's only rises.
func granted(t *rapid.T, was, is state.Record, top fence.Epoch) fence.Epoch {
	ring := func(r state.Record) (fence.Epoch, lease.ID) { return r.Generation, r.Lease }
	spare := func(r state.Record) (fence.Epoch, lease.ID) {
		if r.Spare == nil || r.Spare.Lease == "" {
			return 0, ""
		}
		return r.Spare.Generation, r.Spare.Lease
	}
	require.GreaterOrEqual(t, is.Generation, was.Generation, "edge %s", is.Name)
	known := map[fence.Epoch]lease.ID{}
	for _, of := range []func(state.Record) (fence.Epoch, lease.ID){ring, spare} {
		g, l := of(was)
		known[g] = l
	}
	most := top
	for _, of := range []func(state.Record) (fence.Epoch, lease.ID){ring, spare} {
		g, l := of(is)
		if g == 0 {
			continue
		}
		if had, ok := known[g]; ok {
			if l != "" { // its node was not removed
				require.Equal(t, had, l, "edge %s: one arena for generation %d", is.Name, g)
			}
			continue
		}
		require.Greater(t, g, top, "edge %s", is.Name)
		most = max(most, g)
	}
	return most
}

// differences finds what Result.Changes must say, by looking at everything.
func differences(before, after *state.State) (changes []state.Change) {
	compare := func(k api.RecordKind, was, is map[string]any) {
		for key := range is {
			if _, ok := was[key]; !ok {
				was[key] = nil
			}
		}
		for _, key := range slices.Sorted(maps.Keys(was)) {
			if !reflect.DeepEqual(was[key], is[key]) {
				changes = append(changes, state.Change{Kind: k, Key: key})
			}
		}
	}
	was, is := watchable(before), watchable(after)
	for _, k := range slices.Sorted(maps.Keys(was)) {
		compare(k, was[k], is[k])
	}
	return changes
}

// watchable returns the records of a state, without the counters of allowances.
func watchable(s *state.State) map[api.RecordKind]map[string]any {
	all := map[api.RecordKind]map[string]any{api.RecordEdge: {}, api.RecordNode: {}, api.RecordLease: {}, api.RecordSession: {}}
	for r := range s.Edges("") {
		all[api.RecordEdge][r.Name] = r
	}
	for n := range s.Nodes() {
		all[api.RecordNode][string(n.ID)] = n
	}
	for l := range s.Leases() {
		l.Seq = 0
		all[api.RecordLease][string(l.ID)] = l
	}
	for v := range s.Sessions() {
		v.Seq = 0
		all[api.RecordSession][string(v.ID)] = v
	}
	return all
}

// Whatever is proposed: the state holds together, generations rise over deletion and restores, changes are all or nothing, and a
// second machine that reads the commands from the log, and now and then starts over from its own snapshot, has the same bytes.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := beginning(t)
		first, second := start.state, start.state
		g := &generator{t: t}
		audit := auditor{t: t, top: map[string]fence.Epoch{}}
		for i := range uint64(rapid.IntRange(1, 60).Draw(t, "length")) {
			g.state = first
			c := g.command()
			b, err := state.Encode(c, int64(i))
			require.NoError(t, err)
			decoded, proposed, err := state.Decode(b)
			if up, ok := c.(state.Upgrade); ok && up.Level > state.Level {
				require.ErrorIs(t, err, state.ErrNewer, "the node must stop")
				continue
			}
			require.NoError(t, err)

			before := first
			var r, r2 state.Result
			index := start.index + 1 + i
			first, r = first.Step(state.Entry{Index: index, Term: 1, Proposed: int64(i), Command: c})
			second, r2 = second.Step(state.Entry{Index: index, Term: 1, Proposed: proposed, Command: decoded})
			require.Equal(t, fmt.Sprint(r.Err), fmt.Sprint(r2.Err))
			audit.step(before, first, c, r)
			if rapid.IntRange(0, 15).Draw(t, "restore") == 0 {
				second = reread(t, second)
			}
		}
		require.Equal(t, bytesOf(t, first), bytesOf(t, second))
		again := reread(t, first)
		require.Equal(t, first.Indexes(), again.Indexes())
	})
}

func bytesOf(t require.TestingT, s *state.State) []byte {
	var b bytes.Buffer
	require.NoError(t, s.Write(&b))
	return b.Bytes()
}

func reread(t require.TestingT, s *state.State) *state.State {
	again, err := state.Read(bytes.NewReader(bytesOf(t, s)))
	require.NoError(t, err)
	return again
}
