package simulate

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
	term, id := n.term, n.id
	l := n.w.nodes[a.from]
	n.w.send(n.m, &l.process, "appended", has, func() { l.acked(n, id, a.term, term, ok, has) })
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
		n.regroupFrom(e.index)
		break
	}
	n.disk = n.last()
	has := a.prev + uint64(len(a.entries))
	n.commitTo(min(a.commit, has))
	return true, has
}

func me(n *node) int { return n.m.id }

// snapshot writes the applied state to disk, and drops some of the log.
func (n *node) snapshot() {
	if n.applied <= n.snap.index {
		return
	}
	n.snap = file{n.applied, n.termAt(n.applied), n.state, n.groupAt(n.applied)}
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
		n.commit, n.applied, n.group = snap.index, snap.index, snap.group
		n.load()
		n.wake()
	}
	l, now, id := n.w.nodes[from], n.term, n.id
	n.w.send(n.m, &l.process, "installed", snap.index, func() { l.acked(n, id, term, now, now == term, snap.index) })
}
