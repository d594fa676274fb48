package simulate

import (
	"errors"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/settle"
)

// asked is what a request asked of one edge.
type asked struct {
	edge   string
	change settle.Change
}

// doubtful reports whether a refusal may be the answer to a copy that came after one that was carried out.
func doubtful(err error) bool {
	return errors.Is(err, api.ErrConflict) || errors.Is(err, api.ErrSessionLost) || errors.Is(err, api.ErrNotFound)
}

// settle finds out from the histories of a request's edges, from that of its nth on, what became of it, as client.Change does.
func (s *stage) settle(o *op, refusal error, nth int) {
	s.doing = &op{what: "settle"} // nobody waits for other copies' answers any more
	if nth == len(o.asked) {
		s.settled(o, settle.Open, 0)
		return
	}
	of := o.asked[nth]
	of.change.Pending = !errors.Is(refusal, api.ErrSessionLost)
	n := s.w.anyNode()
	s.w.call(&s.process, n, "history", func(reply func(answer)) {
		n.forward("forwarded history", func(l *node, reply func(answer)) { l.history(of.edge, reply) }, reply)
	}, func(a answer) {
		verdict, at := settle.Open, api.Revision(0)
		if a.err == nil {
			verdict, at = settle.Judge(a.past, of.change)
		}
		if verdict == settle.Open {
			s.settle(o, refusal, nth+1)
			return
		}
		s.settled(o, verdict, at)
	})
}

func (s *stage) settled(o *op, v settle.Verdict, at api.Revision) {
	s.w.judge.settled(o, v, at)
	s.doing = nil
	for _, a := range o.asked {
		delete(s.known, a.edge)
	}
	s.pause()
}

// settled judges what a stage was told of a change after all: what is said to be refused was not carried out, and never is.
func (j *judge) settled(o *op, v settle.Verdict, _ api.Revision) {
	_, done := j.ops[o.id]
	switch {
	case o.floor < j.lost: // of a time that was undone
	case v == settle.Refused && done:
		j.object("operation %s was carried out, and is said to be refused", o.id)
	case v == settle.Refused:
		j.w.Stats.SettledRefused++
		j.refused[o.id] = true
	case v == settle.Carried:
		j.w.Stats.SettledCarried++
	}
}
