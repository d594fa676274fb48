package edge_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(x int) position.Position { return position.Position{Offset: uint64(x)} }

// pair opens both sides of an edge in processes of their own.
func pair(t *testing.T, opts ...edge.Option) (*edgetest.Cluster, *edge.Producer[string], *edge.Consumer[string]) {
	c := edgetest.New()
	t.Cleanup(c.Close)
	p, err := edge.Produce[string](t.Context(), c.Client("up"), "e", opts...)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(canceled()) })
	in, err := edge.Consume[string](t.Context(), c.Client("down"), "e", opts...)
	require.NoError(t, err)
	t.Cleanup(func() { in.Close(canceled()) })
	return c, p, in
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// push pushes items from..to-1, each its own number.
func push(t *testing.T, p *edge.Producer[string], from, to int) {
	for i := from; i < to; i++ {
		require.NoError(t, p.Push(t.Context(), at(i), strconv.Itoa(i)))
	}
}

// pop expects items from..to-1.
func pop(t *testing.T, in *edge.Consumer[string], from, to int) {
	for i := from; i < to; i++ {
		m, err := in.Pop(t.Context())
		require.NoError(t, err)
		require.Equal(t, edge.Msg[string]{Value: strconv.Itoa(i), Pos: at(i), Kind: handoff.Item}, m)
	}
}

func TestItemsArriveInOrderAndEnd(t *testing.T) {
	_, p, in := pair(t)
	push(t, p, 1, 101)
	require.NoError(t, p.End(t.Context(), 0))
	i := 1
	for m, err := range in.All(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i), m.Value)
		i++
		require.NoError(t, in.Ack(m.Pos))
	}
	require.Equal(t, 101, i)
	require.EqualValues(t, 100, p.Stats().Items, "marks are not items")
	require.Equal(t, p.Stats().Bytes, in.Stats().Bytes)
	_, err := in.Pop(t.Context())
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, p.Close(t.Context()), "everything is acknowledged")
	require.ErrorIs(t, p.Push(t.Context(), at(200), ""), edge.ErrClosed)
}

// Whichever side notices, and however often, the edge goes on from the last item.
func TestLostRings(t *testing.T) {
	losses := map[string]func(*edgetest.Cluster, *edgetest.Client, *edgetest.Client){
		"both":     func(c *edgetest.Cluster, _, _ *edgetest.Client) { c.LoseRing("e") },
		"producer": func(_ *edgetest.Cluster, up, _ *edgetest.Client) { up.LoseRing("e") },
		"consumer": func(_ *edgetest.Cluster, _, down *edgetest.Client) { down.LoseRing("e") },
		"revoked":  func(c *edgetest.Cluster, _, _ *edgetest.Client) { c.Revoke("e") },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			c := edgetest.New()
			defer c.Close()
			up, down := c.Client("up"), c.Client("down")
			p, err := edge.Produce[string](t.Context(), up, "e")
			require.NoError(t, err)
			defer p.Close(canceled())
			in, err := edge.Consume[string](t.Context(), down, "e")
			require.NoError(t, err)
			defer in.Close(canceled())
			for round := range 5 {
				before := p.Generation()
				push(t, p, round*10, round*10+5)
				pop(t, in, round*10, round*10+3)
				lose(c, up, down)
				push(t, p, round*10+5, round*10+10)
				pop(t, in, round*10+3, round*10+10)
				require.Eventually(t, func() bool {
					rec, _ := c.Edge("e") // which follows a move to the spare
					return p.Generation() > before && in.Generation() == p.Generation() && rec.Generation == p.Generation()
				}, 10*time.Second, time.Millisecond)
			}
			require.NoError(t, in.Ack(at(49)))
			require.NoError(t, p.Close(t.Context()))
			rec, _ := c.Edge("e")
			require.Equal(t, fence.Epoch(1), rec.Producer.Epoch, "moves leave the role's epoch")
		})
	}
}

