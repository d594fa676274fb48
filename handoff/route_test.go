package handoff_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// rec is a record in short: its revision, its ring and its spare, of roles under epoch 1.
func rec(revision uint64, ring, spare fence.Epoch) handoff.Record {
	r := handoff.Record{Revision: revision, Generation: ring, Producer: 1, Consumer: 1, Held: true}
	if spare != 0 {
		r.Spare = handoff.Spare{Generation: spare, Producer: 1, Consumer: 1}
	}
	return r
}

func news(r handoff.Record) handoff.Event { return handoff.Event{What: handoff.News, Record: r} }
func applied(r handoff.Record) handoff.Event {
	return handoff.Event{What: handoff.Applied, Record: r}
}
func of(w handoff.What, ring fence.Epoch) handoff.Event { return handoff.Event{What: w, Ring: ring} }

func takenFrom(r handoff.Record) handoff.Record { r.Producer = 9; return r }

// step is an event and the effects that it must have, in short.
type step struct {
	e    handoff.Event
	want []string
}

func short(effects []handoff.Effect) []string {
	out := []string{}
	for _, e := range effects {
		switch {
		case e.Ring != 0:
			out = append(out, fmt.Sprintf("%v %d", e.Do, e.Ring))
		case e.Expect != 0:
			out = append(out, fmt.Sprintf("%v at %d", e.Do, e.Expect))
		default:
			out = append(out, e.Do.String())
		}
	}
	return out
}

func does(w ...string) []string { return append([]string{}, w...) }

// flowing brings a producer and a consumer to where a spare is armed and attached.
var (
	producing = []step{
		{news(rec(1, 1, 0)), does("attach 1")},
		{of(handoff.Opened, 1), does("bind 1")},
		{of(handoff.Met, 1), does("arm at 1")},
		{applied(rec(2, 1, 2)), does("attach 2")},
		{of(handoff.Opened, 2), does("watch 2")},
		{of(handoff.Met, 2), does()},
	}
	consuming = []step{
		{news(rec(1, 1, 0)), does("attach 1")},
		{of(handoff.Opened, 1), does("bind 1")},
		{news(rec(2, 1, 2)), does("attach 2")},
		{of(handoff.Opened, 2), does("watch 2")},
	}
)

func TestProducerMoves(t *testing.T) {
	walkAll(t, handoff.NewRoute(handoff.Producer, 1, true), producing, map[string][]step{
		"ring lost": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{applied(rec(3, 2, 3)), does("attach 3")},
			{of(handoff.Opened, 3), does("watch 3")},
			{of(handoff.Met, 3), does()},
			{of(handoff.Ended, 2), does("leave 2", "read")},
			{applied(rec(3, 2, 3)), does("activate 3", "bind 3")},
		},
		"both rings lost": {
			{of(handoff.Broken, 2), does("leave 2", "arm later")},
			{of(handoff.Broken, 1), does("leave 1", "change at 2")},
			{applied(rec(3, 3, 0)), does("attach 3")},
			{of(handoff.Opened, 3), does("bind 3")},
			{of(handoff.Met, 3), does()},
			{of(handoff.ArmAgain, 0), does("arm at 3")},
		},
		"ring lost, then the spare": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{of(handoff.Broken, 2), does("leave 2")},
			{applied(rec(3, 2, 3)), does("attach 3", "change at 3")},
			{of(handoff.Opened, 3), does("watch 3")},
			{of(handoff.Met, 3), does("activate 3", "bind 3")},
			{applied(rec(4, 4, 0)), does("leave 3", "attach 4")},
		},
		"activation fails": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Broken, 2), does("leave 2", "change at 2")},
			{of(handoff.Unknown, 0), does("read")},
			{applied(rec(2, 1, 2)), does("change at 2")},
		},
		"the consumer wants to move": {
			{of(handoff.MoveWanted, 2), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
		},
		"the edge has moved on": {
			{of(handoff.Ended, 1), does("leave 1", "read")},
			{applied(rec(3, 3, 0)), does("attach 3", "leave 2")},
		},
		"the edge has moved on, and nobody says where": {
			{of(handoff.Ended, 1), does("leave 1", "read")},
			{of(handoff.Overdue, 1), does("activate 2", "bind 2")},
		},
		"old news": {
			{news(rec(1, 1, 0)), does()},
			{of(handoff.Opened, 1), does()},
			{of(handoff.Broken, 7), does()},
		},
	})
}

