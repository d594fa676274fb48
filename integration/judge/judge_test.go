package judge

import (
	"testing"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
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
