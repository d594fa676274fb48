package api

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

func drawEdge(t *rapid.T) Edge {
	text := rapid.OneOf(rapid.StringMatching(`[a-z0-9.-]{0,12}`), rapid.String())
	side := func(name string) Side {
		return Side{Stage: text.Draw(t, name+" stage"), Session: lease.SessionID(text.Draw(t, name+" session")),
			Node: locator.NodeID(text.Draw(t, name+" node")), Epoch: fence.Epoch(rapid.Uint64().Draw(t, name+" epoch"))}
	}
	e := Edge{
		Name: text.Draw(t, "name"), Stage: text.Draw(t, "stage"), Generation: fence.Epoch(rapid.Uint64().Draw(t, "generation")),
		Producer: side("producer"), Consumer: side("consumer"), Codec: text.Draw(t, "codec"), Capacity: rapid.Uint64().Draw(t, "capacity"),
		Revision: Revision(rapid.Uint64().Draw(t, "revision")), Reason: Reason(text.Draw(t, "reason")), Deleted: rapid.Bool().Draw(t, "deleted"),
		Changed: time.Unix(0, rapid.Int64Min(0).Draw(t, "changed")).UTC(),
	}
	if rapid.Bool().Draw(t, "has a spare") {
		e.Spare = &Spare{Generation: fence.Epoch(rapid.Uint64().Draw(t, "spare")), Producer: 1, Consumer: fence.Epoch(rapid.Uint64().Draw(t, "consumer")),
			Planned: rapid.Bool().Draw(t, "planned")}
		e.Spare.Locator = locator.Locator{Kind: 1, Node: "other", Zone: text.Draw(t, "zone"), Address: "127.0.0.1:7401", Arena: "spare", Generation: 8, Bytes: 1 << 16}
	}
	if rapid.Bool().Draw(t, "has a ring") {
		e.Locator = locator.Locator{Kind: 1, Node: "node", Zone: "zone", Address: "127.0.0.1:7400", Arena: "arena", Generation: 7, Bytes: 1 << 16}
	}
	return e
}

// slowEdge is an edge as package json reads it.
type slowEdge Edge

// What a node writes is read as package json would read it, quick or not.
func TestEdgesAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edges := rapid.SliceOfN(rapid.Custom(drawEdge), 1, 3).Draw(t, "edges")
		b, err := json.Marshal(ChangeResponse{Revision: 9, Edges: edges})
		require.NoError(t, err)
		written, err := ChangeResponse{Revision: 9, Edges: edges}.AppendJSON([]byte("before "))
		require.NoError(t, err)
		require.Equal(t, "before "+string(b), string(written))
		var got ChangeResponse
		require.NoError(t, got.UnmarshalJSON(b))
		for i, e := range edges {
			one, err := json.Marshal(e)
			require.NoError(t, err)
			written, err := e.AppendJSON(nil)
			require.NoError(t, err)
			require.Equal(t, string(one), string(written))
			var want slowEdge
			require.NoError(t, json.Unmarshal(one, &want))
			require.Equal(t, Edge(want), got.Edges[i])
		}
	})
}

func TestNodesWriteWhatIsReadTheQuickWay(t *testing.T) {
	e := Edge{Name: "a.b", Stage: "a", Generation: 3, Producer: Side{Stage: "a", Session: "s", Node: "n", Epoch: 1}, Codec: "c", Capacity: 65536,
		Revision: 12, Changed: time.Now().UTC(), Reason: ReasonRequested,
		Locator: locator.Locator{Kind: 1, Node: "node", Zone: "zone", Address: "127.0.0.1:7400", Arena: "arena", Generation: 3, Bytes: 1 << 16}}
	spared := e
	spared.Spare = &Spare{Generation: 4, Locator: e.Locator, Producer: 1, Consumer: 2}
	want := ChangeResponse{Revision: 12, Edges: []Edge{e, spared}}
	b, err := json.Marshal(want)
	require.NoError(t, err)
	p := plain{s: string(b), ok: true}
	var got ChangeResponse
	require.True(t, p.changeResponse(&got))
	require.Empty(t, p.s)
	require.Equal(t, want, got)
}

func TestWhatOthersWriteIsReadToo(t *testing.T) {
	var e Edge
	require.NoError(t, e.UnmarshalJSON([]byte(`{"revision": 7, "name":"a", "since v9": {}}`)))
	require.Equal(t, Edge{Name: "a", Revision: 7}, e)
	require.Error(t, e.UnmarshalJSON([]byte(`{"name":"a","stage":"b","generation":-1}`)))
	var r ChangeResponse
	require.NoError(t, r.UnmarshalJSON([]byte(`{"revision":7,"edges":[]}`)))
	require.Equal(t, ChangeResponse{Revision: 7, Edges: []Edge{}}, r)
}

// What the quick way takes, package json takes, and reads the same from it.
func FuzzPlainEdge(f *testing.F) {
	b, _ := json.Marshal(Edge{Name: "a", Changed: time.Unix(1, 0).UTC()})
	f.Add(b)
	f.Add([]byte(`{"name":"a","stage":"","generation":00`))
	b, _ = json.Marshal(Edge{Name: "a", Spare: &Spare{Generation: 7, Producer: 1, Consumer: 2}, Changed: time.Unix(1, 0).UTC()})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p := plain{s: string(b), ok: true}
		var quick Edge
		if p.edge(&quick) && p.s == "" {
			var slow slowEdge
			require.NoError(t, json.Unmarshal(b, &slow))
			require.Equal(t, Edge(slow), quick)
		}
	})
}

func TestRequestsOfOurClientsAreReadTheQuickWay(t *testing.T) {
	r := ChangeRequest{OpID: "o", Session: "s", Reason: ReasonTakeover, Detail: "because", Edges: []EdgeChange{
		{Name: "a", Expect: 7, TakeProducer: true, TakeConsumer: true, Codec: "c", Capacity: 65536, AvoidNodes: []locator.NodeID{"n", "m"},
			ProducerStage: "p", ConsumerStage: "q"},
		{Name: "b"},
	}}
	for _, r := range []ChangeRequest{r, {OpID: "o", Edges: []EdgeChange{{}}}} {
		b, err := json.Marshal(r)
		require.NoError(t, err)
		var got ChangeRequest
		require.True(t, got.ReadPlain(b))
		require.Equal(t, r, got)
	}
	var got ChangeRequest
	require.False(t, got.ReadPlain([]byte(`{"op_id":"o","session":"s","reason":"r","edges":[],"x":1}`)))
	require.Zero(t, got)
}

// What the quick way takes, the strict way takes, and reads the same from it.
func FuzzPlainChange(f *testing.F) {
	f.Add([]byte(`{"op_id":"o","session":"s","reason":"r","edges":[{"name":"a","expect":1,"capacity":2,"avoid_nodes":["n"]},{"name":"b","expect":0}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var quick, slow ChangeRequest
		if quick.ReadPlain(b) {
			d := json.NewDecoder(bytes.NewReader(b))
			d.DisallowUnknownFields()
			require.NoError(t, d.Decode(&slow))
			require.Equal(t, slow, quick)
		}
	})
}
