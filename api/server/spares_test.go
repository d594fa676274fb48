package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry/state"
)

// spareFixture is a fixture at level 3 with an edge p.parse: producer s1 on n1, consumer s2 on n2, ring on n1.
func spareFixture(t *testing.T) *fixture {
	f := newFixture(t)
	apply(t, f.registry, state.Upgrade{Level: 3})
	apply(t, f.registry, state.OpenSession{Session: "s2", Stage: "store", Node: "n2", Incarnation: 1, TTL: 10 * time.Second})
	for i, ec := range []state.EdgeChange{
		{TakeProducer: true, ProducerStage: "parse"}, {TakeConsumer: true, ConsumerStage: "store"},
	} {
		r, _ := f.registry.State().Edge("p.parse")
		ec.Name, ec.Expect, ec.Capacity, ec.Lease, ec.Node = "p.parse", r.Revision, 1<<20, lease.NewID(), "n1"
		apply(t, f.registry, state.ChangeEdges{Session: []lease.SessionID{"s1", "s2"}[i], Reason: api.ReasonTakeover, TTL: lease.TTLDefault,
			Edges: []state.EdgeChange{ec}})
	}
	return f
}

// spare sends a request and returns the record after it, which is no answer if the status is another than OK.
func (f *fixture) spare(t *testing.T, r api.SpareRequest) (int, api.ChangeResponse) {
	t.Helper()
	r.Session, r.Name = "s1", "p.parse"
	if r.Reason == "" {
		r.Reason = api.ReasonSpareArmed
	}
	b, err := json.Marshal(r)
	require.NoError(t, err)
	status, _, body := f.ask(t, "POST", "/v1/spares", string(b))
	var resp api.ChangeResponse
	if status == http.StatusOK {
		require.NoError(t, json.Unmarshal([]byte(body), &resp), body)
		require.Len(t, resp.Edges, 1)
	}
	return status, resp
}

func TestASpareIsArmedAndConfirmed(t *testing.T) {
	f := spareFixture(t)
	e := get[api.Edge](t, f, "/v1/edges/p.parse")
	status, armed := f.spare(t, api.SpareRequest{OpID: "o1", Expect: e.Revision, Arm: true})
	require.Equal(t, http.StatusOK, status)
	spare := armed.Edges[0].Spare
	require.Equal(t, locator.NodeID("n2"), spare.Locator.Node, "in another zone, and near the consumer")
	require.Equal(t, fence.Epoch(3), spare.Generation)
	require.Equal(t, armed.Revision, armed.Edges[0].Revision)
	require.Equal(t, armed.Edges[0], get[api.Edge](t, f, "/v1/edges/p.parse"))

	// Asked again it is not placed again, whatever has become of the nodes.
	f.registry.state, _ = f.registry.State().Step(state.Entry{Index: f.registry.index + 1, Command: state.Nothing{}})
	f.registry.index++
	status, again := f.spare(t, api.SpareRequest{OpID: "o1", Expect: e.Revision, Arm: true})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, armed, again)

	status, moved := f.spare(t, api.SpareRequest{OpID: "o2", Confirm: 3, Arm: true, Reason: api.ReasonRingLost, Detail: "reset",
		AvoidNodes: []locator.NodeID{"n1"}})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, fence.Epoch(3), moved.Edges[0].Generation)
	require.Equal(t, spare.Locator, moved.Edges[0].Locator)
	require.Equal(t, locator.NodeID("n3"), moved.Edges[0].Spare.Locator.Node)
	history := get[[]api.Change](t, f, "/v1/edges/p.parse/history")
	require.Equal(t, "reset", history[len(history)-1].Detail)
	require.Equal(t, fence.Epoch(4), history[len(history)-1].Spare)

	status, _ = f.spare(t, api.SpareRequest{OpID: "o3", Confirm: 3})
	require.Equal(t, http.StatusConflict, status)
	status, _ = f.spare(t, api.SpareRequest{OpID: "o4", Expect: 1, Arm: true})
	require.Equal(t, http.StatusConflict, status)
}

