package node_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// claim gives both roles of an edge away.
func claim(t *testing.T, from, to *client.Client) api.Edge {
	t.Helper()
	made, err := from.Change(t.Context(), api.ChangeRequest{Reason: api.ReasonTakeover, Edges: []api.EdgeChange{
		{Name: "e", TakeProducer: true, ProducerStage: "from", Capacity: 1 << 16},
	}})
	require.NoError(t, err)
	taken, err := to.Change(t.Context(), api.ChangeRequest{Reason: api.ReasonTakeover, Edges: []api.EdgeChange{
		{Name: "e", Expect: made[0].Revision, TakeConsumer: true, ConsumerStage: "to"},
	}})
	require.NoError(t, err)
	return taken[0]
}

// attach opens both sides of e's ring.
func attach(t *testing.T, from, to *client.Client, e api.Edge) (fabric.Producer, fabric.Consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	type side struct {
		fabric.Producer
		err error
	}
	other := make(chan side, 1)
	go func() {
		p, err := from.AttachProducer(ctx, e)
		other <- side{p, err}
	}()
	in, err := to.AttachConsumer(ctx, e)
	require.NoError(t, err)
	out := <-other
	require.NoError(t, out.err)
	t.Cleanup(func() { _, _ = out.Close(), in.Close() })
	return out.Producer, in
}

// tell sends one record through a ring.
func tell(t *testing.T, out fabric.Producer, in fabric.Consumer, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := out.Claim(len(what))
	require.NoError(t, err)
	copy(b, what)
	require.NoError(t, out.Commit())
	require.NoError(t, out.Flush())
	for {
		got, err := in.Next()
		if err == nil {
			require.Equal(t, what, string(got))
			return
		}
		require.ErrorIs(t, err, fabric.ErrEmpty)
		require.NoError(t, in.Wait(ctx))
	}
}

func TestASpareBecomesTheRing(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	c.level()
	from, to := c.stage(0, "from"), c.stage(1, "to")
	e := claim(t, from, to)
	_, err := to.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Expect: e.Revision, Arm: true})
	require.ErrorIs(t, err, fence.ErrFenced, "the consumer has no say")
	_, err = from.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Expect: e.Revision, Arm: true, AvoidNodes: ids(c, 0, 1, 2)})
	require.ErrorIs(t, err, api.ErrNoRoom)
	e, err = from.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Expect: e.Revision, Arm: true})
	require.NoError(t, err)
	require.NotEqual(t, e.Locator.Node, e.Spare.Locator.Node)

	stranger := e.InSpare()
	stranger.Spare, stranger.Generation = e.Spare, e.Generation
	_, err = to.AttachConsumer(t.Context(), stranger)
	require.Error(t, err, "the spare's arena is of another generation")
	out, in := attach(t, from, to, e.InSpare())
	require.Equal(t, e.Spare.Generation, out.Generation())
	require.NoError(t, in.SetResume([]byte("here")))
	tell(t, out, in, "warm")

	moved, err := from.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Confirm: e.Spare.Generation, Arm: true, Reason: api.ReasonRingLost})
	require.NoError(t, err)
	require.Equal(t, e.Spare.Locator, moved.Locator)
	require.NotNil(t, moved.Spare)
	tell(t, out, in, "and on, as if nothing had been")
	_, err = from.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Confirm: e.Spare.Generation, Reason: api.ReasonRingLost})
	require.ErrorIs(t, err, api.ErrConflict)

	_, err = c.api(c.nodes[0].Address(), "").Relocate(t.Context(), "e", api.RelocateRequest{AtOnce: true})
	require.NoError(t, err)
	_, err = to.AttachConsumer(t.Context(), moved.InSpare())
	require.True(t, fabric.Lost(err), "%v: any other change does away with the spare", err)
	eventually(t, func() error {
		if _, err := out.Claim(1); !fabric.Lost(err) {
			out.Abort()
			return fmt.Errorf("the ring before is still in use: %w", err)
		}
		return nil
	})
}

func TestASpareOnOneHostOutlivesItsNodesRestart(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	c.level()
	from, to := c.stage(0, "from"), c.stage(0, "to")
	claim(t, from, to)
	e, err := c.api(c.nodes[1].Address(), "").Relocate(t.Context(), "e", api.RelocateRequest{Avoid: ids(c, 0), AtOnce: true})
	require.NoError(t, err)
	others := ids(c, 1, 2)
	e, err = from.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Expect: e.Revision, Arm: true, AvoidNodes: others})
	require.NoError(t, err)
	require.Equal(t, c.nodes[0].ID(), e.Spare.Locator.Node)
	out, in := attach(t, from, to, e.InSpare())
	require.NoError(t, in.SetResume(nil))

	c.stop(0)
	tell(t, out, in, "needs no node")
	c.start(0)
	c.ready()
	eventually(t, func() error {
		l, err := c.api(c.nodes[0].Address(), "").Lease(t.Context(), lease.ID(e.Spare.Locator.Arena), api.Default)
		if err == nil && l.Incarnation != 2 {
			err = fmt.Errorf("not adopted: %+v", l)
		}
		return err
	})
	moved, err := from.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Confirm: e.Spare.Generation, Reason: api.ReasonRequested})
	require.NoError(t, err)
	require.Equal(t, e.Spare.Generation, moved.Generation)
	require.Equal(t, e.Spare.Locator.Arena, moved.Locator.Arena)
	tell(t, out, in, "and is the ring")
}

// toldOf waits, as the sides of edges do, until look says that its ring is lost.
func toldOf(t *testing.T, wait func(context.Context) error, look func() error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if err := look(); err != nil {
			return err
		}
		require.NoError(t, wait(ctx))
	}
}

// A side that has left a spare never comes back to it, so it is of no use to the other, who is told at once. A ring is another matter: what
// lies in it may still be read, and somebody may be about to take the side over.
func TestASpareThatOneSideHasLeftEnds(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	c.level()
	from, to := c.stage(0, "from"), c.stage(1, "to")
	e := claim(t, from, to)
	ring, ringIn := attach(t, from, to, e)
	for range 2 { // the producer's side, and then the consumer's
		var err error
		e, err = from.ChangeSpare(t.Context(), api.SpareRequest{Name: "e", Expect: e.Revision, Arm: true})
		require.NoError(t, err)
		out, in := attach(t, from, to, e.InSpare())
		left, wait, stays := io.Closer(in), out.Wait, func() error { _, _, err := out.Stable(); return err }
		if e.Spare.Generation%2 == 0 {
			left, wait, stays = out, in.Wait, func() error { _, err := in.Active(); return err }
		}
		require.NoError(t, stays())
		require.NoError(t, left.Close())
		require.ErrorIs(t, toldOf(t, wait, stays), fabric.ErrSealed)
	}
	tell(t, ring, ringIn, "as before")
	require.NoError(t, ringIn.Close())
	_, err := ring.Claim(1)
	require.NoError(t, err)
	ring.Abort()
}
