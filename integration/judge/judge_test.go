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

func TestARightHistory(t *testing.T) {
	var s script
	s.absent("a.x")
	s.change(history.Applied, 0, a1, b1)
	s.change(history.Refused, 0, record("a.x", 12, 2, "t8"))
	s.read(a1)
	s.read(freed(a1, 15)) // nobody's doing
	s.change(history.Refused, 10, record("a.x", 17, 2, "t9"))
	s.change(history.Unknown, 15, a2)
	s.read(a2)
	s.change(history.Applied, 20, a3)
	s.read(a3)
	s.add(history.Op{Kind: history.Relocate, Outcome: history.Applied, Edge: "a.x", Edges: []api.Edge{moved(a3, 40)}})
	s.add(history.Op{Kind: history.Relocate, Outcome: history.Unknown, Edge: "a.x", Error: api.Errorf(api.KindUnknown, "")})
	s.read(moved(moved(a3, 40), 50))
	s.add(history.Op{Kind: history.Delete, Outcome: history.Applied, Edge: "a.x", Expect: 50})
	s.absent("a.x")
	s.change(history.Applied, 0, record("a.x", 60, 6, "t6"))
	s.right(t)
}

func moved(r api.Edge, rev api.Revision) api.Edge {
	r.Revision, r.Reason, r.Generation = rev, api.ReasonRequested, r.Generation+1
	r.Locator.Arena = locator.ArenaID(fmt.Sprint(r.Name, r.Generation))
	return r
}

func TestUnknownMayTakeEffectLater(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.change(history.Unknown, 10, a2)
	s.read(a1)
	s.read(a1)
	s.read(a2)
	s.right(t)
	s.read(a1)
	s.wrong(t, "edges")
}

func TestStaleRead(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.change(history.Applied, 10, a2)
	s.read(a1)
	s.wrong(t, "edges")
	s.h.Ops[2].Fresh = api.Stale
	s.right(t)
}

func TestReadsGoBack(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	late := s.change(history.Applied, 10, a2)
	late.Return = 1000
	s.read(a2)
	s.right(t)
	s.read(a1)
	s.wrong(t, "edges")
}

func TestLostWrite(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.change(history.Applied, 10, a2)
	s.change(history.Applied, 10, record("a.x", 30, 2, "t3"))
	s.wrong(t, "edges")
	s.wrong(t, "records") // generation 2 twice
}

func TestHalfAChange(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1, b1)
	s.change(history.Applied, 10, a2, b2)
	both := history.Op{Kind: history.List, Outcome: history.Applied, Group: "a", Fresh: api.Default, Edges: []api.Edge{a2, b2}}
	s.add(both)
	s.right(t)
	both.Edges = []api.Edge{a2, b1}
	s.add(both)
	s.wrong(t, "edges")
}

func TestAnUnknownChangeIsWholeToo(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1, b1)
	s.change(history.Unknown, 10, a2, b2)
	s.read(a2)
	s.read(b1)
	s.wrong(t, "edges")
}

func TestRefusedButDone(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.change(history.Refused, 10, a2)
	s.read(a2)
	s.wrong(t, "records")
}

func TestDoneTwice(t *testing.T) {
	var s script
	s.change(history.Unknown, 0, a1)
	s.read(a1)
	s.add(history.Op{Kind: history.Delete, Outcome: history.Applied, Edge: "a.x", Expect: 10})
	s.read(record("a.x", 20, 2, "t1"))
	s.wrong(t, "records")
}

func TestGenerationAgainAfterDelete(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.add(history.Op{Kind: history.Delete, Outcome: history.Applied, Edge: "a.x", Expect: 10})
	s.change(history.Applied, 0, record("a.x", 20, 1, "t2"))
	s.wrong(t, "records")
}

func TestTwoHoldersOfAnEpoch(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	other := moved(a1, 20)
	other.Producer.Session = "another"
	s.read(other)
	s.wrong(t, "records")
}

func TestSeenBeforeItWasAsked(t *testing.T) {
	var s script
	r := s.read(a1)
	r.Fresh = api.Stale
	s.change(history.Applied, 0, a1)
	s.wrong(t, "records")
}

func TestConfirmedAndForgotten(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.change(history.Applied, 10, a2)
	one := history.Final{Edges: []api.Edge{a2}, Past: map[string][]api.Change{"a.x": {
		{Revision: 10, Generation: 1, Reason: api.ReasonTakeover}, {Revision: 20, Generation: 2, Reason: api.ReasonTakeover}}}}
	s.h.Finals = []history.Final{one}
	s.right(t)
	s.h.Finals[0].Past = map[string][]api.Change{"a.x": one.Past["a.x"][:1]}
	s.wrong(t, "records")
	s.h.Finals = []history.Final{one, {Edges: []api.Edge{a1}, Past: one.Past}}
	s.wrong(t, "records")
}

// A command may end a ring's lease and its producer's session: two lines of history, and one record.
func TestTwoEndsAtOneRevision(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.read(freed(a1, 15))
	s.add(history.Op{Kind: history.Past, Outcome: history.Applied, Edge: "a.x", Fresh: api.Default, Past: []api.Change{
		{Revision: 10, Generation: 1, Reason: api.ReasonTakeover}, {Revision: 15, Generation: 1, Reason: api.ReasonExpired},
		{Revision: 15, Generation: 1, Reason: api.ReasonGone},
	}})
	s.right(t)
	other := freed(a1, 15)
	other.Reason = api.ReasonExpired
	s.read(other)
	s.wrong(t, "records")
}

