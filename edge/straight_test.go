package edge_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/locator"
)

// TestKeptInLostRings has rings lost whose memory holds the only copies of what was pushed.
func TestKeptInLostRings(t *testing.T) {
	codec, err := edge.Fixed[word]()
	require.NoError(t, err)
	for name, opts := range map[string][]edge.Option{
		"checked": nil, "copied": {edge.UseCodec(codec), edge.Unchecked()}, "copied and checked": {edge.UseCodec(codec)},
	} {
		t.Run("inproc/"+name, func(t *testing.T) { keptInLostRings(t, inprocRing, opts...) })
		if runtime.GOOS == "linux" {
			t.Run("shm/"+name, func(t *testing.T) { keptInLostRings(t, shmRing, opts...) })
		}
	}
}

func keptInLostRings(t *testing.T, ring func(fabric.Config) (fabric.Arena, error), opts ...edge.Option) {
	w := newWorld(ring)
	defer w.Close()
	p, err := edge.Produce[word](t.Context(), w.process("up"), "e", opts...)
	require.NoError(t, err)
	defer p.Close(canceled())
	c, err := edge.Consume[word](t.Context(), w.process("down"), "e", opts...)
	require.NoError(t, err)
	defer c.Close(canceled())
	item := func(i int) (v word) {
		binary.LittleEndian.PutUint64(v[:], uint64(i))
		return v
	}
	pushed, popped := 0, 0
	for round := range 20 {
		for range 100 {
			pushed++
			require.NoError(t, p.Push(t.Context(), at(pushed+pushed/7), item(pushed))) // some do not follow the one before
		}
		for range 30 + 60*(round%2) {
			popped++
			m, err := c.Pop(t.Context())
			require.NoError(t, err)
			require.Equal(t, item(popped), m.Value)
			require.Equal(t, at(popped+popped/7), m.Pos)
			if popped%7 == 0 {
				require.NoError(t, c.Ack(m.Pos))
			}
		}
		w.Revoke("e")
	}
	for popped < pushed {
		popped++
		m, err := c.Pop(t.Context())
		require.NoError(t, err)
		require.Equal(t, item(popped), m.Value)
		require.NoError(t, c.Ack(m.Pos))
	}
	require.NoError(t, p.Close(t.Context()))
	require.Zero(t, c.Stats().Repeats)
}

// TestItemsOutliveTheirRing has the ring closed under items that lie in it, accepted and not popped.
func TestItemsOutliveTheirRing(t *testing.T) {
	codec, err := edge.Fixed[word]()
	require.NoError(t, err)
	opts := []edge.Option{edge.UseCodec(codec), edge.Unchecked()}
	t.Run("inproc", func(t *testing.T) { itemsOutliveTheirRing(t, inprocRing, opts...) })
	if runtime.GOOS == "linux" {
		t.Run("shm", func(t *testing.T) { itemsOutliveTheirRing(t, shmRing, opts...) })
	}
}

func itemsOutliveTheirRing(t *testing.T, ring func(fabric.Config) (fabric.Arena, error), opts ...edge.Option) {
	item := func(i int) (v word) {
		binary.LittleEndian.PutUint64(v[:], uint64(i))
		return v
	}
	bound := make(chan struct{}, 8)
	seen := append(slices.Clone(opts), edge.Observe(edge.Events{Bound: func(string, fabric.Role, fence.Epoch, locator.Locator) { bound <- struct{}{} }}))
	w := newWorld(ring)
	defer w.Close()
	p, err := edge.Produce[word](t.Context(), w.process("up"), "e", opts...)
	require.NoError(t, err)
	defer p.Close(canceled())
	c, err := edge.Consume[word](t.Context(), w.process("down"), "e", seen...)
	require.NoError(t, err)
	defer c.Close(canceled())
	<-bound
	popped := 0
	pop := func(n int) {
		for range n {
			popped++
			m, err := c.Pop(t.Context())
			require.NoError(t, err)
			require.Equal(t, item(popped), m.Value)
		}
	}
	const ahead, rounds = 60, 20
	for round := range rounds {
		for i := range ahead {
			require.NoError(t, p.Push(t.Context(), at(round*ahead+i+1), item(round*ahead+i+1)))
		}
		require.NoError(t, p.Flush())
		pop(ahead / 2)
		require.NoError(t, c.Ack(at(popped)))
		if round%5 == 4 {
			require.NoError(t, c.Relocate(t.Context()))
			<-bound
		}
		pop(ahead - ahead/2)
		require.NoError(t, c.Ack(at(popped)))
	}
	require.NoError(t, p.Close(t.Context()))
	require.Zero(t, c.Stats().Repeats)
}

// TestItemsKeepTheirSpace acknowledges items before they are popped, while the producer takes all the room that there is.
func TestItemsKeepTheirSpace(t *testing.T) {
	codec, err := edge.Fixed[word]()
	require.NoError(t, err)
	p, c := ends[word](t, inprocRing, edge.UseCodec(codec), edge.Unchecked(), edge.Capacity(fabric.CapacityMin))
	pushed, popped := 0, 0
	push := func() error {
		var v word
		binary.LittleEndian.PutUint64(v[:], uint64(pushed+1))
		err := p.TryPush(at(pushed+1), v)
		if err == nil {
			pushed++
		}
		return err
	}
	pop := func() {
		m, err := c.Pop(t.Context())
		require.NoError(t, err)
		popped++
		require.EqualValues(t, popped, binary.LittleEndian.Uint64(m.Value[:]))
	}
	acked := func(upto int) {
		for now := p.Acked(); !now.Covers(at(upto)); {
			var err error
			now, err = p.WaitAcked(t.Context(), now)
			require.NoError(t, err)
		}
	}
	for range 30 {
		for range 50 {
			require.NoError(t, push())
		}
		require.NoError(t, p.Flush())
		pop()
		upto := pushed
		if err := c.Ack(at(upto)); err != nil { // they were not all accepted at once
			require.ErrorIs(t, err, handoff.ErrAckAhead)
			upto = popped
			require.NoError(t, c.Ack(at(upto)))
		}
		acked(upto)
		for push() == nil {
		}
		for popped < pushed {
			pop()
		}
		require.NoError(t, c.Ack(at(popped)))
		acked(popped)
	}
}

// TestItemsOfNoBytes has items whose position is all that there is of them.
func TestItemsOfNoBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type tick struct{}
		codec, err := edge.Fixed[tick]()
		require.NoError(t, err)
		p, c := ends[tick](t, inprocRing, edge.UseCodec(codec), edge.Unchecked(), edge.Thrifty())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // which passes at once if one is missing
		defer cancel()
		for pushed, popped := 0, 0; pushed < 1000; {
			for range 1 + pushed%50 {
				pushed++
				require.NoError(t, p.Push(ctx, at(pushed), tick{}))
			}
			for popped < pushed {
				popped++
				m, err := c.Pop(ctx)
				require.NoError(t, err)
				require.Equal(t, at(popped), m.Pos)
			}
			require.NoError(t, c.Ack(at(popped)))
		}
	})
}
