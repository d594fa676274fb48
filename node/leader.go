package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
)

// leaderLine takes this node's own requests to whoever leads, which may be the node itself: it asks over its own port then,
// and there is one way for all. It is safe for concurrent use.
type leaderLine struct {
	registry *registry.Registry
	dialling func() *tls.Config // as of papers

	mu  sync.Mutex
	api *client.API // of the last leader; nil at first and after close
}

// line returns the leader's API, or api.ErrNoQuorum. The API stays usable when another node becomes the leader: that one
// then passes the request on or says that it cannot.
func (l *leaderLine) line() (*client.API, error) {
	leader, ok := l.registry.Leader()
	if !ok {
		return nil, fmt.Errorf("no leader: %w", api.ErrNoQuorum)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.api != nil && l.api.Target() == leader.Address {
		return l.api, nil
	}
	next, err := client.NewAPI(leader.Address, client.APIConfig{
		Cluster: func() string { return l.registry.State().Cluster() }, TLS: l.dialling,
	})
	if err != nil {
		return nil, fmt.Errorf("leader %s: %w", leader.ID, err)
	}
	if l.api != nil {
		_ = l.api.Close() // closes idle connections only
	}
	l.api = next
	return next, nil
}

// Register announces this node's start.
func (l *leaderLine) Register(ctx context.Context, r api.RegisterRequest) (api.RegisterResponse, error) {
	a, err := l.line()
	if err != nil {
		return api.RegisterResponse{}, err
	}
	return a.Register(ctx, r)
}

// Renew sends the node's batched renewal.
func (l *leaderLine) Renew(ctx context.Context, r api.RenewRequest) (api.RenewResponse, error) {
	a, err := l.line()
	if err != nil {
		return api.RenewResponse{}, err
	}
	return a.Renew(ctx, r)
}

// Sessions opens, adopts or ends a session.
func (l *leaderLine) Sessions(ctx context.Context, r api.SessionRequest) (api.SessionResponse, error) {
	a, err := l.line()
	if err != nil {
		return api.SessionResponse{}, err
	}
	return a.Sessions(ctx, r)
}

// AdoptLease takes a lease over into this incarnation of the node.
func (l *leaderLine) AdoptLease(ctx context.Context, id lease.ID, r api.AdoptRequest) error {
	a, err := l.line()
	if err != nil {
		return err
	}
	return a.AdoptLease(ctx, id, r)
}

// Resize says how much memory this node lends from now on.
func (l *leaderLine) Resize(ctx context.Context, r api.ResizeRequest) error {
	a, err := l.line()
	if err != nil {
		return err
	}
	return a.Resize(ctx, r)
}

// Drain says that this node is to be emptied, if it is not yet, and returns what is left on it.
func (l *leaderLine) Drain(ctx context.Context, id locator.NodeID, drained bool) (api.DrainStatus, error) {
	a, err := l.line()
	if err != nil {
		return api.DrainStatus{}, err
	}
	if drained {
		return a.DrainStatus(ctx, id)
	}
	return a.DrainNode(ctx, id, api.DrainRequest{Drain: api.DrainUntilStart})
}

func (l *leaderLine) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.api == nil {
		return nil
	}
	a := l.api
	l.api = nil
	return a.Close()
}
