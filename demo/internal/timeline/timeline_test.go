package timeline_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/plan"
	"github.com/grafnode/grafnode/demo/internal/timeline"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// ms returns the instant n milliseconds after the start.
func ms(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }

const (
	parse  = "log.parse"
	enrich = "log.enrich"
)

func build(events ...event.Event) *timeline.Timeline {
	t := timeline.New(start, parse, enrich)
	for _, e := range events {
		t.Add(e)
	}
	return t
}

func commit(at int, items, line uint64) event.Event {
	return event.Event{At: ms(at), Kind: event.Committed, Process: "store", Items: items, Line: line}
}

func changed(at int, edge string, gen fence.Epoch, cause api.Reason) event.Event {
	return event.Event{At: ms(at), Kind: event.Changed, Edge: edge, Generation: gen, Node: "node-2", Cause: string(cause)}
}

func first(at int, edge string, role fabric.Role, gen fence.Epoch) event.Event {
	return event.Event{At: ms(at), Kind: event.FirstItem, Edge: edge, Role: role, Generation: gen}
}

func TestFailureOfARing(t *testing.T) {
	tl := build(
		changed(1, parse, 4, api.ReasonCreated), commit(90, 10, 10), commit(100, 10, 20),
		event.Event{At: ms(105), Kind: event.Killed, What: "ring-node", Process: "node-1", Edge: parse},
		event.Event{At: ms(104), Kind: event.Lost, Edge: parse}, // before the kill: something else
		event.Event{At: ms(106), Kind: event.Lost, Edge: enrich},
		first(107, parse, fabric.RoleConsumer, 4), // the old ring's
		event.Event{At: ms(112), Kind: event.Lost, Edge: parse},
		event.Event{At: ms(110), Kind: event.Lost, Edge: parse}, // told later, seen earlier
		changed(130, parse, 6, api.ReasonRingLost),
		changed(131, parse, 7, api.ReasonRingLost),
	)
	require.False(t, tl.Failures()[0].Recovered())
	for _, e := range []event.Event{
		first(140, parse, fabric.RoleProducer, 6), first(150, parse, fabric.RoleConsumer, 6), commit(155, 10, 30),
		first(160, parse, fabric.RoleConsumer, 7), commit(170, 1, 31),
	} {
		tl.Add(e)
	}
	f := tl.Failures()[0]
	require.True(t, f.Recovered())
	require.Equal(t, ms(110), f.Detected)
	require.Equal(t, ms(130), f.Moved)
	require.Equal(t, ms(150), f.FirstNewItem)
	require.Equal(t, ms(100), f.GapFrom)
	require.Equal(t, ms(155), f.GapTo)
	require.EqualValues(t, 31, tl.Line())
	tl.Add(event.Event{At: ms(180), Kind: event.Rejected, Line: 40})
	require.EqualValues(t, 40, tl.Line())
}

func TestFailureOfAConsumerIsDetectedByTheRegistry(t *testing.T) {
	tl := build(
		changed(1, parse, 4, api.ReasonCreated),
		event.Event{At: ms(100), Kind: event.Killed, What: "enrich", Process: "enrich-1", Edge: parse},
		changed(102, parse, 4, api.ReasonGone), changed(109, parse, 5, api.ReasonTakeover),
	)
	f := tl.Failures()[0]
	require.Equal(t, ms(102), f.Detected)
	require.Equal(t, ms(109), f.Moved)
	require.Zero(t, f.GapTo)
}

func TestFailureOfALeader(t *testing.T) {
	kill := event.Event{At: ms(100), Kind: event.Killed, What: string(plan.Leader), Process: "node-1"}
	elected := event.Event{At: ms(300), Kind: event.Leading, Process: "node-3"}

	tl := build(changed(1, parse, 4, api.ReasonCreated), kill, changed(110, parse, 4, api.ReasonGone),
		event.Event{At: ms(120), Kind: event.Leading, Process: ""},
		event.Event{At: ms(130), Kind: event.Leading, Process: "node-1"})
	require.False(t, tl.Failures()[0].Recovered())
	tl.Add(elected)
	f := tl.Failures()[0]
	require.True(t, f.Recovered(), "no edge had to move")
	require.Empty(t, f.Edge)
	require.Equal(t, ms(300), f.Detected)

	tl.Add(changed(310, enrich, 9, api.ReasonRingLost))
	f = tl.Failures()[0]
	require.False(t, f.Recovered(), "an edge moves after all")
	require.Equal(t, enrich, f.Edge)
	require.Equal(t, ms(310), f.Moved)
	tl.Add(first(320, enrich, fabric.RoleConsumer, 9))
	require.True(t, tl.Failures()[0].Recovered())
	require.Equal(t, "node-3", tl.Leader())
}

