package server

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry/state"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// rewired is a rewire in which each phase takes as long as its name says.
func rewired(to fence.Epoch) api.Rewire {
	return api.Rewire{
		From: to - 1, Generation: to, Reason: api.ReasonRingLost, Rings: 1, Noticed: noon.Add(time.Duration(to) * time.Minute),
		Decided: time.Millisecond, Attached: 3 * time.Millisecond, Resumed: 7 * time.Millisecond, First: 15 * time.Millisecond,
	}
}

// said is a report of one side.
func said(edge string, role fabric.Role, s api.EdgeState, traces ...api.Rewire) api.StageReport {
	return api.StageReport{Stage: "parse", Edges: []api.EdgeReport{{
		Edge: edge, Role: role, State: s, Since: noon, Lag: 20 * time.Millisecond, Retained: 7, Traces: traces,
	}}}
}

func TestStatesAreMeasured(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := NewStages(reg)
	unfinished := rewired(3)
	unfinished.First = -1
	s.Report("s1", said("e", fabric.RoleProducer, api.StateFlowing, rewired(2), unfinished))
	s.Report("s1", said("e", fabric.RoleProducer, api.StateStalled))
	for _, line := range []string{
		`grafnode_edge_state{edge="e",role="producer",state="flowing"} 0`,
		`grafnode_edge_state{edge="e",role="producer",state="stalled"} 1`,
		`grafnode_edge_state{edge="e",role="producer",state="relocating"} 0`,
		`grafnode_edge_state_since_timestamp_seconds{edge="e",role="producer"} 1.7776368e+09`,
		`grafnode_edge_lag_seconds{edge="e"} 0.02`,
		`grafnode_edge_rewire_phase_seconds_count{phase="decided",role="producer"} 2`,
		`grafnode_edge_rewire_phase_seconds_sum{phase="first",role="producer"} 0.008`,
		`grafnode_edge_rewire_phase_seconds_sum{phase="resumed",role="producer"} 0.008`,
	} {
		require.Contains(t, scrape(reg), line+"\n")
	}
	s.Report("s1", said("f", "a third role", "a state of its own"))
	require.Equal(t, 2*len(api.EdgeStates()), strings.Count(scrape(reg), "\ngrafnode_edge_state{"))
	s.Ended("s1")
	require.NotContains(t, scrape(reg), "grafnode_edge_state{")
	require.NotContains(t, scrape(reg), "grafnode_edge_lag_seconds{")
	require.Contains(t, scrape(reg), "grafnode_edge_rewire_phase_seconds_count")
}

// Reports live as long as their session, traces as long as there is room.
func TestWhatIsKeptOfReports(t *testing.T) {
	s := NewStages(prometheus.NewRegistry())
	for to := fence.Epoch(2); to < 20; to++ {
		s.Report("s1", said("p.e", fabric.RoleConsumer, api.StateFlowing, rewired(to)))
	}
	s.Report("s1", said("q.e", fabric.RoleConsumer, api.StateFlowing))
	all := s.Reports("p.", true)
	require.Len(t, all.Sides, 1)
	require.Empty(t, all.Sides[0].Traces, "they are beside")
	require.Len(t, all.Traces, tracesKept)
	require.Equal(t, api.Trace{Edge: "p.e", Role: fabric.RoleConsumer, Stage: "parse", Session: "s1", Rewire: rewired(19)}, all.Traces[tracesKept-1])
	require.Empty(t, s.Reports("p.", false).Traces)
	s.Ended("s1")
	require.Empty(t, s.Reports("", true).Sides)
	require.Len(t, s.Reports("", true).Traces, tracesKept)
	for i := range tracedSides {
		s.Report("s2", said(fmt.Sprint("e", i), fabric.RoleConsumer, api.StateFlowing, rewired(20)))
	}
	require.Len(t, s.traces, tracedSides)
	require.Empty(t, s.Reports("p.", true).Traces, "the side that has not rewired for longest")
}

// Who is told of rewires may take long over it, and look at what was reported: others go on reporting.
func TestWhoIsToldOfRewiresHoldsNobodyUp(t *testing.T) {
	s := NewStages(prometheus.NewRegistry())
	var told []fence.Epoch
	s.OnRewire(func(trace api.Trace) {
		s.Report("s2", said("f", fabric.RoleProducer, api.StateFlowing))
		require.NotEmpty(t, s.Reports(trace.Edge, true).Traces)
		told = append(told, trace.Generation)
	})
	s.Report("s1", said("e", fabric.RoleConsumer, api.StateFlowing, rewired(2), rewired(3)))
	require.Equal(t, []fence.Epoch{2, 3}, told)
}

func TestReportsAreGathered(t *testing.T) {
	f := newFixture(t)
	f.stages.Report("s1", said("p.parse", fabric.RoleConsumer, api.StateFlowing, rewired(2)))
	f.stages.Report("s1", said("q.parse", fabric.RoleConsumer, api.StateFlowing, rewired(2)))
	other := newFixture(t)
	other.server.c.Node = "n2"
	other.stages.Report("s2", said("p.parse", fabric.RoleProducer, api.StateRelocating, rewired(1)))
	front := httptest.NewServer(other.handler())
	defer front.Close()
	apply(t, f.registry, state.RegisterNode{Node: "n2", Name: "n2", Address: strings.TrimPrefix(front.URL, "http://"), Memory: 1})
	gossip := f.gossip
	gossip[2].Health = membership.Dead

	gather := func(query string, headers ...string) (r api.Reports) {
		status, _, body := f.ask(t, "GET", "/v1/reports"+query, "", headers...)
		require.Equal(t, 200, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &r))
		return r
	}
	all := gather("?prefix=p.&traces=true")
	require.Equal(t, []api.Unheard{{Node: "n3", Name: "n3", Why: "gossip says dead"}}, all.Unheard)
	require.Len(t, all.Sides, 2)
	require.Equal(t, []locator.NodeID{"n2", "n1"}, []locator.NodeID{all.Sides[0].Node, all.Sides[1].Node}, "the producer first")
	require.Equal(t, api.StateRelocating, all.Sides[0].State)
	require.Positive(t, all.Sides[0].Age)
	require.Len(t, all.Traces, 2)
	require.EqualValues(t, "n2", all.Traces[0].Node)
	require.Equal(t, rewired(1), all.Traces[0].Rewire)
	require.Empty(t, gather("").Traces)
	require.Len(t, gather("").Sides, 3)
	require.Len(t, gather("", headerForwarded, "n9").Sides, 2, "another node gathers")

	front.Close()
	all = gather("")
	require.Len(t, all.Unheard, 2)
	require.Contains(t, all.Unheard[0].Why, "refused")
	require.Len(t, all.Sides, 2)
}
