package simulate

import (
	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchcheck"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// watched judges what a stream told.
func (j *judge) watched(s watchcheck.Stream) {
	if len(s.Lines) == 0 {
		return
	}
	if err := watchcheck.Check(j.watches, s); err != nil {
		j.object("%w", err)
	}
}

// auditEvery is how often all records are looked at, and not only those that an entry says it has changed.
const auditEvery = 64

// forgetEvery is how often what no stream can tell any more is forgotten.
const forgetEvery = 512

// oldest returns a revision below which no stream tells of anything.
func (w *World) oldest() api.Revision {
	low := w.judge.state.Revision()
	for _, n := range w.nodes {
		low = min(low, n.state.Revision(), n.snap.state.Revision())
	}
	for _, s := range w.stages {
		if v := s.watch; v != nil {
			low = min(low, v.low)
			if v.request.From != 0 {
				low = min(low, v.request.From)
			}
		}
	}
	return low
}

// note takes what an entry changed into what watches are judged by.
func (j *judge) note(e *entry) {
	if e.index%forgetEvery == 0 {
		j.watches.Forget(j.w.oldest())
	}
	at, before := j.state.Revision(), j.watches.Len()
	if e.index%auditEvery == 0 {
		j.watches.Add(at, all(j.state))
		if grown := j.watches.Len() - before; grown > len(e.result.Changes) {
			j.object("%d records are others since entry %d, said to be changed by it: %v", grown, e.index, e.result.Changes)
		}
		return
	}
	var is []api.Event
	var gone []watchcheck.Record
	for _, c := range e.result.Changes {
		there := false
		for key, event := range j.state.Select(everything, c.Kind, c.Key) {
			if there = key == c.Key; there {
				is = append(is, event)
			}
			break
		}
		if !there {
			gone = append(gone, watchcheck.Record{Kind: c.Kind, Key: c.Key})
		}
	}
	j.watches.Note(at, is, gone)
}

var everything = watchstream.NewFilter(api.WatchRequest{Kinds: api.RecordKinds})
