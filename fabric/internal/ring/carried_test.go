package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// TestAdvance has another write a ring's memory: the cursor is taken if it goes on within the room that there is.
func TestAdvance(t *testing.T) {
	r := newParts()
	r.config.Generation = 9
	p := NewProducer(r.setup(), &r.producer, make([]byte, 2*r.config.Capacity))
	BindProducer(p, &r.consumer)
	require.Len(t, p.Memory(), r.config.Capacity)
	require.Nil(t, NewProducer(r.setup(), &r.producer, r.data).Memory(), "what is not mapped twice is not for others to write")
	for _, bad := range []uint64{4, fabric.CapacityMin + 8, 1 << 40, ^uint64(7)} {
		require.ErrorIs(t, p.Advance(bad, 1), fabric.ErrCorrupt, "%d", bad)
	}
	require.NoError(t, p.Advance(fabric.CapacityMin, 3))
	require.NoError(t, p.Flush())
	require.EqualValues(t, fabric.CapacityMin, r.producer.Tail.Load())
	require.EqualValues(t, 3, r.producer.Count.Load())
	require.ErrorIs(t, p.Advance(fabric.CapacityMin-8, 3), fabric.ErrCorrupt)
	require.ErrorIs(t, p.Advance(fabric.CapacityMin+8, 4), fabric.ErrCorrupt)
	r.consumer.Acked.Store(64)
	require.NoError(t, p.Advance(fabric.CapacityMin+64, 4))
	require.NoError(t, p.Close())
	require.ErrorIs(t, p.Advance(fabric.CapacityMin+64, 4), fabric.ErrClosed)
}

// TestLoseProducer has a loss come from outside: it wakes who waits, a wait ends for it once without an error, and then it is the loss.
func TestLoseProducer(t *testing.T) {
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	BindProducer(p, &r.consumer)
	ended := make(chan error, 1)
	go func() { ended <- p.Wait(t.Context()) }()
	LoseProducer(p, fabric.ErrRevoked)
	LoseProducer(p, fabric.ErrSealed)
	require.NoError(t, <-ended)
	_, err := p.Claim(8)
	require.ErrorIs(t, err, fabric.ErrRevoked)
	require.ErrorIs(t, p.Wait(t.Context()), fabric.ErrRevoked)
}

// TestCarried shows that a consumer which is no reader of its own is rung for each publishing, and told of each claim without room.
func TestCarried(t *testing.T) {
	r := newParts()
	rings, short := 0, []uint64(nil)
	s := r.setup()
	s.Peer = bellFunc(func() { rings++; r.consumer.Carried() })
	s.Short = func(wanted uint64) { short = append(short, wanted) }
	r.consumer.Carried()
	p := NewProducer(s, &r.producer, r.data)
	BindProducer(p, &r.consumer)
	for range 3 {
		_, err := p.Claim(100)
		require.NoError(t, err)
		require.NoError(t, p.Commit())
		require.NoError(t, p.Flush())
		require.NoError(t, p.Flush()) // nothing is new
	}
	require.Equal(t, 3, rings)
	for range 4 {
		_, err := p.Claim(16000)
		if err != nil {
			require.ErrorIs(t, err, fabric.ErrFull)
			break
		}
		require.NoError(t, p.Commit())
	}
	_, err := p.Claim(fabric.RecordMax(fabric.CapacityMin))
	require.ErrorIs(t, err, fabric.ErrFull)
	require.NotEmpty(t, short)

	require.True(t, r.consumer.PutResume(7, []byte("from here")))
	require.False(t, r.consumer.PutResume(7, []byte("again")))
	r.consumer.PutStable(7, []byte("one"))
	r.consumer.PutStable(7, []byte("two"))
	r.consumer.PutWant()
	note, ok, err := p.Resume()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "from here", string(note))
	note, ok, err = p.Stable()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "two", string(note))
	wanted, err := p.MoveWanted()
	require.NoError(t, err)
	require.True(t, wanted)
}

type bellFunc func()

func (f bellFunc) Ring(uint64) { f() }
