package edge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

func TestStandingIsWhatTheRouteKnows(t *testing.T) {
	record := func(revision uint64, ring, spare fence.Epoch) handoff.Event {
		r := handoff.Record{Revision: revision, Generation: ring, Producer: 1, Consumer: 1, Held: true}
		if spare != 0 {
			r.Spare = handoff.Spare{Generation: spare, Producer: 1, Consumer: 1}
		}
		return handoff.Event{What: handoff.News, Record: r}
	}
	alone := record(1, 1, 0)
	alone.Record.Held = false
	answer := record(2, 2, 0)
	answer.What = handoff.Applied
	of := func(w handoff.What, ring fence.Epoch) handoff.Event { return handoff.Event{What: w, Ring: ring} }
	bound := []handoff.Event{record(1, 1, 0), of(handoff.Opened, 1), of(handoff.Met, 1)}
	armed := append(bound[:3:3], record(2, 1, 2), of(handoff.Opened, 2))
	then := func(begin []handoff.Event, more ...handoff.Event) []handoff.Event {
		return append(begin[:len(begin):len(begin)], more...)
	}
	for name, c := range map[string]struct {
		events             []handoff.Event
		producer, consumer api.EdgeState
	}{
		"nothing is known yet":          {nil, api.StateFilling, api.StateFilling},
		"the ring is being attached":    {bound[:1], api.StateRebinding, api.StateRebinding},
		"it is open":                    {bound[:2], api.StateRebinding, api.StateFlowing},
		"the consumer has said where":   {bound, api.StateFlowing, api.StateFlowing},
		"there is a spare":              {armed, api.StateFlowing, api.StateFlowing},
		"nobody is there":               {[]handoff.Event{alone, of(handoff.Opened, 1)}, api.StateFilling, api.StateFilling},
		"the other side has gone":       {then(bound[1:], alone, of(handoff.Opened, 1), of(handoff.Met, 1)), api.StateFilling, api.StateFilling},
		"lost":                          {then(bound, of(handoff.Broken, 1)), api.StateRelocating, api.StateRelocating},
		"lost, and a new one is there":  {then(bound, of(handoff.Broken, 1), record(3, 3, 0)), api.StateRebinding, api.StateRebinding},
		"ended":                         {then(bound, of(handoff.Ended, 1)), api.StateDetecting, api.StateDetecting},
		"ended, and the news":           {then(bound, of(handoff.Refused, 0), of(handoff.Ended, 1), of(handoff.Refused, 0), answer), api.StateRebinding, api.StateRebinding},
		"ended, and no news in time":    {then(bound, of(handoff.Ended, 1), of(handoff.Overdue, 1)), api.StateRelocating, api.StateRelocating},
		"lost, with a spare":            {then(armed, of(handoff.Broken, 1)), api.StateRelocating, api.StateRelocating},
		"moved to a spare that was met": {then(armed, of(handoff.Met, 2), of(handoff.Broken, 1)), api.StateRebinding, api.StateRelocating},
		"and read where to go on":       {then(armed, of(handoff.Met, 2), of(handoff.Broken, 1), of(handoff.Activated, 2), of(handoff.Met, 2)), api.StateFlowing, api.StateFlowing},
	} {
		t.Run(name, func(t *testing.T) {
			producer, consumer := handoff.NewRoute(handoff.Producer, 1, true), handoff.NewRoute(handoff.Consumer, 1, false)
			for _, e := range c.events {
				producer.Step(e)
				consumer.Step(e)
			}
			require.Equal(t, c.producer, standing(&producer), "%v %v asked %v", producer.Ring(), producer.Spare(), producer.Asked())
			require.Equal(t, c.consumer, standing(&consumer), "%v %v asked %v", consumer.Ring(), consumer.Spare(), consumer.Asked())
		})
	}
}

func TestStalledIsSeenByProgress(t *testing.T) {
	began := time.Unix(1_700_000_000, 0)
	acked := func(n uint64) taken { return taken{stable: position.VectorOf(position.Position{Offset: n})} }
	var p progress
	for _, look := range []struct {
		at, retained int // seconds, items
		taken        taken
		state        api.EdgeState // of the ring
		want         api.EdgeState
		since        int
	}{
		{0, 5, acked(1), api.StateFlowing, api.StateFlowing, -1},
		{1, 5, acked(1), api.StateFlowing, api.StateFlowing, -1},
		{2, 9, acked(1), api.StateFlowing, api.StateStalled, 0},
		{60, 9, acked(1), api.StateFlowing, api.StateStalled, 0},
		{61, 8, acked(2), api.StateFlowing, api.StateFlowing, -1}, // one in a minute is enough
		{62, 8, taken{7, acked(2).stable}, api.StateFlowing, api.StateFlowing, -1},
		{63, 8, taken{7, acked(2).stable}, api.StateFlowing, api.StateFlowing, -1},
		{64, 8, taken{7, acked(2).stable}, api.StateFlowing, api.StateStalled, 62},
		{65, 8, taken{7, acked(2).stable}, api.StateRelocating, api.StateRelocating, -1},
		{95, 8, taken{7, acked(2).stable}, api.StateFlowing, api.StateFlowing, -1}, // what a ring's loss took is not held against the consumer
		{96, 0, acked(9), api.StateFlowing, api.StateFlowing, -1},
		{196, 0, acked(9), api.StateFlowing, api.StateFlowing, -1}, // nothing waits
		{296, 1, acked(9), api.StateFlowing, api.StateFlowing, -1},
		{297, 1, acked(9), api.StateFlowing, api.StateFlowing, -1},
	} {
		r := api.EdgeReport{State: look.state, Retained: uint64(look.retained)}
		p.stands(&r, began.Add(time.Duration(look.at)*time.Second), look.taken)
		require.Equal(t, look.want, r.State, "at %d s", look.at)
		if look.since >= 0 {
			require.Equal(t, began.Add(time.Duration(look.since)*time.Second), r.Since)
		}
	}
}

func TestLagTimesOneItemAtATime(t *testing.T) {
	var l lag
	at := func(n uint64) position.Position { return position.Position{Offset: n} }
	now := time.Now()
	require.Zero(t, l.look(now, at(0), false), "nothing waits")
	require.Zero(t, l.look(now, at(5), true), "it is timed from now on")
	require.Equal(t, time.Second, l.look(now.Add(time.Second), at(9), true), "the same item")
	l.acked(position.VectorOf(at(4)))
	require.True(t, l.on)
	l.acked(position.VectorOf(at(6)))
	require.False(t, l.on)
	l.last = 40 * time.Millisecond
	require.Equal(t, 40*time.Millisecond, l.look(now, at(12), true), "what it took, and the next is timed")
	require.Equal(t, 2*time.Second, l.look(now.Add(2*time.Second), at(20), true), "it waits for longer")
	l.acked(position.VectorOf(at(12)))
	l.last = 3 * time.Second
	require.Equal(t, 3*time.Second, l.look(now, at(0), false), "nothing waits any more")
	require.Zero(t, l.look(now, at(0), false))
}
