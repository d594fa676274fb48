package watchstream_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchcheck"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// reader reads from one node after the other, both as the nodes' streams are and as the one history that the client makes of them.
type reader struct {
	w       *world
	q       api.WatchRequest
	history *watchstream.History

	node    *replica
	cursor  *watchstream.Cursor
	pending []api.Event // sent by the node, not read yet
	raw     *watchcheck.Stream
	raws    []*watchcheck.Stream
	whole   watchcheck.Stream
	ended   bool
}

func newReader(w *world) *reader {
	q := w.request()
	return &reader{w: w, q: q, history: watchstream.NewHistory(q), whole: watchcheck.Stream{Name: "whole", Request: q}}
}

// connect begins a stream at a node.
func (r *reader) connect(node *replica) {
	q := r.q
	q.From = r.history.From()
	r.node, r.cursor, r.pending = node, watchstream.NewCursor(q), nil
	r.raw = &watchcheck.Stream{Name: fmt.Sprint("from ", q.From), Request: q}
	r.raws = append(r.raws, r.raw)
}

// read reads n events.
func (r *reader) read(n int, mark bool) {
	for ; n > 0 && r.node != nil && !r.ended; n-- {
		if len(r.pending) == 0 && !r.fetch(mark) {
			return
		}
		if len(r.pending) == 0 {
			return
		}
		e := r.pending[0]
		r.pending = r.pending[1:]
		r.raw.Add(e, 0)
		events, err := r.history.Take(e)
		if err != nil { // the node lags behind the one before
			require.ErrorIs(r.w.t, err, api.ErrUnavailable)
			require.Less(r.w.t, e.Revision, r.w.now.at)
			r.node = nil
			return
		}
		for _, e := range events {
			r.whole.Add(e, 0)
		}
	}
}

// fetch asks the node for more; false if the stream ends.
func (r *reader) fetch(mark bool) bool {
	v := r.node.view()
	if r.raw.Request.From > v.Head {
		return true // waits, as the driver does
	}
	events, err := r.cursor.Next(v)
	if err != nil {
		require.ErrorIs(r.w.t, err, api.ErrGap)
		require.Equal(r.w.t, api.WatchAll, r.q.Mode)
		r.ended = len(r.raw.Lines) == 0 // here and, for all that this reader knows, everywhere
		r.node = nil
		return false
	}
	if b, ok := r.cursor.Bookmark(); ok && mark {
		events = append(events, b)
	}
	r.pending = events
	return true
}

// finish has the reader catch up with everything at a node that has everything.
func (r *reader) finish() {
	r.connect(r.w.nodes[0])
	for head := r.w.now.at; !r.ended; {
		r.read(1000, true)
		if r.node == nil {
			r.ended = true
			return
		}
		n := len(r.whole.Lines)
		if last := r.whole.Lines; n > 0 && last[n-1].Event.Revision == head && last[n-1].Event.Type != api.EventChange {
			return
		}
	}
}

// Whatever happens: truncated logs, readers of any speed, nodes that lag, restart or get snapshots, a restored registry, and
// readers that go from node to node: each node's stream and the client's history keep every promise.
func TestEveryStreamKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 3)
		w.command()
		var readers []*reader
		for range rapid.IntRange(1, 4).Draw(t, "readers") {
			readers = append(readers, newReader(w))
		}
		for range rapid.IntRange(1, 80).Draw(t, "length") {
			node := pick(w, "node", w.nodes...)
			r := pick(w, "reader", readers...)
			switch rapid.IntRange(0, 15).Draw(t, "step") {
			case 0:
				r.connect(node)
			case 1:
				w.restart(node)
				for _, r := range readers {
					if r.node == node {
						r.node = nil
					}
				}
			case 2:
				if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
					w.restore()
				}
			case 3, 4, 5:
				w.apply(node, rapid.IntRange(1, 5).Draw(t, "apply"))
			case 6, 7, 8:
				w.command()
			case 9: // faster than anybody reads
				for range 15 {
					w.command()
				}
				w.apply(node, len(w.steps))
			default:
				r.read(rapid.IntRange(1, 12).Draw(t, "read"), rapid.Bool().Draw(t, "mark"))
			}
		}
		for _, n := range w.nodes {
			w.apply(n, len(w.steps))
		}
		for _, r := range readers {
			r.finish()
			for _, s := range r.raws {
				require.NoError(t, watchcheck.Check(w.ref, *s), "%+v", w)
			}
			require.NoError(t, watchcheck.Check(w.ref, r.whole))
			if !r.ended {
				require.Equal(t, w.now.at, r.whole.Lines[len(r.whole.Lines)-1].Event.Revision, "nobody is left behind")
			}
		}
	})
}

// The log reaches back as far as its limits let it, by whole revisions.
func TestLogIsBounded(t *testing.T) {
	for name, log := range map[string]*watchstream.Log{
		"by count": watchstream.NewLog(4, 1<<30), "by bytes": watchstream.NewLog(1<<20, 4*2100),
	} {
		t.Run(name, func(t *testing.T) {
			s := &state{}
			for at := api.Revision(1); at <= 100; at++ {
				log.Append(at, two(at)...)
				v := log.View(s)
				require.LessOrEqual(t, v.Len(), 4)
				require.Equal(t, at, v.Head)
				require.Equal(t, max(at, 2)-2, v.Floor, "two changes a revision, two revisions")
				require.Len(t, v.After(v.Floor), v.Len())
				require.Empty(t, v.After(v.Head))
			}
			log.Append(200)
			require.Equal(t, api.Revision(200), log.View(s).Head)
			log.Reset(300)
			require.Equal(t, watchstream.View{State: s, Floor: 300, Head: 300}, log.View(s))
			require.Panics(t, func() { log.Append(300) })
		})
	}
}

