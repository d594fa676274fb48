package watchcheck_test

import (
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/watchcheck"
	"github.com/grafnode/grafnode/locator"
)

// edge returns an event about an edge of some generation whose ring is on a node.
func edge(t api.EventType, at api.Revision, name string, generation fence.Epoch, node locator.NodeID) api.Event {
	e := api.Edge{Name: name, Generation: generation, Revision: at, Locator: locator.Locator{Node: node}}
	return api.Event{Type: t, Revision: at, Kind: api.RecordEdge, Edge: &e}
}

func deleted(at api.Revision, name string, generation fence.Epoch) api.Event {
	e := edge(api.EventChange, at, name, generation, "")
	e.Deleted, e.Edge.Deleted = true, true
	return e
}

func mark(t api.EventType, at api.Revision) api.Event { return api.Event{Type: t, Revision: at} }

func bookmark(at api.Revision) api.Event { return mark(api.EventBookmark, at) }

func left(e api.Event) api.Event {
	e.Left = true
	return e
}

// differing returns a change that was made from a state.
func differing(e api.Event, at api.Revision) api.Event {
	e.Type, e.Revision, e.Resync = api.EventChange, at, true
	return e
}

func resync(e api.Event) api.Event {
	e.Resync = true
	return e
}

func change(at api.Revision, name string, generation fence.Epoch, node locator.NodeID) api.Event {
	return edge(api.EventChange, at, name, generation, node)
}

// history is what happened: 10 a.1 on n1, 11 a.2 on n1, 12 b.1 on n2, 14 a.3 and b.2 moved to n2 and n1 at once, 15 b deleted,
// 18 a.4 on n2. Nothing happened to edges at 13, 16, 17, 19, 20.
func history() *watchcheck.Reference {
	r := watchcheck.NewReference()
	state := map[string]api.Event{}
	put := func(e api.Event) { state[e.Edge.Name] = e }
	add := func(at api.Revision) { r.Add(at, values(state)) }
	put(change(10, "a", 1, "n1"))
	add(10)
	put(change(11, "a", 2, "n1"))
	add(11)
	put(change(12, "b", 1, "n2"))
	add(12)
	put(change(14, "a", 3, "n2"))
	put(change(14, "b", 2, "n1"))
	add(14)
	delete(state, "b")
	add(15)
	put(change(18, "a", 4, "n2"))
	add(18)
	add(20)
	return r
}

func values(state map[string]api.Event) iter.Seq[api.Event] {
	return func(yield func(api.Event) bool) {
		for _, key := range slices.Sorted(maps.Keys(state)) {
			if !yield(state[key]) {
				return
			}
		}
	}
}

func stream(q api.WatchRequest, events ...api.Event) watchcheck.Stream {
	s := watchcheck.Stream{Name: "test", Request: q}
	for _, e := range events {
		s.Add(e, 0)
	}
	return s
}

var (
	all    = api.WatchRequest{Mode: api.WatchAll}
	latest = api.WatchRequest{}
)

func from(q api.WatchRequest, at api.Revision) api.WatchRequest {
	q.From = at
	return q
}

func on(q api.WatchRequest, node locator.NodeID) api.WatchRequest {
	q.Node = node
	return q
}

func TestRightStreamsPass(t *testing.T) {
	a14, b14 := change(14, "a", 3, "n2"), change(14, "b", 2, "n1")
	for name, s := range map[string]watchcheck.Stream{
		"all of it": stream(all, edge(api.EventState, 10, "a", 1, "n1"), mark(api.EventSync, 10), change(11, "a", 2, "n1"), bookmark(11),
			change(12, "b", 1, "n2"), bookmark(13), a14, b14, bookmark(14), deleted(15, "b", 2), change(18, "a", 4, "n2"), bookmark(20)),
		"empty": stream(all, mark(api.EventSync, 5), change(10, "a", 1, "n1")),
		"latest leaves out": stream(latest, edge(api.EventState, 10, "a", 1, "n1"), mark(api.EventSync, 10), deleted(15, "b", 2),
			change(18, "a", 4, "n2"), bookmark(20)),
		"resumed":    stream(from(all, 14), deleted(15, "b", 2), change(18, "a", 4, "n2"), bookmark(18)),
		"state anew": stream(from(latest, 11), resync(edge(api.EventState, 18, "a", 4, "n2")), resync(mark(api.EventSync, 19)), bookmark(20)),
		"differences": stream(from(latest, 14), differing(change(18, "a", 4, "n2"), 19), resync(deleted(19, "b", 2)), resync(bookmark(19)),
			bookmark(20)),
		"by node": stream(on(all, "n1"), edge(api.EventState, 11, "a", 2, "n1"), mark(api.EventSync, 12), left(a14), b14,
			bookmark(14), deleted(15, "b", 2), bookmark(20)),
		"cut short": stream(all, edge(api.EventState, 11, "a", 2, "n1"), edge(api.EventState, 12, "b", 1, "n2"), mark(api.EventSync, 12), a14),
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, watchcheck.Check(history(), s)) })
	}
}