func TestProducerWaitsInVain(t *testing.T) {
	walkAll(t, handoff.NewRoute(handoff.Producer, 1, true), producing, map[string][]step{
		"nobody in the next spare": {
			{of(handoff.Broken, 2), does("leave 2", "arm later")},
			{of(handoff.ArmAgain, 0), does("arm at 2")},
			{applied(rec(3, 1, 3)), does("attach 3")},
			{of(handoff.Overdue, 3), does("leave 3", "arm later")},
			{of(handoff.Opened, 3), does()},
			{of(handoff.ArmAgain, 0), does("arm at 3")},
			{applied(rec(4, 1, 4)), does("attach 4")},
			{of(handoff.Opened, 4), does("watch 4")},
			{of(handoff.Overdue, 4), does("leave 4", "arm later")},
			{of(handoff.Met, 4), does()},
		},
		"no resume note in the spare": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Overdue, 2), does("leave 2", "change at 2")},
		},
		"no resume note in a ring": {
			{news(rec(3, 3, 0)), does("leave 1", "attach 3", "leave 2")},
			{of(handoff.Opened, 3), does("bind 3")},
			{of(handoff.Overdue, 3), does("read")},
			{applied(rec(3, 3, 0)), does()},
		},
	})
}

func TestProducerConfirms(t *testing.T) {
	walkAll(t, handoff.NewRoute(handoff.Producer, 1, true), producing, map[string][]step{
		"overtaken while unconfirmed": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{news(rec(3, 3, 0)), does("leave 2", "attach 3")},
			{of(handoff.Refused, 0), does("read")},
			{applied(rec(3, 3, 0)), does()},
		},
		"refused, and overtaken": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{of(handoff.Refused, 0), does("read")},
			{applied(rec(3, 3, 0)), does("leave 2", "attach 3")},
		},
		"refused, and fenced": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{of(handoff.Refused, 0), does("read")},
			{applied(takenFrom(rec(3, 3, 0))), does("quit")},
			{of(handoff.Broken, 2), nil},
		},
		"unknown, and applied": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{of(handoff.Unknown, 0), does("read")},
			{applied(rec(3, 2, 3)), does("attach 3")},
		},
		"unknown, and not applied": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{of(handoff.Unknown, 0), does("read")},
			{applied(rec(2, 1, 2)), does("confirm and arm 2")},
		},
		"the spare's lease ends": {
			{news(rec(3, 1, 0)), does("leave 2", "arm at 3")},
			{of(handoff.NoRoom, 0), does("arm later")},
			{of(handoff.Broken, 1), does("leave 1", "change at 3")},
		},
		"overtaken before the consumer has answered": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{news(rec(3, 3, 0)), does("leave 2", "attach 3")},
			{of(handoff.Met, 2), does()},
		},
		"the spare's lease ends before the consumer has answered": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{news(rec(3, 1, 0)), does("leave 2", "change at 3")},
		},
		"the spare's lease ends while unconfirmed": {
			{of(handoff.Broken, 1), does("activate 2", "leave 1", "bind 2")},
			{of(handoff.Met, 2), does("confirm and arm 2")},
			{news(rec(3, 1, 0)), does("leave 2")},
			{of(handoff.Refused, 0), does("read")},
			{applied(rec(3, 1, 0)), does("change at 3")},
		},
	})
}

func TestConsumersRoute(t *testing.T) {
	walkAll(t, handoff.NewRoute(handoff.Consumer, 1, true), consuming, map[string][]step{
		"the producer moves": {
			{of(handoff.Activated, 2), does("leave 1", "bind 2")},
			{news(rec(3, 2, 3)), does("attach 3")},
		},
		"the record is first": {
			{news(rec(3, 2, 3)), does("leave 1", "bind 2", "attach 3")},
		},
		"ring lost": {
			{of(handoff.Broken, 1), does("leave 1", "want 2")},
			{of(handoff.Activated, 2), does("bind 2")},
		},
		"ring lost, and nothing happens": {
			{of(handoff.Broken, 1), does("leave 1", "want 2")},
			{of(handoff.Overdue, 2), does("change at 2")},
			{of(handoff.Activated, 2), does("bind 2")},
			{applied(rec(3, 3, 0)), does("leave 2", "attach 3")},
		},
		"ring lost, then the spare": {
			{of(handoff.Broken, 1), does("leave 1", "want 2")},
			{of(handoff.Broken, 2), does("leave 2", "change at 2")},
		},
		"spare lost first": {
			{of(handoff.Broken, 2), does("leave 2")},
			{of(handoff.Broken, 1), does("leave 1", "change at 2")},
		},
		"followed, and lost": {
			{of(handoff.Activated, 2), does("leave 1", "bind 2")},
			{of(handoff.Ended, 2), does("leave 2", "read")},
			{applied(rec(2, 1, 2)), does("change at 2")},
			{of(handoff.Unknown, 0), does("read")},
			{applied(rec(3, 3, 0)), does("attach 3")},
		},
		"followed, and the spare's lease ends": {
			{of(handoff.Activated, 2), does("leave 1", "bind 2")},
			{news(rec(3, 1, 0)), does("leave 2", "change at 3")},
		},
		"another's spare": {
			{news(handoff.Record{Revision: 3, Generation: 3, Producer: 1, Consumer: 1, Spare: handoff.Spare{Generation: 4, Producer: 1}}),
				does("leave 1", "attach 3", "leave 2")},
		},
	})
}

