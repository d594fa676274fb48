package handoff

import "github.com/grafnode/grafnode/position"

// ends are the acknowledged ends of lanes that are still to be sent in a ring, to a consumer that has not accepted them there. Of all that is
// acknowledged a new consumer needs nothing but this: it has nothing of its own that says that no more is to come, and the producer may be
// waiting for another branch before it ends.
type ends struct {
	of    []position.Position // of lanes, in their order; never written
	entry Entry               // what next has returned
}

// endsOf returns those of stable that accepted has not.
func endsOf(stable, accepted position.Vector) (e ends) {
	for _, p := range stable.Positions() {
		if p.IsEndOfLane() && !accepted.Covers(p) {
			e.of = append(e.of, p)
		}
	}
	return e
}

func (e *ends) left() bool { return len(e.of) > 0 }

func (e *ends) next() *Entry {
	e.entry = Entry{Pos: e.of[0], Kind: End}
	return &e.entry
}

// sent takes away what next has returned, and reports whether that was anything.
func (e *ends) sent() bool {
	if !e.left() {
		return false
	}
	e.of = e.of[1:]
	return true
}
