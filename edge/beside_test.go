package edge_test

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
)

// TestPushBesideEverything pushes as fast as it goes, into rings whose memory holds the only copies, while others take the lock, the
// rings and the edge's place away: each item arrives once, in order, as it was pushed.
func TestPushBesideEverything(t *testing.T) {
	t.Run("inproc", func(t *testing.T) { pushBesideEverything(t, inprocRing) })
	if runtime.GOOS == "linux" {
		t.Run("shm", func(t *testing.T) { pushBesideEverything(t, shmRing) })
	}
}

const besideItems = 300_000

func pushBesideEverything(t *testing.T, ring func(fabric.Config) (fabric.Arena, error)) {
	w := newWorld(ring)
	defer w.Close()
	p, err := edge.Produce[word](t.Context(), w.process("up"), "e", edge.Capacity(fabric.CapacityMin))
	require.NoError(t, err)
	defer p.Close(canceled())
	c, err := edge.Consume[word](t.Context(), w.process("down"), "e")
	require.NoError(t, err)
	defer c.Close(canceled())

	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() {
		for ctx.Err() == nil {
			w.Revoke("e")
			time.Sleep(3 * time.Millisecond)
			if err := p.Relocate(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, edge.ErrClosed) {
				t.Error(err)
			}
			time.Sleep(3 * time.Millisecond)
		}
	})
	others.Go(func() {
		for ctx.Err() == nil {
			_ = p.Flush()
			p.Stats()
			p.Acked()
			time.Sleep(50 * time.Microsecond)
		}
	})
	others.Go(func() { popAll(t, c) })
	for i := 1; i <= besideItems; i++ {
		var v word
		binary.LittleEndian.PutUint64(v[:], uint64(i))
		require.NoError(t, p.Push(t.Context(), at(i), v))
	}
	require.NoError(t, p.Close(t.Context()))
	stop()
	others.Wait()
}

func popAll(t *testing.T, c *edge.Consumer[word]) {
	for i := 1; i <= besideItems; i++ {
		m, err := c.Pop(t.Context())
		if err == nil && binary.LittleEndian.Uint64(m.Value[:]) != uint64(i) {
			err = errors.New("another item")
		}
		if err == nil {
			err = c.Ack(m.Pos)
		}
		if err != nil {
			t.Errorf("item %d: %v %v", i, m, err)
			return
		}
	}
}
