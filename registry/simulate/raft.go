package simulate

import (
	"time"

	"github.com/grafnode/grafnode/registry"
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
	command     registry.Command
	proposed    int64
	restore     *registry.State // in place of a command: this state is put over the present one

	// Step is pure: for the node whose state is from, what it did is known.
	from   *registry.State
	to     *registry.State
	result registry.Result
}

// file is a snapshot on disk.
type file struct {
	index, term uint64
	state       *registry.State
}

// future is a proposal that somebody waits for.
type future struct {
	index, term uint64
	done        func(registry.Result, outcome)
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
	voter    bool // counts in elections and majorities
	leads    bool
	leader   int // whom it takes for the leader
	commit   uint64
	applied  uint64
	ready    uint64          // the term that it leads and whose barrier it has applied
	next     []uint64        // leaders: what to send each
	match    []uint64        // leaders: what each has
	busy     []time.Duration // leaders: an append is under way to each until it is answered, or until then
	heard    []time.Duration // leaders: when each answered last
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
func (n *node) propose(c registry.Command, done func(registry.Result, outcome)) {
	if !n.leads {
		done(registry.Result{}, notApplied)
		return
	}
	n.append(&entry{command: c, proposed: n.m.wall()}, done)
}

func (n *node) append(e *entry, done func(registry.Result, outcome)) {
	e.index, e.term = n.last()+1, n.term
	n.log = append(n.log, e)
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
	if to == n.m.id || !n.leads || !anyway && (n.busy[to] > n.w.now || n.next[to] > n.disk) {
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

type appended struct {
	term           uint64
	from           int
	prev, prevTerm uint64
	entries        []*entry
	commit         uint64
}

// follow notes that a leader of that term was heard; false: the term is over.
func (n *node) follow(from int, term uint64) bool {
	if term < n.term {
		return false
	}
	if n.leads && term == n.term {
		n.w.judge.object("nodes %d and %d lead in term %d", from, n.m.id, term)
		return false
	}
	n.raise(term)
	n.leader, n.contact = from, n.w.now
	return true
}

// raise notes a term.
func (n *node) raise(term uint64) {
	if term > n.term {
		n.stepDown()
		n.term, n.leader = term, nobody
	}
}

// take is a follower's part in replication.
func (n *node) take(a appended) {
	ok, has := false, n.last()
	if n.follow(a.from, a.term) {
		ok, has = n.merge(a)
	}
	term, me := n.term, n.m.id
	l := n.w.nodes[a.from]
	n.w.send(n.m, &l.process, "appended", has, func() { l.acked(me, a.term, term, ok, has) })
}

// merge puts entries into the log: ok, and up to where it is now the leader's; or how far it may go back.
func (n *node) merge(a appended) (bool, uint64) {
	if a.prev > n.last() {
		return false, n.last()
	}
	if a.prev >= n.first && n.termAt(a.prev) != a.prevTerm {
		return false, a.prev - 1
	}
	for i, e := range a.entries {
		if e.index < n.first || e.index <= n.last() && n.termAt(e.index) == e.term {
			continue
		}
		if e.index <= n.commit {
			n.w.judge.object("node %d was told to drop committed entry %d", me(n), e.index)
			return false, n.commit
		}
		n.log = append(n.log[:e.index-n.first:e.index-n.first], a.entries[i:]...)
		break
	}
	n.disk = n.last()
	has := a.prev + uint64(len(a.entries))
	n.commitTo(min(a.commit, has))
	return true, has
}

func me(n *node) int { return n.m.id }

// acked is what a follower said.
func (n *node) acked(from int, sent, term uint64, ok bool, has uint64) {
	if term > n.term {
		n.raise(term)
		return
	}
	if !n.leads || sent != n.term {
		return
	}
	n.busy[from], n.heard[from] = 0, n.w.now
	if !ok {
		n.next[from] = max(n.match[from]+1, min(n.next[from]-1, has+1), 1)
		n.replicate(from, true)
		return
	}
	n.match[from] = max(n.match[from], has)
	n.next[from] = max(n.next[from], n.match[from]+1)
	if n.match[from] >= n.commit {
		n.w.nodes[from].voter = true // the change of the group itself is not simulated
	}
	n.advance()
	n.replicate(from, false)
}

// advance commits what a majority has, from the first entry of the own term on, and tells the others at once.
func (n *node) advance() {
	for index := n.disk; index > n.commit && n.termAt(index) == n.term; index-- {
		if !n.w.majority(func(v *node) bool { return n.match[v.m.id] >= index }) {
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

// majority reports whether more than half of the voters are such.
func (w *World) majority(such func(v *node) bool) bool {
	voters, yes := 0, 0
	for _, v := range w.nodes {
		if v.voter {
			voters++
			if such(v) {
				yes++
			}
		}
	}
	return yes*2 > voters
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

// snapshot writes the applied state to disk, and drops some of the log.
func (n *node) snapshot() {
	if n.applied <= n.snap.index {
		return
	}
	n.snap = file{n.applied, n.termAt(n.applied), n.state}
	keep := uint64(n.w.rng.IntN(200))
	if from := n.snap.index + 1 - min(keep, n.snap.index); from > n.first {
		n.log = append([]*entry(nil), n.log[from-n.first:]...)
		n.first = from
	}
}

// install replaces all that a follower has by the leader's snapshot.
func (n *node) install(from int, term uint64, snap file) {
	if n.follow(from, term) && snap.index > n.commit {
		n.w.Stats.Installs++
		n.snap, n.log, n.first, n.disk = snap, nil, snap.index+1, snap.index
		n.commit, n.applied = snap.index, snap.index
		n.load()
		n.wake()
	}
	l, now, me := n.w.nodes[from], n.term, n.m.id
	n.w.send(n.m, &l.process, "installed", snap.index, func() { l.acked(me, term, now, now == term, snap.index) })
}
