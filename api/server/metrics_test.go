package server

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/registry/state"
)

func report(items uint64, rewires ...float64) api.StageReport {
	return api.StageReport{
		Stage: "parse",
		Edges: []api.EdgeReport{
			{Edge: "e", Role: fabric.RoleProducer, State: api.StateFlowing, Since: time.Unix(1_700_000_000, 0), Lag: 20 * time.Millisecond, Items: items, Repeats: 3, Retained: 7, Causes: map[string]uint64{"ring-lost": 1, "invented": 1}, Rewires: rewires,
				Traces: []api.Rewire{rewired(2)}},
			{Edge: "e", Role: fabric.RoleConsumer, Items: items, Repeats: 2},
		},
		Silences: api.Silences{Judged: items / 5, Mistaken: 1},
		Sink:     &api.SinkReport{Commits: items / 10, Items: items, Fenced: 1, Gaps: rewires},
	}
}

func TestStagesAddUpOverSessions(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := NewStages(reg)
	s.Began("s1", "parse")
	s.Report("s1", report(10, 0.2))
	s.Report("s1", report(30))
	s.Ended("s1")
	s.Ended("s1")
	s.Began("s2", "parse")
	s.Report("s2", report(5))
	for _, line := range []string{
		`grafnode_edge_items_total{edge="e",role="consumer"} 35`,
		`grafnode_edge_items_total{edge="e",role="producer"} 35`,
		`grafnode_edge_rebinds_total{edge="e",reason="other",role="producer"} 2`,
		`grafnode_edge_rebinds_total{edge="e",reason="ring-lost",role="producer"} 2`,
		`grafnode_edge_repeats_dropped_total{edge="e",role="consumer"} 4`,
		`grafnode_edge_repeats_dropped_total{edge="e",role="producer"} 6`,
		`grafnode_edge_retained_items{edge="e"} 7`,
		`grafnode_edge_rewire_seconds_count{edge="e",role="producer"} 1`,
		`grafnode_sink_fenced_writes_total{stage="parse"} 2`,
		`grafnode_sink_items_total{stage="parse"} 35`,
		`grafnode_silences_total{by="stage"} 7`,
		`grafnode_silences_mistaken_total{by="stage"} 2`,
		`grafnode_stage_restarts_total{stage="parse"} 1`,
		`grafnode_stage_sessions{stage="parse"} 1`,
	} {
		require.Contains(t, scrape(reg), line+"\n")
	}
}

// scrape returns what Prometheus would read.
func scrape(reg *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// Whatever names stages invent, there is a bounded number of series.
func TestLabelsAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := NewStages(reg)
	for i := range seriesMax + 100 {
		s.Report("s1", api.StageReport{Stage: "p", Edges: []api.EdgeReport{{Edge: fmt.Sprint("e", i), Role: fabric.RoleConsumer, Items: 1}}})
	}
	require.Equal(t, seriesMax+1, strings.Count(scrape(reg), "\ngrafnode_edge_items_total{"))
	require.Contains(t, scrape(reg), `grafnode_edge_items_total{edge="other",role="consumer"} 100`)
}

func TestChangesAreCountedOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := NewChanges(reg)
	change := state.ChangeEdges{Reason: api.ReasonTakeover}
	records := []state.Record{{Reason: api.ReasonTakeover}, {Reason: api.ReasonCreated}}
	c.Applied(change, state.Result{Revision: 7, Term: 1, Edges: records, Ended: []state.Ended{{Status: lease.Released}}})
	c.Applied(change, state.Result{Revision: 7, Term: 1, Edges: records}) // asked again
	c.Applied(change, state.Result{Revision: 1<<32 + 9, Term: 3, Err: api.ErrConflict, Edges: records})
	require.Contains(t, scrape(reg), `grafnode_edge_generation_changes_total{reason="takeover"} 1`)
	require.Contains(t, scrape(reg), `grafnode_edge_generation_changes_total{reason="created"} 1`)
	require.Contains(t, scrape(reg), `grafnode_leases_ended_total{status="released"} 1`)
	require.Contains(t, scrape(reg), `grafnode_raft_leader_changes_total 1`)
}

func TestWatchesAreCounted(t *testing.T) {
	f := newFixture(t)
	f.registry.events = []api.Event{
		{Type: api.EventState, Resync: true, Edge: &api.Edge{Name: "e"}}, {Type: api.EventSync, Resync: true}, {Type: api.EventChange, Edge: &api.Edge{Name: "e"}},
		{Type: api.EventSync, Resync: true}, {Type: "new"},
	}
	f.registry.watchErr = api.ErrGap
	f.ask(t, "GET", "/v1/watch?from=1", "")
	for _, line := range []string{
		"grafnode_watch_streams 0", `grafnode_watch_events_total{type="sync"} 2`, `grafnode_watch_events_total{type="other"} 1`, "grafnode_watch_gaps_total 1",
		`grafnode_watch_resyncs_total{reason="resumed"} 1`, `grafnode_watch_resyncs_total{reason="running"} 1`,
	} {
		require.Contains(t, scrape(f.server.c.Metrics), "\n"+line+"\n")
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	f := newFixture(t)
	reg := f.server.c.Metrics
	NewStages(reg).Report("s1", report(10, 0.1))
	NewChanges(reg)
	NewCluster(reg, "n1", f.registry, f.server.c.Gossip, func() []Ring { return []Ring{{"e", 1, 2, 5}, {"e", 3, 4, 7}} })
	NewControl(reg, f.registry, f.group, func() leasebroker.Stats { return leasebroker.Stats{Timed: 3} }, func() Port { return Port{Open: 2} })
	ShowCertificate(reg, time.Now)
	ShowSilences(reg, func() (uint64, uint64) { return 2, 1 })
	ShowDirect(reg, func() (uint64, uint64) { return 3, 1 })
	ShowRefusals(reg, func() uint64 { return 4 })
	f.ask(t, "POST", "/v1/changes", createParse)
	refused, _, _ := f.ask(t, "GET", "/v1/watch?from=x", "")
	require.Equal(t, 400, refused)
	status, _, body := f.ask(t, "GET", "/metrics", "")
	require.Equal(t, 200, status, body)
	require.Contains(t, body, `grafnode_ring_used_bytes{edge="e"} 4`)
	require.Contains(t, body, "grafnode_memory_mapped_bytes 12")
	require.Contains(t, body, `grafnode_edge_generation{edge="p.parse"} 1`)
	require.Contains(t, body, `grafnode_http_request_seconds_count{code="200",route="POST /v1/changes"} 1`)
	require.Contains(t, body, `grafnode_http_request_seconds_count{code="400",route="GET /v1/watch"} 1`)
	families, err := reg.Gather()
	require.NoError(t, err)
	checkDocumented(t, reg)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

// checkDocumented holds docs/metrics.md to what is shown: each series is in its tables, with its type and labels, and
// nothing else is.
func checkDocumented(t *testing.T, reg *prometheus.Registry) {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	text, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	written := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(grafnode_[a-z_]+)` \\| (.+?) \\| (.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		written[m[1]] = m[2] + " by " + m[3]
	}
	shown := map[string]string{}
	for _, f := range families {
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		shown[f.GetName()] = strings.ToLower(f.GetType().String()) + " by " + strings.Join(labels, ", ")
	}
	require.Equal(t, shown, written)
}
