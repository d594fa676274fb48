package party

import (
	"context"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/locator"
)

// Cluster is the control plane that an edge needs, for a process that holds its ring's side already: one record, one session,
// one ring. It implements edge.Cluster. Nothing is ever lost here, so whatever asks for another ring is refused.
type Cluster struct {
	sides *Sides
	lost  chan struct{} // never closed
}

// NewCluster returns the cluster of a holder of one side.
func NewCluster(s *Sides) *Cluster { return &Cluster{sides: s, lost: make(chan struct{})} }

var _ edge.Cluster = (*Cluster)(nil)

const session = "bench"

func (c *Cluster) record(codec string) api.Edge {
	side := api.Side{Stage: Edge, Session: session, Epoch: Generation}
	r := api.Edge{Name: Edge, Stage: Edge, Generation: Generation, Codec: codec, Capacity: uint64(c.sides.Config.Capacity), Revision: 1,
		Reason: api.ReasonTakeover, Locator: locator.Locator{Kind: locator.Queue, Node: "bench", Zone: "bench", Address: "127.0.0.1:1",
			Arena: c.sides.Config.Arena, Generation: Generation, Bytes: uint64(c.sides.Config.Capacity)}}
	if c.sides.Producer != nil {
		r.Producer = side
	} else {
		r.Consumer = side
	}
	return r
}

// Session implements edge.Cluster.
func (c *Cluster) Session(context.Context) (edge.Session, error) {
	return edge.Session{ID: session, Lost: c.lost}, nil
}

// Edge implements edge.Cluster: before Change there is none.
func (c *Cluster) Edge(_ context.Context, name string) (api.Edge, error) {
	return api.Edge{}, api.Errorf(api.KindNotFound, "no edge %s", name)
}

// Follow implements edge.Cluster: there never is news.
func (c *Cluster) Follow(ctx context.Context, _ string) <-chan api.Edge {
	news := make(chan api.Edge)
	context.AfterFunc(ctx, func() { close(news) })
	return news
}

// Change implements edge.Cluster: the first takeover.
func (c *Cluster) Change(_ context.Context, r api.ChangeRequest) ([]api.Edge, error) {
	if len(r.Edges) != 1 || r.Edges[0].Expect != 0 {
		return nil, api.Errorf(api.KindFenced, "the ring of a benchmark is lost: %s %s", r.Reason, r.Detail)
	}
	return []api.Edge{c.record(r.Edges[0].Codec)}, nil
}

// ChangeSpare implements edge.Cluster: a benchmark has one ring.
func (c *Cluster) ChangeSpare(context.Context, api.SpareRequest) (api.Edge, error) {
	return api.Edge{}, api.Errorf(api.KindNoRoom, "no room for a spare")
}

// AttachProducer implements edge.Cluster.
func (c *Cluster) AttachProducer(context.Context, api.Edge) (fabric.Producer, error) {
	return c.sides.Producer, nil
}

// AttachConsumer implements edge.Cluster.
func (c *Cluster) AttachConsumer(context.Context, api.Edge) (fabric.Consumer, error) {
	return c.sides.Consumer, nil
}
