package simulate

import (
	"slices"
	"time"

	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// server is a member of the Raft group: a node by its ID, and the machine where that is to be found. A node that was wiped is another
// one on the same machine.
type server struct {
	id    locator.NodeID
	at    int
	voter bool
}

// members is a group, and the index of the entry that made it.
type members struct {
	servers []server
	index   uint64
}

func (g members) find(id locator.NodeID) (server, bool) {
	at := slices.IndexFunc(g.servers, func(s server) bool { return s.id == id })
	if at < 0 {
		return server{}, false
	}
	return g.servers[at], true
}

// without returns the group without a server.
func (g members) without(id locator.NodeID) []server {
	return slices.DeleteFunc(slices.Clone(g.servers), func(s server) bool { return s.id == id })
}

// promoted returns the group with a vote for a server.
func (g members) promoted(id locator.NodeID) []server {
	next := slices.Clone(g.servers)
	for i := range next {
		next[i].voter = next[i].voter || next[i].id == id
	}
	return next
}

// has returns the node of a server, nil if it was wiped.
func (w *World) has(s server) *node {
	if n := w.nodes[s.at]; n.id == s.id {
		return n
	}
	return nil
}

// votes reports whether n counts, as far as it knows itself.
func (n *node) votes() bool {
	s, in := n.group.find(n.id)
	return in && s.voter
}

// speaksTo reports whether the node on a machine is of n's group.
func (n *node) speaksTo(at int) bool {
	_, in := n.group.find(n.w.nodes[at].id)
	return in
}

// majority reports whether more than half of the voters of n's newest group are such.
func (n *node) majority(such func(v *node) bool) bool {
	voters, yes := 0, 0
	for _, s := range n.group.servers {
		if !s.voter {
			continue
		}
		voters++
		if v := n.w.has(s); v != nil && such(v) {
			yes++
		}
	}
	return yes*2 > voters
}

// regroup finds the group that counts: the newest in the log, committed or not, else the snapshot's.
func (n *node) regroup() { n.group = n.groupAt(n.last()) }

// groupAt returns the group as of an index that is not below the snapshot's.
func (n *node) groupAt(index uint64) members {
	for i := len(n.log) - 1; i >= 0 && n.log[i].index > n.snap.index; i-- {
		if e := n.log[i]; e.index <= index && e.group != nil {
			return members{e.group, e.index}
		}
	}
	return n.snap.group
}

// regroupFrom takes in what the entries from an index on, which are others than before, say of the group.
func (n *node) regroupFrom(index uint64) {
	if n.group.index >= index {
		n.regroup()
		return
	}
	for _, e := range n.log[index-n.first:] {
		if e.group != nil {
			n.grouped(e)
		}
	}
}

// grouped takes an entry's group as the newest.
func (n *node) grouped(e *entry) {
	before := n.group
	n.group = members{e.group, e.index}
	if !n.leads {
		return
	}
	for _, s := range e.group {
		if _, known := before.find(s.id); !known {
			n.next[s.at], n.match[s.at], n.busy[s.at], n.heard[s.at] = n.last()+1, 0, 0, 0
		}
	}
}

// regroupTo makes one change of the group for which prev was the newest, as raft.Raft does: only if prev is committed, and so is
// something of this leader's own term.
func (n *node) regroupTo(prev members, next []server, done func(outcome)) {
	if n.ready == 0 || n.group.index != prev.index || prev.index > n.commit {
		done(notApplied)
		return
	}
	n.append(&entry{command: state.Nothing{}, proposed: n.m.wall(), group: next}, func(_ state.Result, o outcome) { done(o) })
}

// tend looks after the group every second or so, as package node does.
func (n *node) tend() {
	n.after(n.w.between(500*time.Millisecond, 1500*time.Millisecond), "tend", n.term, func() {
		n.lookAfter()
		n.tend()
	})
}

// grouped judges a change of the group: majorities before and after it have a node in common, because it is of one voter.
func (j *judge) grouped(e *entry) {
	voters := func(all []server) map[locator.NodeID]bool {
		ids := map[locator.NodeID]bool{}
		for _, s := range all {
			if s.voter {
				ids[s.id] = true
			}
		}
		return ids
	}
	was, is := voters(j.group), voters(e.group)
	changed := 0
	for id := range is {
		if !was[id] {
			changed++
		}
	}
	for id := range was {
		if !is[id] {
			changed++
		}
	}
	if changed > 1 || len(is) == 0 {
		j.object("entry %d: voters %v after %v", e.index, is, was)
	}
	j.group = e.group
}
