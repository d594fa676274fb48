package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/refusals"
	"github.com/grafnode/grafnode/node/host"
	"github.com/grafnode/grafnode/registry/state"
)

// serving is what a node does from its registration on, under the incarnation that it got: sessions, rings, block regions,
// and renewals for all of them.
type serving struct {
	node        *Node
	incarnation uint64
	host        *host.Host
	regions     *regions
	applied     chan struct{} // capacity 1: the state has changed
	tasks       sync.WaitGroup
}

// register announces this start of the node to the leader until that is accepted, and then begins to serve.
func (n *Node) register(ctx context.Context) {
	const pauseMin, pauseMax = 50 * time.Millisecond, 400 * time.Millisecond
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := n.registerOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		n.log.Debug("not registered yet", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (n *Node) registerOnce(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, tendPatience)
	defer cancel()
	// An answer that got lost may have given an incarnation away. The next attempt gets a higher one, once the state here has
	// caught up; gaps are harmless. An attempt that was given up and comes late is refused: taken for another start of this
	// node, it would end this one.
	was, _ := n.registry.State().Node(n.dir.id)
	registered, err := n.leader.Register(asking, api.RegisterRequest{Node: api.Node{
		ID: n.dir.id, Name: n.cfg.Name, Zone: n.cfg.Zone, Address: n.mux.Addr().String(), Memory: n.limits.Load().memory, Version: n.cfg.Version,
		Incarnation: was.Incarnation + 1,
	}})
	if err != nil {
		return err
	}
	if err := n.dir.bind(registered.Cluster); err != nil {
		n.fail(&ConfigError{"data-dir", err})
		return nil
	}
	if err := n.serve(ctx, registered); err != nil {
		n.fail(err)
	}
	return nil
}

// serve opens what needs the registration. Stages that have come earlier wait at the socket, and come again.
func (n *Node) serve(ctx context.Context, registered api.RegisterResponse) error {
	h, err := host.New(host.Config{
		Node: n.dir.id, Incarnation: registered.Incarnation, Cluster: registered.Cluster, Zone: n.cfg.Zone, Limits: n.limits.Load().host(),
		State: rings{n.dir.id, n.registry}, Leader: n.leader, Addresses: n.addresses, Observer: n.stages, Users: n.rights, TLS: n.identity.listening(), Silences: &n.silences, Direct: n.ways(),
		Trusted: n.trusted, Logger: n.log,
	})
	if err != nil {
		return err
	}
	s := &serving{node: n, incarnation: registered.Incarnation, host: h, applied: make(chan struct{}, 1),
		regions: &regions{n.dir.id, registered.Incarnation, n.registry, n.leader, n.blocks, n.log}}
	if err := h.Open(); err != nil {
		return errors.Join(err, h.Close())
	}
	s.tasks.Go(func() { s.renew(ctx) })
	s.tasks.Go(func() { s.follow(ctx) })
	s.tasks.Go(func() { s.accept(n.mux.Data()) })
	s.tasks.Go(func() {
		if err := h.Serve(n.split.Sessions()); err != nil {
			n.fail(fmt.Errorf("stages cannot connect any more: %w", err))
		}
	})
	n.serving.Store(s)
	h.Limit(n.limits.Load().host()) // which limit may have changed before it found s
	s.wake(nil)
	n.log.Info("serving", "cluster", registered.Cluster, "incarnation", registered.Incarnation)
	return nil
}

// wake says that the state has changed, by c if that is known. It does not block. Block regions are looked through as a whole, so
// they are left alone by the two commands that never concern them and come thousands of times a second.
func (s *serving) wake(c state.Command) {
	s.host.Applied()
	switch c.(type) {
	case state.ChangeEdges, state.ChangeSpare:
		return
	}
	select {
	case s.applied <- struct{}{}:
	default:
	}
}

// follow keeps the block regions in line with the state until ctx ends. A lease that could not be adopted is tried again.
func (s *serving) follow(ctx context.Context) {
	for {
		if self, _ := s.node.registry.State().Node(s.node.dir.id); self.Incarnation > s.incarnation {
			s.node.fail(errTwice)
			return
		}
		var again <-chan time.Time // no clock ticks while there is nothing to try again
		if !s.regions.reconcile(ctx) {
			again = time.After(tendEvery)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.applied:
		case <-again:
		}
	}
}

// errTwice is fatal: what this run of the node holds is the other's to hold.
var errTwice = errors.New("this node has been started again elsewhere: two agents share an identity, perhaps a copied data directory")

// accept serves data connections until the listener closes. The host knows who may attach to what.
func (s *serving) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed: Mux accepts again after everything else by itself
		}
		s.tasks.Go(func() { s.serveData(conn) })
	}
}

// closeServing ends what serve began, if it did.
func (n *Node) closeServing() error {
	s := n.serving.Load()
	if s == nil {
		return nil
	}
	err := errors.Join(n.mux.Data().Close(), s.host.Close())
	s.tasks.Wait()
	return err
}

// serveData serves one side of a ring for a session elsewhere.
func (s *serving) serveData(conn net.Conn) {
	err := s.host.ServeData(conn)
	if err == nil {
		return
	}
	remote := conn.RemoteAddr().String()
	log := s.node.log.With("address", remote, "error", err)
	of := new(tcp.ServeError)
	named := errors.As(err, &of)
	if named {
		log = log.With("edge", of.Edge, "generation", of.Generation, "role", of.Role)
	}
	if s.node.life.Err() == nil && (errors.Is(err, tcp.ErrUnauthorised) || !named && !errors.Is(err, io.EOF)) {
		host, _, _ := net.SplitHostPort(remote) // of TCP it is always one
		log.Warn("data connection refused", refusals.Peer, host)
		return
	}
	log.Debug("data connection ended")
}