// walkAll walks each way from r, all with the same beginning.
func walkAll(t *testing.T, r handoff.Route, begin []step, ways map[string][]step) {
	t.Helper()
	for name, steps := range ways {
		t.Run(name, func(t *testing.T) { walk(t, r, slices.Concat(begin, steps)) })
	}
}

func walk(t *testing.T, r handoff.Route, steps []step) {
	for i, s := range steps {
		require.Equal(t, s.want, func() []string {
			if got := r.Step(s.e); got != nil {
				return short(got)
			}
			if s.want == nil {
				return nil
			}
			return does()
		}(), "step %d: %v %d", i, s.e.What, s.e.Ring)
	}
}

// TestRouteKeepsItsWord gives both roles any events in any order and looks at what may never be done.
func TestRouteKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		role := handoff.Role(rapid.IntRange(0, 1).Draw(t, "role"))
		r := handoff.NewRoute(role, 1, rapid.Bool().Draw(t, "arms"))
		h := &held{attached: map[fence.Epoch]bool{}, left: map[fence.Epoch]bool{}}
		last, top := rec(1, 1, 0), fence.Epoch(1)
		h.obey(t, role, &r, r.Step(news(last)))
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			e := anyEvent(t, &r, &last, &top)
			asked := r.Asked()
			do := r.Step(e)
			if asked != 0 && e.What < handoff.Applied {
				for _, d := range do {
					require.False(t, d.Do >= handoff.Read && d.Do <= handoff.Arm, "%v while %v is under way", d.Do, asked)
				}
			}
			h.obey(t, role, &r, do)
		}
	})
}

// anyEvent draws something that may happen: records only grow, and what nobody asked is not answered.
func anyEvent(t *rapid.T, r *handoff.Route, last *handoff.Record, top *fence.Epoch) handoff.Event {
	e := handoff.Event{What: handoff.What(rapid.IntRange(0, int(handoff.NoRoom)).Draw(t, "what"))}
	if e.What >= handoff.Applied && r.Asked() == 0 {
		e.What = handoff.News
	}
	e.Ring = rapid.SampledFrom([]fence.Epoch{r.Ring().Generation, r.Spare().Generation, 1}).Draw(t, "ring")
	if e.What == handoff.News || e.What == handoff.Applied {
		switch rapid.IntRange(0, 4).Draw(t, "change") {
		case 0: // rule 4
			*top++
			*last = rec(last.Revision+1, *top, 0)
		case 1: // armed
			*top++
			*last = rec(last.Revision+1, last.Generation, *top)
		case 2: // confirmed
			if last.Spare.Generation != 0 {
				*last = rec(last.Revision+1, last.Spare.Generation, 0)
			}
		case 3: // the spare is gone
			*last = rec(last.Revision+1, last.Generation, 0)
		}
		e.Record = *last
	}
	return e
}

// held is what somebody who obeys has in hand.
type held struct {
	attached, left map[fence.Epoch]bool
	bound          fence.Epoch
	active         fence.Epoch
}

// obey checks that rings are attached once, left once, bound upwards, and that each is bound or activated only while it is held.
func (h *held) obey(t *rapid.T, role handoff.Role, r *handoff.Route, do []handoff.Effect) {
	for _, d := range do {
		switch d.Do {
		case handoff.Attach:
			require.False(t, h.attached[d.Ring], "attached twice")
			h.attached[d.Ring] = true
		case handoff.Leave:
			require.True(t, h.attached[d.Ring] && !h.left[d.Ring])
			h.left[d.Ring] = true
		case handoff.Bind:
			require.True(t, h.attached[d.Ring] && !h.left[d.Ring])
			require.Greater(t, d.Ring, h.bound)
			h.bound = d.Ring
		case handoff.Activate:
			require.Equal(t, handoff.Producer, role, "only the producer moves")
			require.Greater(t, d.Ring, h.active)
			h.active = d.Ring
		case handoff.Confirm, handoff.ConfirmAndArm:
			require.Equal(t, h.active, d.Ring)
			require.Equal(t, r.Record().Spare.Generation, d.Ring)
		case handoff.Want:
			require.Equal(t, handoff.Consumer, role)
		case handoff.Arm:
			require.Equal(t, handoff.Producer, role)
			require.Equal(t, r.Record().Generation, r.Ring().Generation)
		}
	}
	require.False(t, r.Spare().State != handoff.Empty && r.Spare().Generation <= r.Ring().Generation)
	n := 0
	for gen := range h.attached {
		if !h.left[gen] {
			n++
		}
	}
	require.LessOrEqual(t, n, 2, "a ring and a spare")
}