// A consumer that dies with items popped and not acknowledged: its successor gets them again.
func TestConsumerTakeover(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	p, err := edge.Produce[string](t.Context(), c.Client("up"), "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	first := c.Client("first")
	in, err := edge.Consume[string](t.Context(), first, "e")
	require.NoError(t, err)
	defer in.Close(canceled())

	standby := make(chan *edge.Consumer[string])
	go func() {
		in, err := edge.Consume[string](t.Context(), c.Client("second"), "e", edge.Standby())
		if err != nil {
			t.Error(err)
		}
		standby <- in
	}()
	push(t, p, 0, 10)
	pop(t, in, 0, 6)
	require.NoError(t, in.Ack(at(2)))
	require.Eventually(t, func() bool { return p.Acked().Covers(at(2)) }, 10*time.Second, time.Millisecond)
	select {
	case <-standby:
		t.Fatal("the standby took a role that was not free")
	default:
	}
	first.Kill()
	second := <-standby
	defer second.Close(canceled())
	pop(t, second, 3, 10)
	for err == nil { // what it had taken in before it was killed may still come
		_, err = in.Pop(t.Context())
	}
	require.True(t, errors.Is(err, api.ErrSessionLost) || errors.Is(err, fence.ErrFenced), err)
}

// A producer that dies: its successor pushes again from what is acknowledged, and the consumer sees nothing twice.
func TestProducerTakeover(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	first := c.Client("first")
	p, err := edge.Produce[string](t.Context(), first, "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	in, err := edge.Consume[string](t.Context(), c.Client("down"), "e")
	require.NoError(t, err)
	defer in.Close(canceled())
	push(t, p, 0, 10)
	pop(t, in, 0, 7)
	first.Kill()
	again, err := edge.Produce[string](t.Context(), c.Client("second"), "e", edge.Standby())
	require.NoError(t, err)
	defer again.Close(canceled())
	push(t, again, 0, 12)
	pop(t, in, 7, 12)
	for i := 100; err == nil; i++ { // it learns of its end a moment later; the window is finite
		err = p.Push(t.Context(), at(i), "")
	}
	require.True(t, errors.Is(err, api.ErrSessionLost) || errors.Is(err, fence.ErrFenced), err)
	require.NoError(t, in.Ack(at(11)))
	require.NoError(t, again.Close(t.Context()))
}

// Taking a role from a live holder fences it.
func TestTakeoverFences(t *testing.T) {
	c, p, in := pair(t)
	push(t, p, 0, 1)
	pop(t, in, 0, 1)
	usurper, err := edge.Consume[string](t.Context(), c.Client("usurper"), "e")
	require.NoError(t, err)
	defer usurper.Close(canceled())
	_, err = in.Pop(t.Context())
	require.ErrorIs(t, err, fence.ErrFenced)
	require.ErrorIs(t, in.Ack(at(0)), fence.ErrFenced)
	pop(t, usurper, 0, 1)
	require.Greater(t, usurper.Epoch(), in.Epoch())
}

// The store is fenced before it is read, and reading goes on after what it has.
func TestResumeFrom(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	p, err := edge.Produce[string](t.Context(), c.Client("up"), "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	push(t, p, 0, 5)
	var epoch fence.Epoch
	in, err := edge.Consume[string](t.Context(), c.Client("down"), "e",
		edge.ResumeFrom(func(_ context.Context, e fence.Epoch) (position.Vector, error) {
			epoch = e
			return position.VectorOf(at(2)), nil
		}))
	require.NoError(t, err)
	defer in.Close(canceled())
	require.Equal(t, in.Epoch(), epoch)
	pop(t, in, 3, 5)
	require.Eventually(t, func() bool { return p.Acked().Covers(at(2)) }, 10*time.Second, time.Millisecond)
}

func TestFullMeansWait(t *testing.T) {
	_, p, in := pair(t, edge.Capacity(fabric.CapacityMin))
	item := string(make([]byte, 8000))
	n := 0
	for ; ; n++ {
		if err := p.TryPush(at(n), item); err != nil {
			require.ErrorIs(t, err, edge.ErrFull)
			break
		}
	}
	require.Equal(t, fabric.CapacityMin/(8000+handoff.HeaderBytes), n)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Push(ctx, at(n), item), context.DeadlineExceeded)
	done := make(chan error)
	go func() { done <- p.Push(t.Context(), at(n), item) }()
	m, err := in.Pop(t.Context())
	require.NoError(t, err)
	require.NoError(t, in.Ack(m.Pos))
	require.NoError(t, <-done)
	require.ErrorIs(t, p.Push(t.Context(), at(n+1), string(make([]byte, fabric.CapacityMin/4))), fabric.ErrTooLarge)
}

// Marks carry the position past input that made no output, alone and without being asked for.
func TestMarksMoveTheAcknowledgement(t *testing.T) {
	_, p, in := pair(t)
	push(t, p, 0, 1)
	pop(t, in, 0, 1)
	require.NoError(t, in.Ack(at(0)))
	popped := make(chan struct{})
	go func() { defer close(popped); in.Pop(t.Context()) }()
	for i := 1; i < 1000; i++ {
		require.NoError(t, p.Mark(at(i).End()))
	}
	require.Eventually(t, func() bool { return p.Acked().Covers(at(999).End()) }, 10*time.Second, time.Millisecond)
	push(t, p, 1000, 1001)
	<-popped
	require.Less(t, in.Stats().Retained, uint64(10))
}

func TestMarksAreDelivered(t *testing.T) {
	_, p, in := pair(t, edge.Marks())
	require.NoError(t, p.Mark(at(3).End()))
	m, err := in.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, edge.Msg[string]{Pos: at(3).End(), Kind: handoff.Mark}, m)
	require.NoError(t, in.Ack(m.Pos))
	require.NoError(t, p.End(t.Context(), 0))
	m, err = in.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, handoff.End, m.Kind)
	require.NoError(t, in.Ack(m.Pos))
	require.NoError(t, p.Close(t.Context()))
}

