package benchmark

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/load"
)

// target is our registry as stages use it: each client is a client.Client with a session of its own, at its node's socket.
type target struct {
	mu     sync.Mutex
	closes []func() error
}

// OpenTarget returns our registry for load.Main; nodes are named by the paths of their sockets.
func OpenTarget() (load.Target, error) { return &target{}, nil }

func (t *target) later(f func() error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closes = append(t.closes, f)
}

// Close ends all sessions.
func (t *target) Close() error {
	errs := make([]error, len(t.closes))
	var all sync.WaitGroup
	for i, f := range t.closes {
		all.Go(func() { errs[i] = f() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Roaming is Client: a stage's client goes to other nodes by itself.
func (t *target) Roaming(ctx context.Context, nodes []string, name string) (load.Client, error) {
	return t.Client(ctx, nodes[0], name)
}

// Client opens a session and makes an edge.
func (t *target) Client(ctx context.Context, node, name string) (load.Client, error) {
	cl, err := client.Dial(ctx, client.Config{Socket: node, Stage: "bench", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	t.later(cl.Close)
	c := &stage{cl: cl, edge: name}
	return c, c.change(ctx, api.ReasonTakeover, api.EdgeChange{
		Name: name, TakeProducer: true, ProducerStage: "bench", Codec: "bench", Capacity: fabric.CapacityMin,
	})
}

// Watch watches the edge.
func (t *target) Watch(ctx context.Context, node, name string, ready func(), seen func(uint64)) error {
	cl, err := client.Dial(ctx, client.Config{Socket: node, Stage: "bench", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	t.later(cl.Close)
	synced := false
	for e, err := range cl.Watch(ctx, api.WatchRequest{Prefix: name}) {
		switch {
		case err != nil:
			return err
		case e.Type == api.EventSync && !synced:
			synced = true
			ready()
		case e.Type == api.EventChange:
			seen(uint64(e.Revision))
		}
	}
	return nil
}

// stage is one client and its edge, of which it is the producer.
type stage struct {
	cl       *client.Client
	edge     string
	revision api.Revision
}

// CAS moves the edge: its generation goes up, it gets a ring and a lease, its history a line.
func (s *stage) CAS(ctx context.Context) (uint64, error) {
	err := s.change(ctx, api.ReasonRequested, api.EdgeChange{Name: s.edge, Expect: s.revision})
	return uint64(s.revision), err
}

func (s *stage) change(ctx context.Context, why api.Reason, e api.EdgeChange) error {
	edges, err := s.cl.Change(ctx, api.ChangeRequest{Reason: why, Edges: []api.EdgeChange{e}})
	if err != nil {
		return err
	}
	if len(edges) != 1 || edges[0].Name != s.edge {
		return fmt.Errorf("change of %s answered with %d records", s.edge, len(edges))
	}
	s.revision = edges[0].Revision
	return nil
}

func (s *stage) Read(ctx context.Context) error {
	_, err := s.cl.Edge(ctx, s.edge)
	return err
}

func (s *stage) Strict(ctx context.Context) error {
	_, err := s.cl.Read(ctx, s.edge, api.Strict)
	return err
}

// Write is CAS: the client tries again by itself, under one operation ID.
func (s *stage) Write(ctx context.Context) error {
	_, err := s.CAS(ctx)
	return err
}
