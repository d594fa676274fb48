package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

const (
	// moveTries bounds how often a move is asked for.
	moveTries = 5
	// recordWait bounds the wait for somebody who can say where an edge is: an election takes less.
	recordWait = 10 * time.Second
)

// Move is Relocate until it is known what came of it. If an answer is lost, or the leader is, it reads the edge's record, linearizably, and
// asks again if the edge has not moved, unless its caller may not read it. So a ring may move twice, and another's move counts as this one if it came meanwhile and led to no node of
// r.Avoid. api.ErrUnknown means that nobody could read the record for ten seconds, that ctx has ended, or that no try was answered.
func (a *API) Move(ctx context.Context, name string, r api.RelocateRequest) (api.Edge, error) {
	was, err := a.Edge(ctx, name, api.Default)
	switch {
	case errors.Is(err, api.ErrForbidden): // who may move it need not be one who may read
		return a.Relocate(ctx, name, r)
	case err != nil:
		return was, err
	}
	var open error // what an earlier try came to: it may yet have been done
	for range moveTries {
		e, err := a.Relocate(ctx, name, r)
		switch {
		case err == nil:
			return e, nil
		case errors.Is(err, api.ErrUnknown):
			open = err
		case open == nil:
			return e, err
		case !again(err):
			return e, fmt.Errorf("%w; an earlier try: %w", err, open)
		}
		now, err := a.readable(ctx, name)
		switch {
		case errors.Is(err, api.ErrNotFound):
			return now, err // it was deleted: there is nothing left to move
		case err != nil:
			return now, fmt.Errorf("%w; and its record: %w", open, err)
		case elsewhereNow(now, was.Generation, r):
			return now, nil
		}
	}
	return api.Edge{}, open
}

// elsewhereNow reports whether an edge has left the ring of a generation for a place that r allows.
func elsewhereNow(e api.Edge, was fence.Epoch, r api.RelocateRequest) bool {
	return e.Generation > was && !slices.Contains(r.Avoid, e.Locator.Node)
}

// readable reads an edge's record until a quorum answers, for a while.
func (a *API) readable(ctx context.Context, name string) (api.Edge, error) {
	began := time.Now()
	for wait := new(backoff); ; {
		e, err := a.Edge(ctx, name, api.Default)
		if err == nil || !again(err) || time.Since(began) > recordWait {
			return e, err
		}
		if cause := wait.sleep(ctx); cause != nil {
			return e, fmt.Errorf("%w; last: %w", cause, err)
		}
	}
}
