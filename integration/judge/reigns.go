package judge

import (
	"cmp"
	"maps"
	"slices"

	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
)

// reign is a time in which one node surely led and nobody else did: what was proposed and committed in it is that node's work.
type reign struct {
	node     int
	term     uint64
	from, to lease.Instant
}

// reigns returns what samples say about who led. A node that says so twice in one term led all the time between, since who loses
// a term does not get it back. It may have been deposed without knowing it: it is not believed for longer than a majority was
// still in its term, without which no other can have been elected.
func reigns(samples []history.Sample) []reign {
	nodes := map[int]bool{}
	leads := map[uint64]*reign{}
	last := map[uint64]map[int]lease.Instant{} // by term and node: it was still in that term then
	for _, s := range samples {
		nodes[s.Node] = true
		if last[s.Term] == nil {
			last[s.Term] = map[int]lease.Instant{}
		}
		last[s.Term][s.Node] = max(last[s.Term][s.Node], s.Call)
		if !s.Leads {
			continue
		}
		r := leads[s.Term]
		if r == nil {
			r = &reign{node: s.Node, term: s.Term, from: s.Return, to: s.Call}
			leads[s.Term] = r
		}
		r.from, r.to = min(r.from, s.Return), max(r.to, s.Call)
	}
	var all []reign
	for term, r := range leads {
		calls := slices.Sorted(maps.Values(last[term]))
		majority := len(nodes)/2 + 1
		if len(calls) < majority {
			continue
		}
		if r.to = min(r.to, calls[len(calls)-majority]); r.from < r.to {
			all = append(all, *r)
		}
	}
	slices.SortFunc(all, func(a, b reign) int { return cmp.Compare(a.term, b.term) })
	return all
}

// worked returns the confirmed changes of all clients, by when they were confirmed.
func worked(h *history.History) (done []history.Op) {
	for _, op := range h.Ops {
		if op.Outcome == history.Applied && !op.Kind.Reads() {
			done = append(done, op)
		}
	}
	slices.SortFunc(done, func(a, b history.Op) int { return cmp.Compare(a.Return, b.Return) })
	return done
}

// after returns when the leader had, since an instant, carried out a number of changes one after the other, each asked for when
// the one before had been confirmed; forever: not in this reign. It measures time in the leader's own work, so that neither a slow
// disk nor a busy machine looks like a mistake.
func (r reign) after(done []history.Op, at lease.Instant, steps int) lease.Instant {
	at = max(at, r.from)
	i, _ := slices.BinarySearchFunc(done, at, func(op history.Op, at lease.Instant) int { return cmp.Compare(op.Return, at) })
	for ; i < len(done) && done[i].Return <= r.to; i++ {
		if done[i].Call < at {
			continue
		}
		at = done[i].Return
		if steps--; steps == 0 {
			return at
		}
	}
	return forever
}
