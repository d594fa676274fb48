package server

import (
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
)

// Of the rewires of each side of an edge so many are kept, and of so many sides: of more, those that have rewired lately.
const (
	tracesKept  = 8
	tracedSides = 2 * seriesMax
)

// traces are the last rewires that stages have reported here, of whichever sessions, oldest first.
type traces map[edgeSide][]api.Trace

func (t traces) add(side edgeSide, trace api.Trace) {
	if t[side] == nil && len(t) >= tracedSides {
		t.forget()
	}
	all := append(t[side], trace)
	t[side] = all[max(0, len(all)-tracesKept):]
}

// forget forgets the side whose last rewire is the oldest.
func (t traces) forget() {
	var oldest edgeSide
	var at time.Time
	for side, all := range t {
		if last := all[len(all)-1].Noticed; at.IsZero() || last.Before(at) {
			oldest, at = side, last
		}
	}
	delete(t, oldest)
}

// stands shows how an edge stands. The edges without a label of their own have no common state.
func (s *Stages) stands(edge, role string, r api.EdgeReport) {
	if edge == other || r.State == "" {
		return
	}
	for _, state := range api.EdgeStates() {
		is := 0.0
		if state == r.State {
			is = 1
		}
		s.states.WithLabelValues(edge, role, string(state)).Set(is)
	}
	s.since.WithLabelValues(edge, role).Set(float64(r.Since.UnixMilli()) / 1000)
	if r.Role == fabric.RoleProducer {
		s.lag.WithLabelValues(edge).Set(r.Lag.Seconds())
	}
}

// trace measures the rewires in a report, keeps the last of them, and returns them all.
func (s *Stages) trace(id lease.SessionID, stage string, r api.EdgeReport) []api.Trace {
	all := make([]api.Trace, 0, len(r.Traces))
	for _, rewire := range r.Traces {
		for _, phase := range rewire.Phases() {
			s.phases.WithLabelValues(roleLabel(r.Role), phase.Name).Observe(max(0, phase.Took.Seconds()))
		}
		trace := api.Trace{Edge: r.Edge, Role: r.Role, Stage: stage, Session: id, Rewire: rewire}
		s.traces.add(edgeSide{r.Edge, r.Role}, trace)
		all = append(all, trace)
	}
	return all
}

// Reports returns what the stages have last reported of the edges whose names begin with prefix, in any order, and their traces if asked for. The
// caller may change what it gets.
func (s *Stages) Reports(prefix string, withTraces bool) api.Reports {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := api.Reports{Sides: []api.SideReport{}, Traces: []api.Trace{}}
	now := time.Now()
	for id, session := range s.live {
		for side, last := range session.edges {
			if strings.HasPrefix(side.edge, prefix) {
				r.Sides = append(r.Sides, api.SideReport{Stage: session.name, Session: id, Age: now.Sub(session.at), EdgeReport: last})
			}
		}
	}
	if !withTraces {
		return r
	}
	for side, all := range s.traces {
		if strings.HasPrefix(side.edge, prefix) {
			r.Traces = append(r.Traces, all...)
		}
	}
	return r
}
