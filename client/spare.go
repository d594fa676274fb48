package client

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/settle"
)

// ChangeSpare confirms a move to an edge's spare, arms another, or both in one write, and returns the record after it. Only the edge's
// producer may: for who is it no more the error is fence.ErrFenced. Otherwise all is as with Change, also what is done about unknown
// outcomes. api.ErrConflict says that nothing was done, and that the record is another: read it again. Arm alone is api.ErrNoRoom
// if no other node will do, as in a cluster of one; beside a confirmation that is no error. The reason of arming alone is
// api.ReasonSpareArmed unless r has another.
func (c *Client) ChangeSpare(ctx context.Context, r api.SpareRequest) (api.Edge, error) {
	ctx, cancel := c.until(ctx)
	defer cancel()
	if r.Reason == "" && r.Confirm == 0 {
		r.Reason = api.ReasonSpareArmed
	}
	edges, err := c.change(ctx, &r.OpID, &r.Session,
		func(ctx context.Context, a *API) (api.ChangeResponse, error) { return a.ChangeSpare(ctx, r) },
		func(pending bool) []asked {
			return []asked{{r.Name, settle.Change{
				Expect: r.Expect, Confirm: r.Confirm, Session: r.Session, Reason: r.Reason, Detail: r.Detail, Pending: pending,
			}}}
		})
	if err == nil && len(edges) != 1 {
		err = fmt.Errorf("the answer has %d edges: %w", len(edges), api.ErrInternal)
	}
	if err != nil {
		return api.Edge{}, fmt.Errorf("client: spare of edge %s: %w", r.Name, err)
	}
	return edges[0], nil
}
