package simulate

import (
	"fmt"
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// An operator restores old snapshots over a living cluster, and recovers it from lost majorities.

// keepOne keeps the present state as a snapshot that may be restored one day.
func (w *World) keepOne() {
	const most = 8
	s := w.judge.state
	if len(w.kept) < most {
		w.kept = append(w.kept, s)
	} else {
		w.kept[w.rng.IntN(most)] = s
	}
}

// restoreOne restores a snapshot on the leader. What it is put over is the state as of now; until it is in the log, more may
// happen, and is lost.
func (w *World) restoreOne() {
	for _, n := range w.nodes {
		if n.ready == 0 || !n.awake() || len(w.kept) == 0 {
			continue
		}
		kept := w.kept[w.rng.IntN(len(w.kept))]
		if kept.MayRestoreOver(n.state, false) != nil {
			return
		}
		next := kept.RestoredOver(n.state)
		n.after(w.delay(), "restore", n.term, func() {
			if n.ready != 0 && next.Index() <= n.last() && !n.restoredSince(next.Index()) {
				n.append(&entry{restore: next}, func(state.Result, outcome) {})
			}
		})
		return
	}
}

// restoredSince reports whether the log has a restore above an index: restores of a node come one after the other, and begin with a
// strict read.
func (n *node) restoredSince(index uint64) bool {
	return slices.ContainsFunc(n.log, func(e *entry) bool { return e.restore != nil && e.index > index })
}

// restored puts a restored state in the place of a node's own, as a snapshot from the leader does.
func (n *node) restored(e *entry) {
	n.state = e.restore
	n.changes.Reset(n.state.Revision())
	n.fresh()
	if n.ready != 0 {
		n.tellKeeper(n.ready) // it begins anew
	}
}

// recoverOne loses the majority for good: of one node what is on its disk becomes the new cluster, all others are wiped and come back
// under new names.
func (w *World) recoverOne() {
	survivor := w.anyNode()
	for _, n := range w.nodes {
		if n.up {
			n.kill()
		}
	}
	survivor.replay()
	if survivor.state.Cluster() == "" {
		for _, n := range w.nodes {
			n.start()
		}
		return
	}
	w.Stats.Recoveries++
	current := survivor.state.Recovered()
	index, term := survivor.applied, survivor.termAt(survivor.last())
	survivor.snap = file{index, term, current, members{[]server{{survivor.id, survivor.m.id, true}}, index}}
	survivor.log, survivor.first, survivor.disk = nil, index+1, index
	w.judge.recovered(index, current)
	w.judge.group = survivor.snap.group.servers
	for _, n := range w.nodes {
		if n != survivor {
			n.wipe()
		}
		n.start()
	}
}

// replay applies all that is on the disk, committed or not.
func (n *node) replay() {
	n.log = n.log[:min(uint64(len(n.log)), n.disk+1-n.first)]
	n.state, n.applied = n.snap.state, n.snap.index
	for _, e := range n.log {
		if e.index <= n.snap.index {
			continue
		}
		if n.applied = e.index; e.restore != nil {
			n.state = e.restore
		} else {
			n.state, _ = e.step(n.state)
		}
	}
}

// wipe empties the disk, and gives the node a new name.
func (n *node) wipe() {
	n.id = locator.NodeID(fmt.Sprintf("n%d.%d", n.m.id, n.life))
	n.term, n.snap, n.log, n.first, n.disk, n.cluster = 0, file{state: state.New()}, nil, 1, 0, ""
	n.group = members{}
}

// restored takes into the truth that a state has come whole: what was granted before stays granted, and may come back to life.
func (j *judge) restored(at uint64, s *state.State) {
	j.w.Stats.Restores++
	j.jumped(at, s)
}

// recovered begins the log anew behind a state. What was committed beyond it is lost, and with it what anybody was told.
func (j *judge) recovered(at uint64, s *state.State) {
	if s.Revision() <= j.state.Revision() {
		j.object("recovered at revision %d, below %d", s.Revision(), j.state.Revision())
	}
	j.base, j.log, j.state, j.floor = at, nil, s, at
	j.era++
	j.jumped(at, s)
}

func (j *judge) jumped(at uint64, s *state.State) {
	j.lost, j.anew = at, s.Revision()
	clear(j.ops)
	clear(j.refused)
	clear(j.drains)
	for n := range s.Nodes() {
		j.drains[n.ID] = n.Drain
	}
	for name, t := range j.edges {
		r, _ := s.Edge(name)
		t.versions, t.since = append(t.versions[:0], version{at, r.Revision, r.Generation}), at
	}
	j.watches.Add(s.Revision(), all(s))
	j.terms.jumped(s)
}

// all yields every record of a state as watches show it.
func all(s *state.State) func(func(api.Event) bool) {
	return func(yield func(api.Event) bool) {
		for _, kind := range api.RecordKinds {
			for _, event := range s.Select(everything, kind, "") {
				if !yield(event) {
					return
				}
			}
		}
	}
}

// jumped ends the terms that a state does not have, and revives those that it has again.
func (t *leaseTruths) jumped(s *state.State) {
	there := map[leasebroker.Key]bool{}
	note := func(key leasebroker.Key, ttl time.Duration) {
		there[key] = true
		t.granted(key, ttl)
		k := t.keys[key]
		if k.ended {
			k.ended, k.expired, k.furthest = false, false, 0
			t.alive = append(t.alive, k)
		}
		k.heard, k.outage = t.w.now, t.outage
	}
	for l := range s.Leases() {
		note(leasebroker.Key{Lease: l.ID}, l.TTL)
	}
	for v := range s.Sessions() {
		note(leasebroker.Key{Session: v.ID}, v.TTL)
	}
	for _, k := range t.alive {
		if !k.ended && !there[k.key] {
			k.ended, k.end, k.expired = true, t.w.now, false
		}
	}
}
