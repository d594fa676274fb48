package state

import "github.com/grafnode/grafnode/internal/watchstream"

// Run applies entries one after the other, as Step does, at less cost: what has been copied of the trees for one entry is changed in
// place for the next. It is one goroutine's, and nobody sees a state until State is called.
type Run struct {
	draft
	begun *State  // when the draft's edit was
	taken []Entry // since then, none of them refused
}

// Begin begins a run after s, which stays as it is.
func (s *State) Begin() *Run { return &Run{draft: s.draft(0), begun: s} }

// Step applies e. It returns what became of it, as State.Step does, and what watches are told of it, as ChangesOf.
func (r *Run) Step(e Entry) (Result, []*watchstream.Change) {
	before := *r.draft.State
	r.edit.used = false
	result, err := r.apply(e)
	switch {
	case err == nil:
		r.taken = append(r.taken, e)
	case r.edit.used:
		r.again()
	default:
		*r.draft.State = before
	}
	r.close(e, &result, err)
	return result, told(r.draft.State, e, r.moves)
}

// again undoes what a refused command did to nodes that were the run's already: all that was taken before is applied anew. That is
// done once for an entry at most, since the state that comes of it is where the run has begun then.
func (r *Run) again() {
	s, now := r.begun, r.now
	for _, e := range r.taken {
		s, _ = s.Step(e)
	}
	*r = *s.Begin()
	r.now = now
}

// State returns the state after the last entry, and ends the run.
func (r *Run) State() *State { return r.draft.State }