func TestSessionEndsEarly(t *testing.T) {
	var s script
	s.change(history.Applied, 0, a1)
	s.read(freed(a1, 15)) // returns at 4
	s.h.Holdings = []history.Holding{{Session: "st1", Edge: "a.x", Told: []history.Told{{At: 1, Deadline: 4}}}}
	s.right(t)
	s.h.Holdings[0].Told = append(s.h.Holdings[0].Told, history.Told{At: 9, Deadline: 12}) // renewed when it had ended
	s.wrong(t, "leases")
	s.h.Holdings[0].Closed = 3
	s.right(t)
}

func TestLeaseLives(t *testing.T) {
	var s script
	s.now = 10
	s.add(history.Op{Kind: history.Acquire, Outcome: history.Applied, Session: "s", Ask: &lease.Request{}, Grant: &lease.Grant{ID: "l", TTL: 100}})
	s.h.Holdings = []history.Holding{{Session: "s", Edge: "h.x", Told: []history.Told{{At: 1, Deadline: 50}}}}
	list := history.Op{Kind: history.Leases, Outcome: history.Applied, Fresh: api.Default}
	with := list
	with.Leases = []lease.ID{"l"}
	s.add(with)
	release := s.add(history.Op{Kind: history.Release, Outcome: history.Applied, Lease: "l", Session: "s"})
	s.add(list)
	s.right(t)
	release.Kind = history.Acquire // it was not
	release.Ask = &lease.Request{}
	s.wrong(t, "leases")
	s.h.Ops[2].Kind = history.Release
	s.add(with)
	s.wrong(t, "leases")
}

func TestRegionEpochs(t *testing.T) {
	var s script
	ask := &lease.Request{Kind: lease.KindBlock, Name: "r"}
	for i, session := range []lease.SessionID{"s1", "s2"} {
		s.add(history.Op{Kind: history.Acquire, Outcome: history.Applied, Session: session, Ask: ask,
			Grant: &lease.Grant{ID: "l", Epoch: fence.Epoch(i + 1)}})
	}
	s.right(t)
	s.h.Ops[1].Grant.Epoch = 1
	s.wrong(t, "leases")
}

func TestCheckpointFence(t *testing.T) {
	var s script
	put := func(o history.Outcome, k api.Kind, epoch fence.Epoch, value string) {
		op := history.Op{Kind: history.PutCheckpoint, Outcome: o, Key: "k", Put: &api.CheckpointRequest{Epoch: epoch, Write: true, Value: []byte(value)}}
		if o == history.Applied {
			op.Checkpoint = &api.Checkpoint{Epoch: epoch, Value: []byte(value), Revision: api.Revision(s.now + 1)}
		} else {
			op.Error = api.Errorf(k, "")
		}
		s.add(op)
	}
	put(history.Applied, "", 5, "v1")
	put(history.Refused, api.KindFenced, 4, "v2")
	put(history.Unknown, api.KindUnknown, 6, "v3")
	s.right(t)
	s.add(history.Op{Kind: history.GetCheckpoint, Outcome: history.Applied, Key: "k", Checkpoint: &api.Checkpoint{Epoch: 6, Value: []byte("v3"), Revision: 44}})
	s.right(t)
	put(history.Applied, "", 5, "v4")
	s.wrong(t, "checkpoints")
}

func watch(from api.Revision, events ...api.Event) history.Stream {
	s := history.Stream{Watcher: 1, Prefix: "", From: from}
	for i, e := range events {
		s.Seen = append(s.Seen, history.Seen{At: lease.Instant(100 + i), Event: e})
	}
	return s
}

func event(t api.EventType, at api.Revision) api.Event { return api.Event{Type: t, Revision: at} }

func change(e api.Edge) api.Event {
	return api.Event{Type: api.EventChange, Revision: e.Revision, Edge: &e}
}

func TestWatches(t *testing.T) {
	base := func() *script {
		s := new(script)
		s.change(history.Applied, 0, a1)
		s.change(history.Applied, 10, a2)
		s.change(history.Applied, 20, a3)
		return s
	}
	sync := event(api.EventSync, 5)
	for name, tc := range map[string]struct {
		streams []history.Stream
		wrong   bool
	}{
		"all of it":           {[]history.Stream{watch(0, sync, change(a1), change(a2), change(a3), event(api.EventBookmark, 35))}, false},
		"the latest":          {[]history.Stream{watch(0, sync, change(a3), event(api.EventBookmark, 35))}, false},
		"goes on":             {[]history.Stream{watch(0, sync, change(a1)), watch(10, change(a2), change(a3), event(api.EventBookmark, 35))}, false},
		"missed at a mark":    {[]history.Stream{watch(0, sync, change(a1), event(api.EventBookmark, 35))}, true},
		"missed when resumed": {[]history.Stream{watch(0, sync, change(a1)), watch(10, event(api.EventBookmark, 35))}, true},
		"backwards":           {[]history.Stream{watch(0, sync, change(a2), change(a1))}, true},
		"twice":               {[]history.Stream{watch(0, sync, change(a2), change(a2))}, true},
		"behind the resume":   {[]history.Stream{watch(0, sync, change(a1), change(a2)), watch(20, change(a2))}, true},
		"behind a mark":       {[]history.Stream{watch(0, sync, change(a1), change(a2), change(a3), event(api.EventBookmark, 35), change(a3))}, true},
		"marks fall":          {[]history.Stream{watch(0, sync, event(api.EventBookmark, 9), event(api.EventBookmark, 8))}, true},
		"state lacks an edge": {[]history.Stream{watch(0, event(api.EventSync, 35))}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := base()
			s.h.Streams = tc.streams
			if tc.wrong {
				s.wrong(t, "watches")
			} else {
				s.right(t)
			}
		})
	}
	s := base()
	s.h.Streams = []history.Stream{watch(0, sync, change(a1), change(a3), event(api.EventBookmark, 35))}
	s.right(t)
	s.h.Streams[0].All = true
	s.wrong(t, "watches")
}
