package edge_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// A position that no record can carry is refused, and the edge goes on.
func TestBadPositionsAreRefused(t *testing.T) {
	_, p, in := pair(t)
	bad := position.Position{Offset: position.OffsetMax + 1}
	require.ErrorIs(t, p.Push(t.Context(), bad, ""), position.ErrBadPosition)
	require.ErrorIs(t, p.Mark(bad), position.ErrBadPosition)
	push(t, p, 0, 1)
	pop(t, in, 0, 1)
}

func TestTooManyLanes(t *testing.T) {
	_, p, _ := pair(t)
	var err error
	for lane := position.Lane(0); err == nil && lane < 10*position.LanesMax; lane++ {
		err = p.Mark(position.Position{Lane: lane})
	}
	for lane := position.Lane(0); err == nil; lane++ {
		err = p.Push(t.Context(), position.Position{Lane: lane % position.LanesMax, Offset: uint64(lane) + 1}, "")
	}
	require.ErrorIs(t, err, handoff.ErrLanes)
}

func TestStoredPositionsAreChecked(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	_, err := edge.Consume[string](t.Context(), c.Client("down"), "e",
		edge.ResumeFrom(func(context.Context, fence.Epoch) (v position.Vector, err error) {
			for lane := range position.Lane(position.LanesMax + 1) {
				v = v.With(position.Position{Lane: lane})
			}
			return v, nil
		}))
	require.ErrorIs(t, err, position.ErrBadPosition)
}

// A consumer that wants smaller rings than the producer has items for does not get them.
func TestRingsAreNoSmallerThanTheWindowNeeds(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	p, err := edge.Produce[string](t.Context(), c.Client("up"), "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	item := string(make([]byte, fabric.CapacityMin))
	require.NoError(t, p.Push(t.Context(), at(1), item))
	in, err := edge.Consume[string](t.Context(), c.Client("down"), "e", edge.Capacity(fabric.CapacityMin))
	require.NoError(t, err)
	defer in.Close(canceled())
	m, err := in.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, item, m.Value)
	require.LessOrEqual(t, in.Generation(), fence.Epoch(4), "the two claims', a spare's, and this")
}

// hostile is a cluster in which some things never work.
type hostile struct {
	*edgetest.Client
	attach  error        // of AttachProducer
	unfit   atomic.Int32 // so many spares cannot be attached as consumer
	deleted atomic.Bool
	deaf    bool // no news ever comes
	changes atomic.Int32
	spares  atomic.Int32 // asked for
	planned func() error // what becomes of planned moves: an error, or what else happens once they are armed; nil: nothing
}

func (h *hostile) AttachProducer(ctx context.Context, e api.Edge) (fabric.Producer, error) {
	if h.attach != nil {
		return nil, h.attach
	}
	return h.Client.AttachProducer(ctx, e)
}

func (h *hostile) AttachConsumer(ctx context.Context, e api.Edge) (fabric.Consumer, error) {
	if e.Reason == api.ReasonMoved && h.unfit.Add(-1) >= 0 {
		return nil, fabric.ErrDisconnected
	}
	return h.Client.AttachConsumer(ctx, e)
}

func (h *hostile) Change(ctx context.Context, r api.ChangeRequest) ([]api.Edge, error) {
	h.changes.Add(1)
	return h.Client.Change(ctx, r)
}

func (h *hostile) ChangeSpare(ctx context.Context, r api.SpareRequest) (api.Edge, error) {
	h.spares.Add(1)
	rec, err := h.Client.ChangeSpare(ctx, r)
	if r.Planned && h.planned != nil && err == nil {
		err = h.planned()
	}
	return rec, err
}

func (h *hostile) Edge(ctx context.Context, name string) (api.Edge, error) {
	if h.deleted.Load() {
		return api.Edge{}, api.Errorf(api.KindNotFound, "no edge %s", name)
	}
	return h.Client.Edge(ctx, name)
}

func (h *hostile) Follow(ctx context.Context, name string) <-chan api.Edge {
	if !h.deaf {
		return h.Client.Follow(ctx, name)
	}
	none := make(chan api.Edge)
	context.AfterFunc(ctx, func() { close(none) })
	return none
}

// Rings that never work are asked for ever more seldom: each is an entry of the log.
func TestRingsThatNeverWorkAreAskedForSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		cl := &hostile{Client: c.Client("up"), attach: fabric.ErrDisconnected}
		p, err := edge.Produce[string](t.Context(), cl, "e")
		require.NoError(t, err)
		defer p.Close(canceled())
		time.Sleep(10 * time.Second)
		require.Less(t, cl.changes.Load(), int32(50))
		require.Greater(t, cl.changes.Load(), int32(10))
	})
}

// A deleted edge ends the role even if no news of that comes.
func TestDeletedEdge(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	cl := &hostile{Client: c.Client("up"), deaf: true}
	p, err := edge.Produce[string](t.Context(), cl, "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	cl.deleted.Store(true)
	c.LoseRing("e")
	_, err = p.WaitAcked(t.Context(), position.Vector{})
	require.ErrorIs(t, err, fence.ErrFenced)
}

// A standby takes over even if no news comes.
func TestStandbyWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := edgetest.New()
		defer c.Close()
		holder := c.Client("holder")
		p, err := edge.Produce[string](t.Context(), holder, "e")
		require.NoError(t, err)
		defer p.Close(canceled())
		time.AfterFunc(time.Minute, holder.Kill)
		next, err := edge.Produce[string](t.Context(), &hostile{Client: c.Client("next"), deaf: true}, "e", edge.Standby())
		require.NoError(t, err)
		require.NoError(t, next.Close(t.Context()))
	})
}

func TestNoMoveAfterClose(t *testing.T) {
	_, p, in := pair(t)
	require.NoError(t, p.Close(t.Context()))
	require.ErrorIs(t, p.Relocate(t.Context()), edge.ErrClosed)
	require.NoError(t, in.Close(t.Context()))
	require.ErrorIs(t, in.Relocate(t.Context()), edge.ErrClosed)
}

// A claim that does not say what its edges carry cannot open one whose record does not say so either: nothing would compare the
// two sides.
func TestAClaimNamesItsCodecs(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	cl := c.Client("up")
	roles, err := edge.Claim(t.Context(), cl, edge.Stage{Name: "s", Produces: []string{"e"}})
	require.NoError(t, err)
	_, err = edge.Produce[string](t.Context(), cl, "e", edge.Claimed(roles))
	require.ErrorIs(t, err, edge.ErrCodec)
}

// A consumer that could not attach to the spare says so to nobody: it was never there. The producer waits for it for a while, and arms another.
func TestASpareThatTheConsumerDoesNotReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spared{t: t, c: edgetest.New()}
		defer s.c.Close()
		s.c.SetNodes(3)
		cl := &hostile{Client: s.c.Client("down")}
		cl.unfit.Store(2)
		s.p, s.in = s.produce(s.c.Client("up")), s.consume(cl)
		defer s.p.Close(canceled())
		defer s.in.Close(canceled())
		s.flows(0, 3)
		ring := s.rec().Generation
		s.ready()
		require.Equal(t, ring, s.rec().Generation, "items do not notice")
		s.flows(3, 6)
	})
}
