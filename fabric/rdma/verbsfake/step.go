package verbsfake

import "github.com/grafnode/grafnode/fabric/rdma/verbs"

// What a pair does in one step; the caller has network.mu.

// able reports whether there is a step to take.
func (p *Pair) able() bool {
	return len(p.posted) > 0 && p.peer != nil && !p.failed || len(p.late) > 0 && !p.mute
}

// step has a completion be known, or a write land.
func (p *Pair) step() {
	landing := len(p.posted) > 0 && p.peer != nil && !p.failed
	if len(p.late) > 0 && !p.mute && (!landing || p.network.random.IntN(2) == 0) {
		p.say()
		return
	}
	p.land()
}

// say has the next completion be known.
func (p *Pair) say() {
	p.free += p.late[0].frees
	p.ready = append(p.ready, p.late[0].Completion)
	p.late = p.late[1:]
	if p.armed {
		p.armed = false
		p.Wake()
	}
}

// land has the next write land, or first what is behind some byte of it.
func (p *Pair) land() {
	w := p.posted[0]
	there := p.network.find(*p.peer)
	status := p.failNext
	if p.host.cut {
		status = verbs.StatusRetries
	}
	if status == verbs.StatusOK {
		status = there.mayTake(p, w)
	}
	if status != verbs.StatusOK {
		p.late = append(p.late, late{Completion: verbs.Completion{ID: w.ID, Status: status}})
		p.posted = p.posted[1:]
		if there != nil && status != verbs.StatusRetries {
			there.fail()
		}
		p.fail()
		return
	}
	n := len(w.Local)
	if p.torn == 0 && n > 1 {
		p.torn = 1 + p.network.random.IntN(n-1)
		there.write(w.To+uint64(p.torn), w.RKey, w.Local[p.torn:])
		return
	}
	if p.torn > 0 {
		n = p.torn
	}
	there.write(w.To, w.RKey, w.Local[:n])
	p.torn = 0
	p.posted = p.posted[1:]
	p.unsaid++
	if w.Signaled {
		p.late = append(p.late, late{verbs.Completion{ID: w.ID, Kind: verbs.Wrote}, p.unsaid})
		p.unsaid = 0
	}
	if w.WithImm {
		there.receives--
		there.late = append(there.late, late{Completion: verbs.Completion{Kind: verbs.Received, Imm: w.Imm, HasImm: true}})
	}
}

// mayTake says how a write of from ends here.
func (p *Pair) mayTake(from *Pair, w verbs.Write) verbs.Status {
	switch {
	case p == nil || p.failed || p.peer == nil || *p.peer != from.address:
		return verbs.StatusRetries
	case len(w.Local) > 0 && p.region(w.To, w.RKey, len(w.Local)) == nil:
		p.host.counts.Refused++
		return verbs.StatusRemoteAccess
	case w.WithImm && p.receives == 0:
		return verbs.StatusNotReady
	}
	return verbs.StatusOK
}

// region returns the one that allows a write.
func (p *Pair) region(at uint64, key uint32, n int) *Region {
	for _, r := range p.regions {
		if _, ok := r.within(at, n); ok && r.key == key && !r.closed && r.access&verbs.RemoteWrite != 0 {
			return r
		}
	}
	return nil
}

func (p *Pair) write(at uint64, key uint32, b []byte) {
	if r := p.region(at, key, len(b)); r != nil {
		from, _ := r.within(at, len(b))
		copy(r.memory[from:], b)
	}
}

// fail flushes what is posted.
func (p *Pair) fail() {
	if p.failed {
		return
	}
	p.failed = true
	for _, w := range p.posted {
		p.late = append(p.late, late{Completion: verbs.Completion{ID: w.ID, Status: verbs.StatusFlushed}})
	}
	for range p.receives {
		p.late = append(p.late, late{Completion: verbs.Completion{Kind: verbs.Received, Status: verbs.StatusFlushed}})
	}
	p.posted, p.receives = nil, 0
}