func two(at api.Revision) []*watchstream.Change {
	e := func(name string) api.Event {
		return api.Event{Type: api.EventChange, Revision: at, Kind: api.RecordEdge, Edge: &api.Edge{Name: name, Revision: at}}
	}
	return []*watchstream.Change{watchstream.NewChange(watchstream.Place{}, e("a")), watchstream.NewChange(watchstream.Place{}, e("b"))}
}

// A view stays what it was, whatever is written afterwards.
func TestViewsDoNotChange(t *testing.T) {
	log := watchstream.NewLog(8, 1<<30)
	var views []watchstream.View
	var seen [][]*watchstream.Change
	for at := api.Revision(1); at <= 200; at++ {
		log.Append(at, two(at)...)
		v := log.View(&state{})
		views, seen = append(views, v), append(seen, append([]*watchstream.Change{}, v.After(v.Floor)...))
	}
	for i, v := range views {
		require.Equal(t, len(seen[i]), v.Len())
		for j, c := range v.After(v.Floor) {
			require.Same(t, seen[i][j], c)
		}
	}
}

// A reader who is slow gets each record's newest change once, and one who wants everything gets everything.
func TestLatestLeavesOutWhatIsOvertaken(t *testing.T) {
	log := watchstream.NewLog(1<<20, 1<<30)
	log.Append(1)
	latest := watchstream.NewCursor(api.WatchRequest{From: 1})
	all := watchstream.NewCursor(api.WatchRequest{From: 1, Mode: api.WatchAll})
	const last = 1000
	for at := api.Revision(2); at <= last; at++ {
		log.Append(at, two(at)...)
	}
	v := log.View(&state{})
	count := func(c *watchstream.Cursor) (n int) {
		for {
			events, err := c.Next(v)
			require.NoError(t, err)
			if len(events) == 0 {
				return n
			}
			require.LessOrEqual(t, len(events), 20, "a batch is little to hold")
			n += len(events)
		}
	}
	require.Equal(t, 2+1, count(latest), "and the bookmark that says so")
	require.Equal(t, 2*(last-1)+1, count(all))
	require.Equal(t, api.Revision(last), latest.At())
}

// What a node may not send is found out, and another node is asked.
func TestHistoryRefusesWhatCannotBe(t *testing.T) {
	edge := func(at api.Revision, name string) api.Event {
		return api.Event{Type: api.EventChange, Revision: at, Kind: api.RecordEdge, Edge: &api.Edge{Name: name, Revision: at}}
	}
	mark := func(t api.EventType, at api.Revision) api.Event { return api.Event{Type: t, Revision: at} }
	state := edge(5, "a")
	state.Type = api.EventState
	for name, events := range map[string][]api.Event{
		"change before any state":   {edge(5, "a")},
		"change amid a state":       {state, edge(6, "a")},
		"bookmark before any state": {mark(api.EventBookmark, 5)},
		"bookmark amid a state":     {mark(api.EventSync, 4), state, mark(api.EventBookmark, 5)},
		"back in time":              {mark(api.EventSync, 4), edge(9, "a"), edge(8, "b")},
		"a state from before":       {mark(api.EventSync, 4), edge(9, "a"), mark(api.EventSync, 8)},
	} {
		t.Run(name, func(t *testing.T) {
			h := watchstream.NewHistory(api.WatchRequest{})
			var err error
			for _, e := range events {
				require.NoError(t, err)
				_, err = h.Take(e)
			}
			require.ErrorIs(t, err, api.ErrUnavailable)
		})
	}
	h := watchstream.NewHistory(api.WatchRequest{Mode: api.WatchAll})
	_, err := h.Take(mark(api.EventSync, 4))
	require.NoError(t, err)
	_, err = h.Take(mark(api.EventSync, 9))
	require.True(t, errors.Is(err, api.ErrGap), "a node that knows no modes cannot serve all changes: %v", err)
}

// What comes in during a pass does not take away from it: at its end the reader has everything up to where it began.
func TestAPassIsCompleteAtItsEnd(t *testing.T) {
	log := watchstream.NewLog(1<<20, 1<<30)
	log.Append(1)
	c := watchstream.NewCursor(api.WatchRequest{From: 1})
	change := func(at api.Revision, name string) {
		log.Append(at, watchstream.NewChange(watchstream.Place{}, api.Event{
			Type: api.EventChange, Revision: at, Kind: api.RecordEdge, Edge: &api.Edge{Name: name, Revision: at},
		}))
	}
	for at := api.Revision(2); at <= 50; at++ {
		change(at, fmt.Sprint("e", at))
	}
	events, err := c.Next(log.View(&state{}))
	require.NoError(t, err)
	change(51, "e50")
	for len(events) < 49 {
		_, may := c.Bookmark()
		require.False(t, may, "after %d events", len(events))
		more, err := c.Next(log.View(&state{}))
		require.NoError(t, err)
		events = append(events, more...)
	}
	require.Equal(t, api.Revision(50), events[48].Revision)
	require.Equal(t, api.Revision(50), c.At())
}