func TestCodecsMustAgree(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	p, err := edge.Produce[string](t.Context(), c.Client("up"), "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	_, err = edge.Consume[[]byte](t.Context(), c.Client("down"), "e")
	require.ErrorIs(t, err, edge.ErrCodec)
}

// All the edges of a stage are taken together, and a rival that lost one has none.
func TestStageIsClaimedAtOnce(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	stage := edge.Stage{Name: "s", Consumes: []string{"a"}, Produces: []string{"b"}}
	winner := make(chan *edge.Roles, 2)
	clients := []*edgetest.Client{c.Client("one"), c.Client("two")}
	ctx, cancel := context.WithCancel(t.Context())
	for _, cl := range clients {
		go func() {
			roles, _ := edge.Claim(ctx, cl, stage, edge.Standby())
			winner <- roles
		}()
	}
	roles := <-winner
	require.NotNil(t, roles)
	a, _ := c.Edge("a")
	b, _ := c.Edge("b")
	require.Equal(t, a.Consumer.Session, b.Producer.Session)
	for _, cl := range clients {
		s, _ := cl.Session(t.Context())
		if s.ID == a.Consumer.Session {
			cl.Kill()
		}
	}
	<-roles.Lost()
	next := <-winner
	require.NotNil(t, next)
	require.Greater(t, next.Epoch("a", fabric.RoleConsumer), roles.Epoch("a", fabric.RoleConsumer))
	cancel()
}

func TestBadNames(t *testing.T) {
	c := edgetest.New()
	defer c.Close()
	_, err := edge.Produce[string](t.Context(), c.Client("x"), "no spaces")
	require.ErrorContains(t, err, "is not a name")
	_, err = edge.Claim(t.Context(), c.Client("x"), edge.Stage{Name: "s", Consumes: []string{"e"}, Produces: []string{"e"}})
	require.ErrorContains(t, err, "named twice")
}

func TestPlannedMove(t *testing.T) {
	c, p, in := pair(t, edge.Spare(false)) // whose arming would be the last change
	push(t, p, 0, 3)
	require.NoError(t, p.Relocate(t.Context()))
	rec, _ := c.Edge("e")
	require.Equal(t, api.ReasonRequested, rec.Reason)
	push(t, p, 3, 6)
	pop(t, in, 0, 6)
	require.NoError(t, in.Relocate(t.Context()))
	push(t, p, 6, 9)
	pop(t, in, 6, 9)
	require.Zero(t, in.Stats().Repeats)
}
