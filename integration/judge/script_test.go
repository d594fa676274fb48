package judge

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// script writes a history by hand. Each call takes one unit of time unless it is told otherwise.
type script struct {
	h   history.History
	now lease.Instant
	n   int
}

func record(name string, rev api.Revision, gen fence.Epoch, tag string) api.Edge {
	return api.Edge{
		Name: name, Revision: rev, Generation: gen, Reason: api.ReasonTakeover,
		Locator:  locator.Locator{Arena: locator.ArenaID(fmt.Sprint(name, gen)), Node: "n"},
		Producer: api.Side{Stage: tag, Session: lease.SessionID("s" + tag), Epoch: gen},
	}
}

func (s *script) add(op history.Op) *history.Op {
	if op.Call == 0 {
		s.now++
		op.Call = s.now
		s.now++
		op.Return = s.now
	}
	s.h.Ops = append(s.h.Ops, op)
	return &s.h.Ops[len(s.h.Ops)-1]
}

// change is a takeover of edges, told to have left the records.
func (s *script) change(outcome history.Outcome, expect api.Revision, records ...api.Edge) *history.Op {
	s.n++
	op := history.Op{Kind: history.Change, Outcome: outcome, Tag: records[0].Producer.Stage, Change: &api.ChangeRequest{Reason: api.ReasonTakeover}}
	for _, r := range records {
		op.Change.Edges = append(op.Change.Edges, api.EdgeChange{Name: r.Name, Expect: expect, TakeProducer: true})
	}
	switch outcome {
	case history.Applied:
		op.Edges = records
	case history.Unknown:
		op.Error = api.Errorf(api.KindUnknown, "unknown")
	case history.Refused:
		op.Error = api.Errorf(api.KindConflict, "conflict")
	}
	return s.add(op)
}

func (s *script) read(r api.Edge) *history.Op {
	return s.add(history.Op{Kind: history.Read, Outcome: history.Applied, Edge: r.Name, Fresh: api.Default, Edges: []api.Edge{r}})
}

func (s *script) absent(name string) *history.Op {
	return s.add(history.Op{Kind: history.Read, Outcome: history.Refused, Edge: name, Fresh: api.Strict, Error: api.Errorf(api.KindNotFound, "none")})
}

// freed is r when its session has ended.
func freed(r api.Edge, rev api.Revision) api.Edge {
	r.Revision, r.Reason, r.Producer.Session = rev, api.ReasonGone, ""
	return r
}

func (s *script) findings() []Finding { return Judge(&s.h, 10*time.Second) }

func (s *script) right(t *testing.T) {
	t.Helper()
	require.Empty(t, s.findings())
}

// wrong requires that a check, and perhaps others, found something.
func (s *script) wrong(t *testing.T, check string) {
	t.Helper()
	for _, f := range s.findings() {
		if f.Check == check {
			return
		}
	}
	t.Fatalf("%s found nothing wrong; others: %v", check, s.findings())
}

var (
	a1 = record("a.x", 10, 1, "t1")
	a2 = record("a.x", 20, 2, "t2")
	a3 = record("a.x", 30, 3, "t3")
	b1 = record("a.y", 10, 1, "t1")
	b2 = record("a.y", 20, 2, "t2")
)

func moved(r api.Edge, rev api.Revision) api.Edge {
	r.Revision, r.Reason, r.Generation = rev, api.ReasonRequested, r.Generation+1
	r.Locator.Arena = locator.ArenaID(fmt.Sprint(r.Name, r.Generation))
	return r
}
