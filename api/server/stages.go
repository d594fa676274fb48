package server

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
)

const (
	// seriesMax bounds how many edges, and how many stages, get series of their own; later ones share the label "other".
	seriesMax = 1000
	other     = "other"
)

var reasons = []api.Reason{
	api.ReasonCreated, api.ReasonTakeover, api.ReasonRingLost, api.ReasonExpired, api.ReasonRevoked, api.ReasonCorrupt,
	api.ReasonRequested, api.ReasonGone, api.ReasonRecovered, api.ReasonSpareArmed, api.ReasonMoved, api.ReasonSpareLost,
}

// Stages adds up what this node's stages report over their sessions, into series that go on when a session ends and its
// successor counts from zero again. All methods are safe for concurrent use.
type Stages struct {
	items, bytes, repeats, rebinds, fenced *prometheus.CounterVec
	retained, retainedBytes                *prometheus.GaugeVec
	states, since, lag                     *prometheus.GaugeVec
	rewire, phases, gap                    *prometheus.HistogramVec
	commits, stored, refused, restarts     *prometheus.CounterVec
	sessions                               *prometheus.GaugeVec
	silent, mistaken                       prometheus.Counter

	mu     sync.Mutex
	live   map[lease.SessionID]*stageSession
	began  map[string]bool // stages that have had a session here
	edges  names
	stages names
	traces traces
	tell   func(api.Trace) // of each rewire; nil: nobody
}

type stageSession struct {
	stage string // label
	name  string
	at    time.Time // of the last report
	edges map[edgeSide]api.EdgeReport
	sink  api.SinkReport
	quiet api.Silences
}

type edgeSide struct {
	edge string
	role fabric.Role
}

// names hands out label values, a bounded number of them.
type names map[string]bool

func (n names) label(s string) string {
	if !n[s] && len(n) >= seriesMax {
		return other
	}
	n[s] = true
	return s
}

// seconds spans a wake-up to a node's death; the buckets of the histograms. A phase may take less.
var (
	seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	phases  = append([]float64{.00005, .0001, .00025, .0005}, seconds...)
)

// NewStages registers the stages' series with reg.
func NewStages(reg prometheus.Registerer) *Stages {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "grafnode", Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "grafnode", Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	histogram := func(buckets []float64, name, help string, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "grafnode", Name: name, Help: help, Buckets: buckets}, labels)
		reg.MustRegister(v)
		return v
	}
	silent, mistaken := silences("stage")
	s := &Stages{
		items:         counter("edge_items_total", "Items pushed (role producer) or accepted (role consumer).", "edge", "role"),
		bytes:         counter("edge_bytes_total", "The same in encoded bytes.", "edge", "role"),
		repeats:       counter("edge_repeats_dropped_total", "Items that came again after a failure and were left out: not sent (role producer) or dropped (role consumer).", "edge", "role"),
		rebinds:       counter("edge_rebinds_total", "Rings bound after the first, by reason.", "edge", "role", "reason"),
		fenced:        counter("edge_fenced_writes_total", "Uses of an edge refused because a newer epoch has taken the role over.", "edge", "role"),
		retained:      gauge("edge_retained_items", "Items held by the producer until their ack.", "edge"),
		retainedBytes: gauge("edge_retained_bytes", "The same in encoded bytes.", "edge"),
		states:        gauge("edge_state", "1 for the state in which the edge stands by the word of its side, else 0.", "edge", "role", "state"),
		since:         gauge("edge_state_since_timestamp_seconds", "Since when it stands so; of stalled, when something was last taken.", "edge", "role"),
		lag:           gauge("edge_lag_seconds", "How long an item waited lately, or waits, from its push to its ack.", "edge"),
		phases:        histogram(phases, "edge_rewire_phase_seconds", "From one phase of a rewire to the next.", "role", "phase"),
		rewire:        histogram(seconds, "edge_rewire_seconds", "From the loss of a ring to the first new item in the next.", "edge", "role"),
		gap:           histogram(seconds, "sink_gap_seconds", "From one commit of items to the next: a source with nothing to say, or the throughput dip of a failure.", "stage"),
		commits:       counter("sink_commits_total", "Transactions committed by the stage's sink.", "stage"),
		stored:        counter("sink_items_total", "Items in those transactions.", "stage"),
		refused:       counter("sink_fenced_writes_total", "Transactions refused because a newer epoch has taken the stage over.", "stage"),
		restarts:      counter("stage_restarts_total", "Sessions of a stage begun on this node after its first.", "stage"),
		sessions:      gauge("stage_sessions", "Sessions of a stage on this node now.", "stage"),
		live:          map[lease.SessionID]*stageSession{},
		began:         map[string]bool{},
		edges:         names{},
		stages:        names{},
		traces:        traces{},
		silent:        prometheus.NewCounter(prometheus.CounterOpts(silent)),
		mistaken:      prometheus.NewCounter(prometheus.CounterOpts(mistaken)),
	}
	reg.MustRegister(s.silent, s.mistaken)
	return s
}

// OnRewire has f told of each rewire that is reported from then on, by who calls Report, and without holding anybody else up. To be set before anything
// is reported.
func (s *Stages) OnRewire(f func(api.Trace)) { s.tell = f }

// silences describes the counters of processes that were given up for their silence, by whom.
func silences(by string) (silent, mistaken prometheus.Opts) {
	labels := prometheus.Labels{"by": by}
	return prometheus.Opts{Namespace: "grafnode", Name: "silences_total", ConstLabels: labels, Help: "Processes given up for their silence."},
		prometheus.Opts{Namespace: "grafnode", Name: "silences_mistaken_total", ConstLabels: labels, Help: "Of these, those that were slow, not gone."}
}

