package simulate

import (
	"time"

	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// The Raft that nodes speak here: elections are votes taken in one instant, everything else is messages.
const (
	beatEvery    = 250 * time.Millisecond
	electionMin  = time.Second
	electionMax  = 2 * time.Second
	leaseTimeout = 900 * time.Millisecond // a leader that hears no majority for so long steps down
	appendMax    = 64
	nobody       = -1
)

// entry is a log entry. Nodes share it; it never changes, but for the memory of what it did.
type entry struct {
	index, term uint64
	command     state.Command
	proposed    int64
	restore     *state.State // in place of a command: this state is put over the present one
	group       []server     // not nil: from here on the group is this one

	// Step is pure: for the node whose state is from, what it did is known.
	from   *state.State
	to     *state.State
	result state.Result
}

// file is a snapshot on disk.
type file struct {
	index, term uint64
	state       *state.State
	group       members
}

// future is a proposal that somebody waits for.
type future struct {
	index, term uint64
	done        func(state.Result, outcome)
}

type outcome uint8

const (
	applied    outcome = iota // see the result, which may be a refusal
	notApplied                // not now and never
	unknown
)

// raft is one node's share of the log.
type raft struct {
	// on disk
	term  uint64
	snap  file
	log   []*entry // log[0] follows snap.index, or is one of those before that were kept
	first uint64   // index of log[0]
	disk  uint64   // the log is on disk up to here

	// in memory
	group    members // the newest in the log, committed or not
	leads    bool
	leader   int // whom it takes for the leader
	commit   uint64
	applied  uint64
	ready    uint64          // the term that it leads and whose barrier it has applied
	next     []uint64        // leaders: what to send each
	match    []uint64        // leaders: what each has
	busy     []time.Duration // leaders: an append is under way to each until it is answered, or until then
	heard    []time.Duration // leaders: when each answered last; zero: not in this term
	since    time.Duration   // leaders: when the term began
	contact  time.Duration   // followers: when a leader was heard last
	futures  []future
	flushing bool
	applying bool
}

func (r *raft) last() uint64 { return r.first + uint64(len(r.log)) - 1 }

func (r *raft) termAt(index uint64) uint64 {
	switch {
	case index >= r.first && index <= r.last():
		return r.log[index-r.first].term
	case index == r.snap.index:
		return r.snap.term
	default:
		return 0
	}
}

// upToDate reports whether o's log may lead r: Raft's rule.
func (r *raft) upToDate(o *raft) bool {
	a, b := r.termAt(r.last()), o.termAt(o.last())
	return b > a || b == a && o.last() >= r.last()
}

// propose appends a command, if this node leads. done is called once, unless the node dies.
func (n *node) propose(c state.Command, done func(state.Result, outcome)) {
	if !n.leads {
		done(state.Result{}, notApplied)
		return
	}
	n.append(&entry{command: c, proposed: n.m.wall()}, done)
}

func (n *node) append(e *entry, done func(state.Result, outcome)) {
	e.index, e.term = n.last()+1, n.term
	n.log = append(n.log, e)
	if e.group != nil {
		n.grouped(e)
	}
	n.futures = append(n.futures, future{e.index, e.term, done})
	if n.flushing {
		return
	}
	n.flushing = true
	n.after(n.w.delay(), "flush", e.index, func() {
		n.flushing = false
		n.disk = n.last()
		if n.leads {
			n.match[n.m.id] = n.disk
			n.advance()
			for i := range n.w.nodes {
				n.replicate(i, false)
			}
		}
	})
}

// replicate sends a follower what it has not, or a sign of life.
func (n *node) replicate(to int, anyway bool) {
	if to == n.m.id || !n.leads || !n.speaksTo(to) || !anyway && (n.busy[to] > n.w.now || n.next[to] > n.disk) {
		return
	}
	n.busy[to] = n.w.now + 500*time.Millisecond
	f := n.w.nodes[to]
	if n.next[to] < n.first {
		term, snap, me := n.term, n.snap, n.m.id
		n.w.send(n.m, &f.process, "install", snap.index, func() { f.install(me, term, snap) })
		return
	}
	prev := n.next[to] - 1
	upTo := min(n.disk, prev+appendMax)
	a := appended{term: n.term, from: n.m.id, prev: prev, prevTerm: n.termAt(prev), commit: n.commit}
	if upTo > prev {
		a.entries = n.log[prev+1-n.first : upTo+1-n.first : upTo+1-n.first]
	}
	n.w.send(n.m, &f.process, "append", upTo, func() { f.take(a) })
}

// acked is what a follower said.
func (n *node) acked(from *node, id locator.NodeID, sent, term uint64, ok bool, has uint64) {
	if term > n.term {
		n.raise(term)
		return
	}
	at := from.m.id
	if !n.leads || sent != n.term || from.id != id {
		return
	}
	n.busy[at], n.heard[at] = 0, n.w.now
	if !ok {
		n.next[at] = max(n.match[at]+1, min(n.next[at]-1, has+1), 1)
		n.replicate(at, true)
		return
	}
	n.match[at] = max(n.match[at], has)
	n.next[at] = max(n.next[at], n.match[at]+1)
	n.advance()
	n.replicate(at, false)
}

// advance commits what a majority has, from the first entry of the own term on, and tells the others at once.
func (n *node) advance() {
	for index := n.disk; index > n.commit && n.termAt(index) == n.term; index-- {
		if !n.majority(func(v *node) bool { return n.match[v.m.id] >= index }) {
			continue
		}
		for _, e := range n.log[n.commit+1-n.first : index+1-n.first] {
			n.w.judge.committed(e, n)
		}
		n.commitTo(index)
		for i := range n.w.nodes {
			n.replicate(i, true)
		}
		return
	}
}

func (n *node) commitTo(index uint64) {
	if index <= n.commit {
		return
	}
	n.commit = index
	if n.applying {
		return
	}
	n.applying = true
	n.after(n.lag(), "apply", index, func() {
		n.applying = false
		n.applyTo(n.commit)
	})
}

// lag is how long a node takes to apply: mostly nothing.
func (n *node) lag() time.Duration {
	if n.w.chance(10) {
		return n.w.between(time.Millisecond, 300*time.Millisecond)
	}
	return n.w.between(0, 100*time.Microsecond)
}
