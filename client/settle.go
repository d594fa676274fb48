package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/api"
)

// settle says what the refusal of a change means of which several copies were sent: one of them may have been carried out and
// its answer lost, and then the edges have changed again, for else the registry would have given that answer. The edges'
// histories tell: a compare-and-set that was carried out is what came right after the revision that it expected.
func (c *Client) settle(ctx context.Context, r api.ChangeRequest, refusal error) error {
	for _, edge := range r.Edges {
		t := tour[[]api.Change]{route: c.route, hedge: true, ask: func(ctx context.Context, a *API) ([]api.Change, error) {
			return a.History(ctx, edge.Name)
		}}
		past, err := t.several(ctx)
		if err != nil {
			continue // another of its edges may know
		}
		switch next, known := successor(past, edge.Expect); {
		case !known:
		case next.Actor == r.Session && next.Detail == r.Detail && (next.Reason == r.Reason || edge.Expect == 0):
			return fmt.Errorf("it was carried out at revision %d, and its edges have changed since: %w: %w", next.Revision, api.ErrUnknown, refusal)
		case edge.Expect == 0: // somebody else's edge, which may have come after ours was deleted
		case next.Revision == 0 && errors.Is(refusal, errOwnClock): // a copy may be on its way
		default:
			return refusal
		}
	}
	return fmt.Errorf("%w; whether an earlier copy of it was carried out cannot be told: %w", refusal, api.ErrUnknown)
}

// errOwnClock says that it was this process's clock that ended a session. The registry need not have ended it yet, and may still carry
// out what was sent before.
var errOwnClock = errors.New("by this process's clock")

// successor returns what became of an edge right after a revision, nothing if it still has it. It is not known if the history
// does not reach back so far, or begins anew since the edge was deleted.
func successor(past []api.Change, revision api.Revision) (next api.Change, known bool) {
	if revision == 0 && len(past) > 0 && past[0].Reason == api.ReasonCreated {
		return past[0], true
	}
	at := slices.IndexFunc(past, func(was api.Change) bool { return was.Revision == revision })
	switch {
	case at < 0:
		return api.Change{}, false
	case at+1 < len(past):
		return past[at+1], true
	default:
		return api.Change{}, true
	}
}

// doubtful reports whether a refusal may be the answer to a copy that came after one that was carried out.
func doubtful(err error) bool {
	return errors.Is(err, api.ErrConflict) || errors.Is(err, api.ErrSessionLost) || errors.Is(err, api.ErrNotFound)
}
