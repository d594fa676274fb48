package edge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

// A standby knows the records of its stage's edges at all times, so that when the roles are free it has nothing to ask before it takes
// them: the change is a compare-and-set on what it has heard. News may be late or lost, so it reads every so often all the same,
// which also keeps its connection to the leader open.

// readAll returns the records of a stage's edges, as far as there are any.
func readAll(ctx context.Context, cl Cluster, s Stage) (map[string]api.Edge, error) {
	known := map[string]api.Edge{}
	for _, name := range s.edges() {
		rec, err := cl.Edge(ctx, name)
		if err != nil && !errors.Is(err, api.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			known[name] = rec
		}
	}
	return known, nil
}

// awaitFree waits until no other session has any of a stage's roles, and returns the records. waited reports whether that was not so
// at once.
func awaitFree(ctx context.Context, cl Cluster, s Stage, session Session) (known map[string]api.Edge, waited bool, err error) {
	known, err = readAll(ctx, cl, s)
	if err != nil || s.free(known, session.ID) {
		return known, false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	news := followAll(ctx, cl, s, &all)
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	for !s.free(known, session.ID) {
		select {
		case rec := <-news:
			if rec.Revision <= known[rec.Name].Revision {
				continue
			}
			if known[rec.Name] = rec; rec.Deleted {
				delete(known, rec.Name)
			}
		case <-recheck.C:
			now, err := readAll(ctx, cl, s)
			if err != nil {
				return nil, true, err
			}
			known = now
		case <-session.Lost:
			return nil, true, api.ErrSessionLost
		case <-ctx.Done():
			return nil, true, context.Cause(ctx)
		}
	}
	return known, true, nil
}

// followAll sends news of all of a stage's edges until ctx ends.
func followAll(ctx context.Context, cl Cluster, s Stage, all *sync.WaitGroup) <-chan api.Edge {
	news := make(chan api.Edge)
	for _, name := range s.edges() {
		one := cl.Follow(ctx, name)
		all.Go(func() {
			for rec := range one {
				select {
				case news <- rec:
				case <-ctx.Done():
				}
			}
		})
	}
	return news
}

// free reports whether nobody but session has a role of the stage in records.
func (s Stage) free(records map[string]api.Edge, session lease.SessionID) bool {
	taken := func(side api.Side) bool { return !side.Free() && side.Session != session }
	return !slices.ContainsFunc(s.Consumes, func(name string) bool { return taken(records[name].Consumer) }) &&
		!slices.ContainsFunc(s.Produces, func(name string) bool { return taken(records[name].Producer) })
}
