package simulate

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/registry/state"
)

// round asks a majority whether this node still leads, as registry.Registry does for default reads.
type round struct {
	number uint64
	term   uint64
	index  uint64 // commit index when it began
	yes    []bool
	agreed bool // by a majority; waits for index to be applied
	done   func(ok bool)
}

// quorum calls done once: true if this node led when quorum was called, and has applied what was committed then.
func (n *node) quorum(done func(ok bool)) {
	if planted.StaleRead {
		done(true)
		return
	}
	if n.ready == 0 {
		done(false)
		return
	}
	n.round++
	q := round{number: n.round, term: n.ready, index: n.commit, yes: make([]bool, len(n.w.nodes)), done: done}
	q.yes[n.m.id] = true
	n.rounds = append(n.rounds, q)
	for _, f := range n.w.nodes {
		if f == n {
			continue
		}
		if !n.speaksTo(f.m.id) {
			continue
		}
		term, me, number := n.term, n.m.id, q.number
		n.w.send(n.m, &f.process, "probe", number, func() { f.probed(me, term, number) })
	}
	n.after(0, "alone?", q.number, func() { n.voted(n.m.id, q.number, q.term) })
	n.after(3*time.Second, "probe timeout", q.number, func() { n.endRound(q.number, false) })
}

func (n *node) probed(from int, term, number uint64) {
	n.follow(from, term)
	now, id, l := n.term, n.id, n.w.nodes[from]
	n.w.send(n.m, &l.process, "probed", number, func() {
		l.raise(now)
		if n.id == id {
			l.voted(n.m.id, number, now)
		}
	})
}

func (n *node) voted(from int, number, term uint64) {
	for i := range n.rounds {
		q := &n.rounds[i]
		if q.number != number || q.agreed || term != q.term {
			continue
		}
		q.yes[from] = true
		if n.majority(func(v *node) bool { return q.yes[v.m.id] }) {
			q.agreed = true
			n.settleRounds()
		}
		return
	}
}

// settleRounds ends the rounds that have their majority and whose index is applied.
func (n *node) settleRounds() {
	for {
		settled := false
		for _, q := range n.rounds {
			if q.agreed && (n.applied >= q.index || n.ready != q.term) {
				n.endRound(q.number, n.ready == q.term)
				settled = true
				break
			}
		}
		if !settled {
			return
		}
	}
}

func (n *node) endRound(number uint64, ok bool) {
	for i, q := range n.rounds {
		if q.number == number {
			n.rounds = append(n.rounds[:i:i], n.rounds[i+1:]...)
			q.done(ok)
			return
		}
	}
}

// read calls done when the state is as fresh as asked for, or with false.
func (n *node) read(c api.Consistency, done func(ok bool)) {
	switch {
	case c == api.Stale:
		done(true)
	case c == api.Default:
		n.quorum(done)
	case n.ready == 0:
		done(false)
	default:
		n.propose(state.Nothing{}, func(_ state.Result, o outcome) { done(o == applied) })
	}
}