type validator = func(*watchcheck.Reference, watchcheck.Stream) error

// Each history below is doctored as a bug of etcd would have made it, or breaks a promise in a way that etcd never did.
func TestWrongStreamsFail(t *testing.T) {
	start := []api.Event{edge(api.EventState, 11, "a", 2, "n1"), edge(api.EventState, 12, "b", 1, "n2"), mark(api.EventSync, 12)}
	a14, b14, a18 := change(14, "a", 3, "n2"), change(14, "b", 2, "n1"), change(18, "a", 4, "n2")
	idle := stream(from(latest, 18), bookmark(18), bookmark(18))
	idle.Lines[1].Head = 20
	with := func(q api.WatchRequest, events ...api.Event) watchcheck.Stream {
		return stream(q, append(slices.Clone(start), events...)...)
	}
	for name, c := range map[string]struct {
		by validator
		s  watchcheck.Stream
	}{
		"etcd#15220 progress notify ahead of the stream": {watchcheck.Bookmarkable, with(all, bookmark(15), a14, b14, deleted(15, "b", 2))},
		"etcd#15220 the same, by order":                  {watchcheck.Ordered, with(all, bookmark(15), a14, b14, deleted(15, "b", 2))},
		"etcd#15220 ahead of what is missing":            {watchcheck.Bookmarkable, with(all, a14, bookmark(15), deleted(15, "b", 2))},
		"etcd#15271 travelling back in time":             {watchcheck.Ordered, with(all, a18, a14)},
		"etcd#15271 a state from before":                 {watchcheck.Ordered, with(latest, bookmark(14), resync(mark(api.EventSync, 12)))},
		"etcd#17529 lost under starvation":               {watchcheck.Reliable, with(all, a14, b14, a18)},
		"etcd#17529 the newest lost":                     {watchcheck.Reliable, with(latest, a14, deleted(15, "b", 2), bookmark(20))},
		"etcd#17247 duplicated":                          {watchcheck.Unique, with(all, a14, b14, a14)},
		"etcd#20221 future revision, old events":         {watchcheck.Resumable, stream(from(all, 16), deleted(15, "b", 2), a18)},
		"etcd#20221 and an old bookmark":                 {watchcheck.Resumable, stream(from(all, 30), bookmark(20))},
		"etcd#18089 delete lost at a compaction":         {watchcheck.Reliable, with(latest, a18, bookmark(20))},
		"etcd#19179 the same, in all":                    {watchcheck.Reliable, with(all, a14, b14, a18, bookmark(20))},
		"etcd#18089 lost when resumed":                   {watchcheck.Reliable, stream(from(latest, 14), differing(change(18, "a", 4, "n2"), 19), resync(bookmark(19)))},
		"etcd#8231 idle, and not to be resumed":          {watchcheck.Bookmarkable, idle},
		"etcd#17780 a bookmark falls":                    {watchcheck.Bookmarkable, with(latest, bookmark(14), bookmark(13))},
		"a bookmark beyond what there is":                {watchcheck.Bookmarkable, with(latest, bookmark(21))},
		"a revision split by a bookmark":                 {watchcheck.Atomic, with(latest, a14, bookmark(14), b14)},
		"half a revision":                                {watchcheck.Atomic, with(all, a14, deleted(15, "b", 2))},
		"a record of another time":                       {watchcheck.Reliable, with(latest, change(14, "a", 2, "n2"))},
		"nothing happened":                               {watchcheck.Reliable, with(latest, change(16, "a", 3, "n2"))},
		"deleted, and is not":                            {watchcheck.Reliable, with(latest, deleted(14, "a", 3))},
		"there, and is not":                              {watchcheck.Reliable, with(latest, change(15, "b", 2, "n1"))},
		"half a state":                                   {watchcheck.Synced, stream(latest, start[0], start[2])},
		"a record twice in a state":                      {watchcheck.Synced, stream(latest, start[0], start[0])},
		"a change before the sync":                       {watchcheck.Synced, stream(latest, start[0], a14)},
		"two syncs":                                      {watchcheck.Synced, with(latest, mark(api.EventSync, 13))},
		"a state again, in secret":                       {watchcheck.Synced, with(latest, a14)},
		"a state where changes were to be":               {watchcheck.Resumable, stream(from(all, 11), start[0])},
		"not asked for":                                  {watchcheck.Filtered, stream(on(latest, "n1"), a18)},
		"never asked for":                                {watchcheck.Filtered, stream(on(latest, "n3"), deleted(15, "b", 2))},
		"has not left":                                   {watchcheck.Filtered, stream(on(latest, "n2"), left(a14))},
		"has left before":                                {watchcheck.Filtered, stream(on(all, "n1"), left(a18))},
		"left, and nobody says so": {watchcheck.Reliable, stream(on(latest, "n1"), start[0], mark(api.EventSync, 12),
			bookmark(14))},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a state again, in secret" {
				c.s.Lines[3].Event.Type = api.EventState
			}
			require.Error(t, c.by(history(), c.s))
			require.Error(t, watchcheck.Check(history(), c.s))
		})
	}
}
