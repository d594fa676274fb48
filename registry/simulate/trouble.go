package simulate

import (
	"time"

	"github.com/grafnode/grafnode/registry/state"
)

// trouble is what happens to the cluster.
func (w *World) trouble() {
	w.judge.terms.watch()
	w.plan(w.between(time.Second, 30*time.Second), w.upgrade)
	w.net.rough = true
	if w.config.Calm {
		return
	}
	storm := false // troubles come together, and then there is peace for a while, so that something grows that can be broken
	w.every(5*time.Second, 30*time.Second, func() { storm, w.net.rough = w.chance(500), w.chance(600) })
	during := func(low, high time.Duration, do func()) {
		w.every(low, high, func() {
			if storm {
				do()
			}
		})
	}
	w.every(time.Second, 10*time.Second, w.keepOne)
	during(4*time.Second, 15*time.Second, w.restoreOne)
	during(60*time.Second, 120*time.Second, w.recoverOne)
	during(10*time.Second, 40*time.Second, w.wipeOne)
	during(3*time.Second, 15*time.Second, w.removeOne)
	w.every(5*time.Second, 15*time.Second, w.despair)
	during(time.Second, 6*time.Second, w.pauseOne)
	during(3*time.Second, 15*time.Second, w.depose)
	during(2*time.Second, 20*time.Second, w.killOne)
	during(2*time.Second, 10*time.Second, w.cutSome)
	during(2*time.Second, 8*time.Second, func() {
		w.Stats.Transfers++
		w.anyNode().campaign(true)
	})
	w.every(time.Second, 5*time.Second, func() {
		if n := w.anyNode(); n.awake() {
			n.snapshot()
		}
	})
	during(time.Second, 6*time.Second, func() {
		s := w.stages[w.rng.IntN(len(w.stages))]
		switch {
		case !s.up:
		case w.chance(500):
			s.stop(w.between(50*time.Millisecond, 9*time.Second))
		default:
			s.kill()
			w.plan(w.between(10*time.Millisecond, 3*time.Second), func() {
				if !s.up {
					s.start()
				}
			})
		}
	})
}

func (w *World) anyNode() *node { return w.nodes[w.rng.IntN(len(w.nodes))] }

// upgrade installs a program that knows the newest level of the state, on one machine after the other.
func (w *World) upgrade() {
	for _, n := range w.nodes {
		w.plan(w.between(0, 5*time.Second), func() { n.level = state.Level })
	}
}

// despair has an operator recover a cluster that has no majority any more: its disks are gone.
func (w *World) despair() {
	if !w.spared(nil) {
		w.recoverOne()
	}
}

// pauseOne stops a node's process, or its machine with all that runs there.
func (w *World) pauseOne() {
	n, d := w.anyNode(), w.between(50*time.Millisecond, 9*time.Second)
	w.Stats.Pauses++
	n.stop(d)
	if w.chance(300) {
		for _, s := range w.stages {
			if s.m == n.m {
				s.stop(d)
			}
		}
	}
}

// depose stops a leader until there must be another, and makes it the leader again soon after it goes on.
func (w *World) depose() {
	for _, n := range w.nodes {
		if n.leads && n.awake() {
			d := w.between(electionMax, 7*time.Second)
			n.stop(d)
			w.plan(d+w.between(100*time.Millisecond, 3*time.Second), func() { n.campaign(true) })
			return
		}
	}
}

// killOne kills a node, or its machine; it comes back.
func (w *World) killOne() {
	n := w.anyNode()
	if !n.up {
		return
	}
	n.kill()
	machine := w.chance(300)
	if machine {
		for _, s := range w.stages {
			if s.m == n.m {
				s.up, s.doing = false, nil
			}
		}
	}
	away := w.between(10*time.Millisecond, time.Second)
	if w.chance(300) {
		away = w.between(time.Second, 8*time.Second)
	}
	w.plan(away, func() {
		if machine {
			n.m.boot()
		}
		n.start()
		for _, s := range w.stages {
			if s.m == n.m && !s.up {
				s.start()
			}
		}
	})
}

// cutSome cuts links: one way, a node, a half, or a ring that is left; and heals them later.
func (w *World) cutSome() {
	size := len(w.nodes)
	w.Stats.Cuts++
	w.net.heal()
	cut := func(a, b int) { w.net.cut[a][b] = a != b }
	switch kind := w.rng.IntN(5); kind {
	case 0:
		cut(w.rng.IntN(size), w.rng.IntN(size))
	case 1, 2:
		away := map[int]bool{w.rng.IntN(size): true, w.rng.IntN(size): true}
		for a := range size {
			for b := range size {
				if away[a] != away[b] {
					cut(a, b)
				}
			}
		}
	case 3:
		for a := range size {
			for b := range size {
				if d := (a - b + size) % size; d != 1 && d != size-1 {
					cut(a, b)
				}
			}
		}
	case 4: // nothing for a while
	}
	w.plan(w.between(100*time.Millisecond, 6*time.Second), w.net.heal)
}
