package simulate

import "github.com/grafnode/grafnode/api"

// answered judges an answer to a stage.
func (j *judge) answered(o *op, a answer) {
	switch {
	case o.era != j.era: // asked in another cluster, as it were
	case o.mode != "" && a.err == nil:
		j.read(o, a)
	case o.mode != "":
	case a.err == nil:
		j.written(o, a)
	case o.id != "":
		if _, done := j.ops[o.id]; done {
			j.w.Stats.Overtaken++ // applied, and overtaken before it was asked for again
		}
	}
}

// written: a write that succeeded took effect after it was asked for, and once.
func (j *judge) written(o *op, a answer) {
	index := a.index
	if o.id != "" {
		truth, ok := j.ops[o.id]
		if o.floor < j.lost && a.result.Revision < j.anew {
			return // of a time that was undone
		}
		if !ok || truth.revision != a.result.Revision {
			j.object("operation %s was answered with revision %d, applied was %+v", o.id, a.result.Revision, truth)
			return
		}
		index = truth.index
		if o.doubt {
			j.w.Stats.Resolved++
		}
	}
	if index <= o.floor {
		j.object("%s took effect at %d, asked for after %d had been seen", o.what, index, o.floor)
	}
	if index > j.base+uint64(len(j.log)) {
		j.object("%s answered with entry %d, which is not committed", o.what, index)
	}
	j.floor = max(j.floor, index)
}

// read: what was read is what the edge was at that index, and no older than anything that was known when it was asked for. Stale
// reads of one node never go back.
func (j *judge) read(o *op, a answer) {
	j.w.Stats.Reads++
	if v, ok := j.edge(o.edge).at(a.index); ok && v.revision != a.record.Revision {
		j.object("%s of %s at %d found revision %d, there was %d", o.what, o.edge, a.index, a.record.Revision, v.revision)
	}
	if o.mode == api.Stale {
		j.w.Stats.StaleReads++
		return
	}
	if a.index < o.floor {
		j.object("%s of %s: answered as of %d, asked for after %d had been seen", o.what, o.edge, a.index, o.floor)
	}
	j.floor = max(j.floor, a.index)
}

// late is an answer that nobody waits for any more.
func (j *judge) late(*op, answer) {}