func TestGapsBelongToOneFailure(t *testing.T) {
	tl := build(
		commit(80, 1, 1), commit(90, 1, 2), event.Event{At: ms(95), Kind: event.Killed, What: "store", Edge: enrich},
		commit(120, 1, 3), commit(130, 1, 4), event.Event{At: ms(135), Kind: event.Killed, What: "ingest", Edge: parse},
		commit(200, 1, 5), commit(210, 1, 6),
	)
	f := tl.Failures()
	require.Equal(t, 30*time.Millisecond, f[0].GapTo.Sub(f[0].GapFrom))
	require.Equal(t, 70*time.Millisecond, f[1].GapTo.Sub(f[1].GapFrom))
}

func TestEdges(t *testing.T) {
	counted := func(at int, process string, items, repeats uint64) event.Event {
		return event.Event{At: ms(at), Kind: event.Counted, Process: process, Edges: []api.EdgeReport{
			{Edge: parse, Role: fabric.RoleConsumer, Items: items, Repeats: repeats},
			{Edge: enrich, Role: fabric.RoleProducer, Items: items, Repeats: 10 * repeats},
		}}
	}
	tl := build(
		event.Event{At: ms(1), Kind: event.Claimed, Process: "enrich-1", Edge: parse, Role: fabric.RoleConsumer},
		event.Event{At: ms(2), Kind: event.Bound, Edge: parse, Generation: 3, Node: "127.0.0.1:1"},
		changed(3, parse, 3, api.ReasonCreated),
		event.Event{At: ms(4), Kind: event.Bound, Edge: parse, Generation: 3, Node: "127.0.0.1:1"},
		changed(5, parse, 2, api.ReasonCreated), // late
		counted(100, "enrich-1", 10, 0), counted(1100, "enrich-1", 110, 2),
		event.Event{Kind: event.Exited, Process: "enrich-1"},
		event.Event{At: ms(6), Kind: event.Claimed, Process: "enrich-2", Edge: parse, Role: fabric.RoleConsumer},
		counted(1600, "enrich-2", 30, 5),
		event.Event{Kind: event.Exited, Process: "enrich-2"}, counted(1700, "enrich-2", 3, 0),
		counted(1700, "enrich-2", 1, 0), // the same process with a new claim
	)
	e := tl.Edge(parse)
	require.Equal(t, "node-2", e.Node)
	require.EqualValues(t, 3, e.Generation)
	require.EqualValues(t, 144, e.Items)
	require.EqualValues(t, 77, tl.Repeats())
	require.Equal(t, "enrich-2", tl.Holder(parse, fabric.RoleConsumer))
	require.Empty(t, tl.Holder(enrich, fabric.RoleConsumer))
	require.Zero(t, tl.Edge(enrich).Items, "an edge's items are its consumer's")
	require.InDelta(t, (144-10)/1.6, e.Rate(ms(2000)), 0.01)
	require.Zero(t, e.Rate(ms(9000)))
	require.Nil(t, tl.Edge("other"))
}

func TestThroughput(t *testing.T) {
	tl := build(commit(10, 3, 1), commit(90, 4, 2), commit(310, 5, 3))
	require.Equal(t, []timeline.Point{
		{From: 0, Items: 7}, {From: 100 * time.Millisecond}, {From: 200 * time.Millisecond},
		{From: 300 * time.Millisecond, Items: 5},
	}, tl.Throughput(100*time.Millisecond))
	require.Empty(t, build().Throughput(time.Second))
}

// A rewire is told when it is over, and belongs to the kill before it was noticed.
func TestRewiresGoWithTheirKill(t *testing.T) {
	kill := func(at int) event.Event {
		return event.Event{At: ms(at), Kind: event.Killed, What: "ring-node", Process: "node-1", Edge: parse}
	}
	rewired := func(told, noticed int, edge string) event.Event {
		return event.Event{At: ms(told), Kind: event.Rewired, Process: "p", Edge: edge, Rewire: &api.Rewire{Noticed: ms(noticed)}}
	}
	tl := build(rewired(90, 80, parse), kill(100), rewired(120, 110, parse), rewired(125, 105, enrich), kill(200), rewired(220, 150, parse),
		rewired(230, 205, parse), event.Event{Kind: event.Rewired})
	var noticed [2][]time.Time
	for i, f := range tl.Failures() {
		for _, r := range f.Rewires {
			noticed[i] = append(noticed[i], r.Noticed)
		}
	}
	require.Equal(t, [2][]time.Time{{ms(105), ms(110), ms(150)}, {ms(205)}}, noticed)
	require.Equal(t, enrich, tl.Failures()[0].Rewires[0].Edge)
}
