package simulate

import (
	"time"

	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/node/group"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// lookAfter does for the group what package group says, if this node leads it.
func (n *node) lookAfter() {
	if n.ready == 0 {
		n.rules = group.Rules{}
		return
	}
	view := group.View{Cluster: n.state.Cluster(), Level: n.state.Level(), Group: n.members(), Gossip: n.gossip()}
	step, _ := n.rules.Next(view, n.level, time.Unix(0, int64(n.m.now())))
	switch prev := n.group; {
	case step.Promote != "":
		n.regroupSoon(prev, prev.promoted(step.Promote), func() { n.w.Stats.Promoted++ })
	case step.Gone != "":
		n.regroupSoon(prev, prev.without(step.Gone), func() { n.w.Stats.Replaced++ })
	case step.TakeIn.ID != "":
		for at, v := range n.w.nodes {
			if v.id == step.TakeIn.ID {
				n.regroupSoon(prev, append(prev.without(v.id), server{id: v.id, at: at}), func() { n.w.Stats.Joined++ })
			}
		}
	case step.Level != 0:
		n.propose(state.Upgrade{Level: step.Level}, func(state.Result, outcome) {})
	}
}

// regroupSoon makes a change that was decided on for prev, when its turn comes.
func (n *node) regroupSoon(prev members, next []server, changed func()) {
	n.after(n.w.delay(), "group", prev.index, func() {
		n.regroupTo(prev, next, func(o outcome) {
			if o == applied {
				changed()
			}
		})
	})
}

// members is the group as its leader sees it.
func (n *node) members() []registry.Member {
	var all []registry.Member
	for _, s := range n.group.servers {
		m := registry.Member{
			Server: registry.Server{Peer: registry.Peer{ID: s.id, Address: n.w.machines[s.at].address}, Voter: s.voter},
			Leader: s.id == n.id, LastContact: -1,
		}
		switch {
		case m.Leader:
			m.Matched, m.LastContact = n.last(), 0
		case n.w.has(s) != nil && n.heard[s.at] != 0:
			m.Matched, m.LastContact = n.match[s.at], n.w.now-n.heard[s.at]
		}
		all = append(all, m)
	}
	return all
}

// gossip is what a node has heard of the others: mostly the truth, as it was lately.
func (n *node) gossip() []membership.Member {
	var all []membership.Member
	for _, v := range n.w.nodes {
		all = append(all, membership.Member{
			ID: v.id, Address: v.m.address, Health: n.health(v), Cluster: v.cluster, HasState: v.term > 0, Level: v.level,
		})
	}
	return all
}

func (n *node) health(v *node) membership.Health {
	switch fine := v.awake() && n.w.net.open(n.m.id, v.m.id) && n.w.net.open(v.m.id, n.m.id); {
	case v == n, fine != n.w.chance(20):
		return membership.Alive
	case v.up && n.w.chance(300):
		return membership.Suspect
	default:
		return membership.Dead
	}
}

// wipeOne loses a node's disk, if the others can do without it. It comes back empty, under a new name.
func (w *World) wipeOne() {
	n := w.anyNode()
	if !n.up || !w.spared(n) {
		return
	}
	w.Stats.Wipes++
	n.kill()
	n.wipe()
	w.plan(w.between(10*time.Millisecond, 10*time.Second), func() {
		if !n.up {
			n.start()
		}
	})
}

// spared reports whether a majority of the group still has its disks when those of n, nil: nobody's, are gone.
func (w *World) spared(n *node) bool {
	voters, left := 0, 0
	for _, s := range w.judge.group {
		if !s.voter {
			continue
		}
		voters++
		if v := w.has(s); v != nil && v != n {
			left++
		}
	}
	return left*2 > voters
}

// removeOne has an operator take a member out of the group: one that is away, or a living one by force.
func (w *World) removeOne() {
	gone := w.anyNode()
	if gone.awake() && w.chance(700) {
		return
	}
	for _, n := range w.nodes {
		if _, in := n.group.find(gone.id); in && n.ready != 0 && n.awake() && n != gone {
			n.regroupSoon(n.group, n.group.without(gone.id), func() { w.Stats.Removed++ })
			return
		}
	}
}