func TestASpareNeedsAnotherNode(t *testing.T) {
	f := spareFixture(t)
	e := get[api.Edge](t, f, "/v1/edges/p.parse")
	status, _ := f.spare(t, api.SpareRequest{OpID: "o1", Expect: e.Revision, Arm: true, AvoidNodes: []locator.NodeID{"n2", "n3"}})
	require.Equal(t, http.StatusInsufficientStorage, status)
	for i := range f.gossip {
		if f.gossip[i].ID != "n1" && f.gossip[i].ID != "n2" {
			f.gossip[i].Health = membership.Dead
		}
	}
	status, _ = f.spare(t, api.SpareRequest{OpID: "o2", Expect: e.Revision, Arm: true})
	require.Equal(t, http.StatusOK, status)
	status, moved := f.spare(t, api.SpareRequest{OpID: "o3", Confirm: 3, Arm: true, AvoidNodes: []locator.NodeID{"n1"}})
	require.Equal(t, http.StatusOK, status, "the move needs no room")
	require.Nil(t, moved.Edges[0].Spare)
}

// A copy of the request has been applied by the time that this one finds no room: it is answered as that one was.
func TestWantOfRoomDoesNotHideASpare(t *testing.T) {
	f := spareFixture(t)
	e := get[api.Edge](t, f, "/v1/edges/p.parse")
	f.registry.onRead = func() {
		apply(t, f.registry, state.ChangeSpare{Op: "o1", Session: "s1", Edge: "p.parse", Expect: e.Revision, Arm: true, Lease: lease.NewID(),
			Node: "n2", TTL: lease.TTLDefault})
	}
	status, armed := f.spare(t, api.SpareRequest{OpID: "o1", Expect: e.Revision, Arm: true, AvoidNodes: []locator.NodeID{"n2", "n3"}})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, locator.NodeID("n2"), armed.Edges[0].Spare.Locator.Node)
}

func TestBadSpareRequests(t *testing.T) {
	f := spareFixture(t)
	for says, body := range map[string]string{
		"nothing is asked for": `{"op_id":"o","session":"s1","name":"p.parse","reason":"requested"}`,
		"op_id is empty":       `{"session":"s1","name":"p.parse","arm":true,"reason":"requested"}`,
		"the body asks for":    `{"op_id":"o","session":"s2","name":"p.parse","arm":true,"reason":"requested"}`,
		"none of the known":    `{"op_id":"o","session":"s1","name":"p.parse","arm":true,"reason":"boredom"}`,
		"is not a name":        `{"op_id":"o","session":"s1","name":"","arm":true,"reason":"requested"}`,
	} {
		status, _, got := f.ask(t, "POST", "/v1/spares", body)
		require.Equal(t, http.StatusBadRequest, status, got)
		require.Contains(t, got, says)
	}
	status, _, got := f.ask(t, "POST", "/v1/spares", `{"op_id":"o","session":"s1","name":"p.none","arm":true,"reason":"requested"}`)
	require.Equal(t, http.StatusNotFound, status, got)
}

// A cluster with an older voter has no spares, and says so in a way that is not tried again and again.
func TestSparesOfAnOlderCluster(t *testing.T) {
	f := newFixture(t)
	apply(t, f.registry, state.Upgrade{Level: 2})
	status, _, _ := f.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusOK, status)
	e := get[api.Edge](t, f, "/v1/edges/p.parse")
	status, _, body := f.ask(t, "POST", "/v1/spares",
		fmt.Sprintf(`{"op_id":"o","session":"s1","name":"p.parse","expect":%d,"arm":true,"reason":"requested"}`, e.Revision))
	require.Equal(t, http.StatusNotImplemented, status)
	require.Contains(t, body, "level 3")
	require.Equal(t, e, get[api.Edge](t, f, "/v1/edges/p.parse"))
	require.False(t, slices.ContainsFunc(get[[]api.Change](t, f, "/v1/edges/p.parse/history"), func(c api.Change) bool { return c.Spare != 0 }))
}
