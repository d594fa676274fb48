package simulate

import (
	"time"

	"github.com/grafnode/grafnode/registry/state"
)

// patience starts a follower's clock: when it runs out without a leader's word, it asks for votes.
func (n *node) patience() {
	n.after(n.w.between(electionMin, electionMax), "patience", n.term, func() {
		if !n.leads && n.w.now-n.contact >= electionMin {
			n.campaign(false)
		}
		n.patience()
	})
}

// campaign asks all who can be reached for their votes, in one instant. Forced, those who hear a leader vote too, as they do when
// leadership is handed over.
func (n *node) campaign(forced bool) {
	if n.leads || !n.votes() || !n.awake() {
		return
	}
	votes := map[*node]bool{}
	term := n.term
	for _, s := range n.group.servers {
		v := n.w.has(s)
		if v == nil || !s.voter {
			continue
		}
		reached := v == n || v.awake() && n.w.net.open(n.m.id, v.m.id) && n.w.net.open(v.m.id, n.m.id)
		content := v != n && (v.leads || v.w.now-v.contact < electionMin)
		if reached && v.upToDate(&n.raft) && v.knows(n) && (forced || !content) {
			votes[v] = true
			term = max(term, v.term)
		}
	}
	if !n.majority(func(v *node) bool { return votes[v] }) {
		return
	}
	for _, v := range n.w.nodes {
		if votes[v] {
			v.raise(term + 1)
			v.contact = n.w.now
		}
	}
	n.lead()
}

// knows reports whether a candidate counts, as far as this node knows. One that was never in a group believes anybody.
func (n *node) knows(candidate *node) bool {
	s, in := n.group.find(candidate.id)
	return len(n.group.servers) == 0 || in && s.voter
}

// found gives a new cluster its identity.
func (n *node) found() {
	if n.state.Cluster() == "" {
		n.propose(state.InitCluster{Cluster: n.w.id("c")}, func(state.Result, outcome) {})
	}
}

// lead begins a term: a barrier behind which all earlier entries are committed.
func (n *node) lead() {
	n.w.Stats.Elections++
	n.leads, n.leader = true, n.m.id
	size := len(n.w.nodes)
	n.next, n.match = make([]uint64, size), make([]uint64, size)
	n.busy, n.heard = make([]time.Duration, size), make([]time.Duration, size)
	n.disk, n.since = n.last(), n.w.now
	for i := range n.next {
		n.next[i] = n.last() + 1
	}
	n.match[n.m.id] = n.disk
	term := n.term
	n.propose(state.Nothing{}, func(_ state.Result, o outcome) {
		if o == applied && n.leads && n.term == term {
			n.ready = term
			n.tellKeeper(term)
			n.found()
		}
	})
	n.beat(term)
	n.mind(term)
}

// beat shows the followers that there is a leader.
func (n *node) beat(term uint64) {
	for i := range n.w.nodes {
		n.replicate(i, true)
	}
	n.after(beatEvery, "beat", term, func() {
		if n.leads && n.term == term {
			n.beat(term)
		}
	})
}

// mind has a leader step down that hears no majority.
func (n *node) mind(term uint64) {
	n.after(leaseTimeout/2, "lease check", term, func() {
		if !n.leads || n.term != term {
			return
		}
		if !n.majority(func(v *node) bool { return v == n || n.w.now-max(n.heard[v.m.id], n.since) < leaseTimeout }) {
			n.stepDown()
			return
		}
		n.mind(term)
	})
}

// stepDown ends a leadership. What was proposed and not answered may or may not be in the log one day.
func (n *node) stepDown() {
	if !n.leads {
		return
	}
	n.leads, n.leader, n.contact = false, nobody, n.w.now
	if n.ready != 0 {
		n.ready = 0
		n.tellKeeper(0)
	}
	list := n.futures
	n.futures = nil
	for _, f := range list {
		f.done(state.Result{}, unknown)
	}
}
