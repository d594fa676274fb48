package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/settle"
)

// asked is what a request asked of one edge.
type asked struct {
	edge   string
	change settle.Change
}

// settle says what the refusal of a change means of which several copies were sent. See package settle.
func (c *Client) settle(ctx context.Context, refusal error, of ...asked) error {
	for _, a := range of {
		t := tour[[]api.Change]{route: c.route, hedge: true, ask: func(ctx context.Context, node *API) ([]api.Change, error) {
			return node.History(ctx, a.edge)
		}}
		past, err := t.several(ctx)
		if err != nil {
			continue // another of its edges may know
		}
		switch verdict, at := settle.Judge(past, a.change); verdict {
		case settle.Carried:
			return fmt.Errorf("it was carried out at revision %d, and its edges have changed since: %w: %w", at, api.ErrUnknown, refusal)
		case settle.Refused:
			return refusal
		default:
		}
	}
	return fmt.Errorf("%w; whether an earlier copy of it was carried out cannot be told: %w", refusal, api.ErrUnknown)
}

// errOwnClock says that it was this process's clock that ended a session. The registry need not have ended it yet, and may still carry
// out what was sent before.
var errOwnClock = errors.New("by this process's clock")

// pending reports whether the registry may yet carry out a copy that comes late, for all that it has refused another: it never does for
// a session that it knows to be over, but what was a conflict may be none when the edge in the way is deleted.
func pending(refusal error) bool {
	return !errors.Is(refusal, api.ErrSessionLost) || errors.Is(refusal, errOwnClock)
}

// doubtful reports whether a refusal may be the answer to a copy that came after one that was carried out.
func doubtful(err error) bool {
	return errors.Is(err, api.ErrConflict) || errors.Is(err, api.ErrSessionLost) || errors.Is(err, api.ErrNotFound)
}