// ShowSilences registers with reg what the node itself has counted of them.
func ShowSilences(reg prometheus.Registerer, counts func() (judged, mistaken uint64)) {
	silent, mistaken := silences("node")
	reg.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts(silent), func() float64 { n, _ := counts(); return float64(n) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts(mistaken), func() float64 { _, n := counts(); return float64(n) }),
	)
}

// ShowDirect registers with reg how many rings' producers elsewhere have written past this node's processors, and how many might have but go by TCP.
func ShowDirect(reg prometheus.Registerer, counts func() (ways, fallbacks uint64)) {
	reg.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "grafnode", Name: "rdma_ways_total", Help: "Queue pairs opened for producers elsewhere."},
			func() float64 { n, _ := counts(); return float64(n) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "grafnode", Name: "rdma_fallbacks_total", Help: "Producers that go by TCP because setting up RDMA failed."},
			func() float64 { _, n := counts(); return float64(n) }),
	)
}

// Began counts a session that has begun on this node. A second call for the same session counts nothing.
func (s *Stages) Began(id lease.SessionID, stage string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session(id, stage)
}

func (s *Stages) session(id lease.SessionID, stage string) *stageSession {
	if had := s.live[id]; had != nil {
		return had
	}
	new := &stageSession{stage: s.stages.label(stage), name: stage, edges: map[edgeSide]api.EdgeReport{}}
	s.live[id] = new
	s.sessions.WithLabelValues(new.stage).Inc()
	restarts := s.restarts.WithLabelValues(new.stage) // shown from the start, so that the first restart is an increase
	if s.began[new.stage] {
		restarts.Inc()
	}
	s.began[new.stage] = true
	return new
}

// Report takes a session's counters, which count from its start.
func (s *Stages) Report(id lease.SessionID, r api.StageReport) {
	rewires := s.take(id, r)
	if s.tell == nil {
		return
	}
	for _, t := range rewires {
		s.tell(t)
	}
}

// take adds a report up, and returns the rewires in it.
func (s *Stages) take(id lease.SessionID, r api.StageReport) (rewires []api.Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.session(id, r.Stage)
	session.at = time.Now()
	for _, now := range r.Edges {
		side := edgeSide{now.Edge, now.Role}
		edge, role := s.edges.label(now.Edge), roleLabel(now.Role)
		s.addEdge(edge, role, session.edges[side], now)
		s.stands(edge, role, now)
		rewires = append(rewires, s.trace(id, session.name, now)...)
		now.Rewires, now.Traces = nil, nil // told once
		session.edges[side] = now
	}
	s.silent.Add(delta(session.quiet.Judged, r.Silences.Judged))
	s.mistaken.Add(delta(session.quiet.Mistaken, r.Silences.Mistaken))
	session.quiet = r.Silences
	if r.Sink != nil {
		s.addSink(session, *r.Sink)
	}
	return rewires
}

func (s *Stages) addSink(session *stageSession, now api.SinkReport) {
	s.commits.WithLabelValues(session.stage).Add(delta(session.sink.Commits, now.Commits))
	s.stored.WithLabelValues(session.stage).Add(delta(session.sink.Items, now.Items))
	s.refused.WithLabelValues(session.stage).Add(delta(session.sink.Fenced, now.Fenced))
	for _, gap := range now.Gaps {
		s.gap.WithLabelValues(session.stage).Observe(gap)
	}
	session.sink = now
}

func (s *Stages) addEdge(edge, role string, was, now api.EdgeReport) {
	s.items.WithLabelValues(edge, role).Add(delta(was.Items, now.Items))
	s.bytes.WithLabelValues(edge, role).Add(delta(was.Bytes, now.Bytes))
	s.repeats.WithLabelValues(edge, role).Add(delta(was.Repeats, now.Repeats))
	s.fenced.WithLabelValues(edge, role).Add(delta(was.Fenced, now.Fenced))
	for cause, n := range now.Causes {
		s.rebinds.WithLabelValues(edge, role, reasonLabel(api.Reason(cause))).Add(delta(was.Causes[cause], n))
	}
	for _, took := range now.Rewires {
		s.rewire.WithLabelValues(edge, role).Observe(took)
	}
	if now.Role == fabric.RoleProducer {
		s.retained.WithLabelValues(edge).Set(float64(now.Retained))
		s.retainedBytes.WithLabelValues(edge).Set(float64(now.RetainBytes))
	}
}

// Ended forgets a session. What it counted stays; what it held is gone.
func (s *Stages) Ended(id lease.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.live[id]
	if session == nil {
		return
	}
	delete(s.live, id)
	s.sessions.WithLabelValues(session.stage).Dec()
	for side := range session.edges {
		edge := s.edges.label(side.edge)
		s.states.DeletePartialMatch(prometheus.Labels{"edge": edge, "role": roleLabel(side.role)})
		s.since.DeleteLabelValues(edge, roleLabel(side.role))
		if side.role == fabric.RoleProducer {
			s.retained.DeleteLabelValues(edge)
			s.retainedBytes.DeleteLabelValues(edge)
			s.lag.DeleteLabelValues(edge)
		}
	}
}

// delta is what a counter has gained. One that fell has started over.
func delta(was, now uint64) float64 {
	if now < was {
		return float64(now)
	}
	return float64(now - was)
}

func roleLabel(r fabric.Role) string {
	if r == fabric.RoleProducer || r == fabric.RoleConsumer {
		return string(r)
	}
	return other
}

// reasonLabel keeps a reason that a newer node or a confused stage invented from becoming a series.
func reasonLabel(r api.Reason) string {
	for _, known := range reasons {
		if r == known {
			return string(r)
		}
	}
	return other
}
