package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
)

// renewAgain is how long after a renewal that failed the next is tried: three tries a term leave no room for waiting long.
const renewAgain = 200 * time.Millisecond

// renew sends the node's batched renewals until ctx ends (protocol rules 18 and 19): every third of the shortest term there
// is, and at once when a new ring waits for its first deadline. A node that holds nothing asks for nothing.
func (s *serving) renew(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.host.RenewSoon():
		}
		err := s.renewOnce(ctx)
		switch {
		case err == nil:
			timer.Reset(lease.RenewEvery(s.shortestTerm()))
		case errors.Is(err, fence.ErrFenced):
			s.node.fail(fmt.Errorf("%w: %w", errTwice, err))
			return
		default:
			if ctx.Err() == nil {
				s.node.log.Warn("leases not renewed, trying again", "error", err)
			}
			timer.Reset(renewAgain)
		}
	}
}

func (s *serving) renewOnce(ctx context.Context) error {
	leases, sessions := s.host.Renewable()
	leases = append(leases, s.regions.renewable()...)
	if len(leases)+len(sessions) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lease.RenewEvery(s.shortestTerm()))
	defer cancel()
	asked := boottime.Now() // before sending: what is granted counts from here
	renewed, err := s.node.leader.Renew(ctx, api.RenewRequest{
		Node: s.node.dir.id, Incarnation: s.incarnation, Leases: leases, Sessions: sessions,
	})
	if err != nil {
		return err
	}
	s.host.Renewed(asked, renewed)
	return nil
}

// shortestTerm is the shortest of all that this node renews.
func (s *serving) shortestTerm() time.Duration {
	state, shortest := s.node.registry.State(), lease.TTLDefault
	for l := range state.LeasesOn(s.node.dir.id) {
		shortest = min(shortest, l.TTL)
	}
	for session := range state.SessionsOn(s.node.dir.id) {
		shortest = min(shortest, session.TTL)
	}
	return shortest
}
