// Package settle tells from an edge's history what became of a change whose answers got lost, as a pure rule.
//
// A change is a compare-and-set, and is sent under one ID until its outcome is known. When a copy of it is refused although an earlier
// one may have been carried out and its answer lost, the edges have changed again since, for else the registry would have repeated
// that answer. Their histories tell: a change that was carried out is what came right after the revision that it expected.
//
// Promised: what is said to be Refused was not carried out and never will be; registry/simulate holds the rule to that. Carried means
// that a change by that session, for that reason, stands where this one would: it is this one or its like. Callers: client and
// registry/simulate.
package settle

import (
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// Verdict is what one edge's history says of a change.
type Verdict uint8

// The verdicts.
const (
	Open    Verdict = iota // this history does not tell
	Refused                // not carried out, now and never
	Carried                // carried out
)

// Change is what was asked for of one edge.
type Change struct {
	Expect  api.Revision // zero: that there is no such edge
	Confirm fence.Epoch  // a spare's generation, which became the edge's; then Expect was not compared
	Session lease.SessionID
	Reason  api.Reason
	Detail  string
	// Pending: copies of it may yet reach the registry, which knows no reason to refuse them.
	Pending bool
}

// Judge returns what an edge's past, oldest first, says of a change, and the revision at which it was carried out.
func Judge(past []api.Change, c Change) (Verdict, api.Revision) {
	if c.Confirm != 0 {
		return confirmed(past, c)
	}
	switch next, known := successor(past, c.Expect); {
	case !known:
		return Open, 0
	case next.Actor == c.Session && next.Detail == c.Detail && (next.Reason == c.Reason || c.Expect == 0):
		return Carried, next.Revision
	case c.Expect == 0: // somebody else's edge, which may have come after ours was deleted
		return Open, 0
	case next.Revision == 0 && c.Pending:
		return Open, 0
	default:
		return Refused, 0
	}
}

// confirmed judges a confirmation. Nothing else makes a spare's generation the edge's, and a spare that was given up never comes
// again.
func confirmed(past []api.Change, c Change) (Verdict, api.Revision) {
	at := slices.IndexFunc(past, func(was api.Change) bool { return was.Generation >= c.Confirm })
	switch {
	case len(past) == 0 || at == 0 && past[0].Generation > c.Confirm: // what came before is forgotten
		return Open, 0
	case at >= 0 && past[at].Generation == c.Confirm:
		return Carried, past[at].Revision
	case at < 0 && c.Pending && past[len(past)-1].Spare == c.Confirm:
		return Open, 0
	default:
		return Refused, 0
	}
}

// successor returns what became of an edge right after a revision, nothing if it still has it. It is not known if the history
// does not reach back so far, or begins anew since the edge was deleted.
func successor(past []api.Change, revision api.Revision) (next api.Change, known bool) {
	if revision == 0 && len(past) > 0 && past[0].Reason == api.ReasonCreated {
		return past[0], true
	}
	if !slices.ContainsFunc(past, func(was api.Change) bool { return was.Revision == revision }) {
		return api.Change{}, false
	}
	// One command may leave several entries, all at its revision: a lease runs out and a session with it.
	at := slices.IndexFunc(past, func(was api.Change) bool { return was.Revision > revision })
	if at < 0 {
		return api.Change{}, true
	}
	return past[at], true
}
