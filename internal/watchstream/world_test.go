package watchstream_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/watchcheck"
	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// state is a registry at a revision, of edges and leases.
type state struct {
	at      api.Revision
	records map[watchcheck.Record]api.Event
}

func (s *state) Revision() api.Revision { return s.at }

func (s *state) Select(f watchstream.Filter, k api.RecordKind, from string) iter.Seq2[string, api.Event] {
	return func(yield func(string, api.Event) bool) {
		for _, r := range s.sorted() {
			e := s.records[r]
			if r.Kind != k || r.Key < from || !f.Matches(watchstream.PlaceOf(e)) {
				continue
			}
			if !yield(r.Key, e) {
				return
			}
		}
	}
}

func (s *state) sorted() []watchcheck.Record {
	return slices.SortedFunc(maps.Keys(s.records), func(a, b watchcheck.Record) int {
		return slices.Compare([]string{string(a.Kind), a.Key}, []string{string(b.Kind), b.Key})
	})
}

func (s *state) all() iter.Seq[api.Event] {
	return func(yield func(api.Event) bool) {
		for _, r := range s.sorted() {
			if !yield(s.records[r]) {
				return
			}
		}
	}
}

// world is a registry's history, and the nodes that follow it, each with a log of its own.
type world struct {
	t     *rapid.T
	now   *state
	steps []step // since the beginning
	ref   *watchcheck.Reference
	nodes []*replica
	gen   fence.Epoch
	keys  []string // few, so that changes meet, or many, so that they fill batches
}

// step is one entry of the cluster's log; a jump has no changes that anybody knows.
type step struct {
	after   *state
	jump    bool
	changes func() []*watchstream.Change
}

// replica is a node: how many steps it has applied, and its log.
type replica struct {
	applied int
	state   *state
	log     *watchstream.Log
	limit   int
}

func newWorld(t *rapid.T, nodes int) *world {
	w := &world{t: t, now: &state{records: map[watchcheck.Record]api.Event{}}, ref: watchcheck.NewReference()}
	w.keys = []string{"a", "ab", "b"}
	if rapid.Bool().Draw(t, "many keys") {
		for i := range 40 {
			w.keys = append(w.keys, fmt.Sprint("ab", i))
		}
	}
	for range nodes {
		limit := rapid.SampledFrom([]int{1, 4, 16, 1000}).Draw(t, "log")
		w.nodes = append(w.nodes, &replica{state: w.now, log: watchstream.NewLog(limit, 1<<30), limit: limit})
	}
	return w
}

func pick[T any](w *world, what string, of ...T) T { return rapid.SampledFrom(of).Draw(w.t, what) }

// command changes up to three records at once, or none.
func (w *world) command() {
	before, after := w.now, &state{at: w.now.at + 1, records: maps.Clone(w.now.records)}
	var touched []watchcheck.Record
	for range rapid.IntRange(0, 4).Draw(w.t, "records") {
		r := watchcheck.Record{Kind: pick(w, "kind", api.RecordEdge, api.RecordEdge, api.RecordLease), Key: pick(w, "key", w.keys...)}
		if slices.Contains(touched, r) {
			continue
		}
		touched = append(touched, r)
		if _, there := after.records[r]; there && rapid.IntRange(0, 3).Draw(w.t, "delete") == 0 {
			delete(after.records, r)
			continue
		}
		after.records[r] = w.record(r, after.at)
	}
	w.append(step{after: after, changes: func() []*watchstream.Change { return changes(before, after, touched) }})
}

func (w *world) record(r watchcheck.Record, at api.Revision) api.Event {
	w.gen++
	node := pick(w, "node", locator.NodeID("n1"), "n2")
	e := api.Event{Type: api.EventState, Revision: at, Kind: r.Kind}
	if r.Kind == api.RecordLease {
		e.Lease = &api.Lease{ID: lease.ID(r.Key), Edge: r.Key, Node: node, Generation: w.gen}
		return e
	}
	e.Edge = &api.Edge{Name: r.Key, Generation: w.gen, Revision: at, Locator: locator.Locator{Node: node}}
	return e
}

func changes(before, after *state, touched []watchcheck.Record) []*watchstream.Change {
	var all []*watchstream.Change
	for _, r := range touched {
		was, had := before.records[r]
		is, has := after.records[r]
		place := watchstream.Place{}
		if had {
			place = watchstream.PlaceOf(was)
		}
		if !has {
			is = was
			is.Deleted = true
		}
		is.Type, is.Revision = api.EventChange, after.at
		all = append(all, watchstream.NewChange(place, is))
	}
	return all
}

// restore replaces the state by that of an earlier moment, at a far higher revision.
func (w *world) restore() {
	if len(w.steps) == 0 {
		return
	}
	old := pick(w, "snapshot", w.steps...).after
	w.append(step{after: &state{at: w.now.at + 1<<32, records: old.records}, jump: true})
}

func (w *world) append(s step) {
	w.steps = append(w.steps, s)
	w.now = s.after
	w.ref.Add(s.after.at, s.after.all())
}

// apply lets a node apply up to n steps.
func (w *world) apply(r *replica, n int) {
	for ; n > 0 && r.applied < len(w.steps); n-- {
		s := w.steps[r.applied]
		r.applied++
		r.state = s.after
		if s.jump {
			r.log.Reset(s.after.at)
		} else {
			r.log.Append(s.after.at, s.changes()...)
		}
	}
}

// restart has a node begin again from a snapshot of some moment that it had applied; or skip ahead to one from the leader.
func (w *world) restart(r *replica) {
	if len(w.steps) == 0 {
		return
	}
	r.applied = rapid.IntRange(1, len(w.steps)).Draw(w.t, "snapshot")
	r.state = w.steps[r.applied-1].after
	r.log = watchstream.NewLog(r.limit, 1<<30)
	r.log.Reset(r.state.at)
}

func (r *replica) view() watchstream.View { return r.log.View(r.state) }

func (w *world) request() api.WatchRequest {
	return api.WatchRequest{
		Prefix: pick(w, "prefix", "", "a", "ab"), Node: pick(w, "on", locator.NodeID(""), "", "n1"),
		Kinds: pick(w, "kinds", nil, []api.RecordKind{api.RecordLease}, api.RecordKinds),
		Mode:  pick(w, "mode", api.WatchMode(""), api.WatchAll),
	}
}

func (w *world) String() string { return fmt.Sprintf("%d steps, at %d", len(w.steps), w.now.at) }
