package fabrictest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
)

// put makes b the next record of a batch, waiting for room.
func (r *rig) put(batch *fabric.Batch, b []byte) {
	r.t.Helper()
	r.await(r.p, "room", func() bool {
		room, err := batch.Claim(len(b))
		if errors.Is(err, fabric.ErrFull) {
			return false
		}
		require.NoError(r.t, err)
		require.Len(r.t, room, len(b))
		copy(room, b)
		require.NoError(r.t, batch.Commit())
		return true
	})
}

func (r *rig) begin() *fabric.Batch {
	r.t.Helper()
	batch, err := r.p.Begin()
	require.NoError(r.t, err)
	return batch
}

// testBatch sends records of all lengths in batches, and reads them in drains, from one goroutine to another.
func testBatch(t *testing.T, newPair Factory) {
	const records = 20000
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	length := func(i int) int { return i * 37 % 611 }
	read := make(chan error, 1)
	go func() { read <- r.drain(records, func(i int, b []byte) error { return same(b, record(i, length(i))) }) }()
	for i := 0; i < records; {
		batch := r.begin()
		for range 100 {
			r.put(batch, record(i, length(i)))
			i++
		}
		require.NoError(t, batch.End())
	}
	require.NoError(t, <-read)

	// Batches and single records go into the same ring, and a claim that is given back, or open at the end, leaves nothing.
	r = newRig(t, newPair, Config(fabric.CapacityMin))
	r.push([]byte("single"))
	batch := r.begin()
	r.put(batch, []byte("first"))
	b, err := batch.Claim(100)
	require.NoError(t, err)
	copy(b, "given back")
	batch.Abort()
	r.put(batch, []byte("second"))
	require.NoError(t, batch.Flush())
	require.Equal(t, "single", string(r.pop()), "visible before the end")
	require.Equal(t, "first", string(r.pop()))
	require.Equal(t, "second", string(r.pop()))
	_, err = batch.Claim(7)
	require.NoError(t, err)
	require.NoError(t, batch.End())
	r.push([]byte("last"))
	r.flush()
	require.Equal(t, "last", string(r.pop()))
}

func same(got, want []byte) error {
	if string(got) != string(want) {
		return errors.New("another record than was sent")
	}
	return nil
}

// drain reads that many records, acknowledging as it goes.
func (r *rig) drain(records int, look func(i int, b []byte) error) error {
	for i := 0; i < records; {
		_, err := r.c.Drain(64, func(b []byte) error {
			if err := look(i, b); err != nil {
				return err
			}
			i++
			return nil
		})
		if errors.Is(err, fabric.ErrEmpty) {
			err = r.c.Wait(r.ctx)
		}
		if err == nil {
			err = r.c.Ack(uint64(i), nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func testBatchMisuse(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	recordMax := fabric.RecordMax(fabric.CapacityMin)
	batch := r.begin()
	_, err := batch.Claim(recordMax + 1)
	require.ErrorIs(t, err, fabric.ErrTooLarge)
	_, err = batch.Claim(-1)
	require.Error(t, err)
	require.Error(t, batch.Commit(), "nothing is claimed")
	batch.Abort()
	_, err = batch.Claim(8)
	require.NoError(t, err)
	_, err = batch.Claim(8)
	require.Error(t, err, "a claim is open")
	require.NoError(t, batch.Commit())
	for err = nil; err == nil; {
		if _, err = batch.Claim(recordMax); err == nil {
			err = batch.Commit()
		}
	}
	require.ErrorIs(t, err, fabric.ErrFull)
	require.NoError(t, batch.End())
	require.Len(t, r.pop(), 8)
}

// testBatchClose ends a side and a ring under an open batch.
func testBatchClose(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	batch := r.begin()
	r.put(batch, []byte("flushed"))
	require.NoError(t, batch.Flush())
	b, err := batch.Claim(100)
	require.NoError(t, err)
	require.NoError(t, r.p.Close())
	clear(b) // still the caller's
	require.ErrorIs(t, batch.End(), fabric.ErrClosed)
	_, err = r.p.Begin()
	require.ErrorIs(t, err, fabric.ErrClosed)
	require.Equal(t, "flushed", string(r.pop()))

	r = newRig(t, newPair, Config(fabric.CapacityMin))
	batch = r.begin()
	r.pair.Arena.Seal(fabric.ErrRevoked)
	r.await(r.p, "the loss", func() bool {
		if _, err = batch.Claim(fabric.RecordMax(fabric.CapacityMin)); err == nil {
			err = batch.Commit()
		}
		return err != nil && !errors.Is(err, fabric.ErrFull)
	})
	require.ErrorIs(t, err, fabric.ErrRevoked)
	require.ErrorIs(t, batch.End(), fabric.ErrRevoked)
	_, err = r.p.Begin()
	require.ErrorIs(t, err, fabric.ErrRevoked)
}

func testDrain(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	n, err := r.c.Drain(5, func([]byte) error { return errors.New("called without a record") })
	require.ErrorIs(t, err, fabric.ErrEmpty)
	require.Zero(t, n)
	for i := range 10 {
		r.push(record(i, 100))
	}
	r.flush()
	require.Equal(t, record(0, 100), r.pop())
	enough, next := errors.New("enough"), 1
	take := func(b []byte) error {
		if next == 3 {
			return enough
		}
		require.Equal(t, record(next, 100), b)
		next++
		return nil
	}
	r.await(r.c, "records", func() bool { _, err = r.c.Drain(100, take); return !errors.Is(err, fabric.ErrEmpty) && err != nil })
	require.ErrorIs(t, err, enough)
	require.Equal(t, 3, next)
	require.Error(t, r.c.Ack(4, nil), "what was refused is not read")
	require.NoError(t, r.c.Ack(3, nil))
	require.Equal(t, record(3, 100), r.pop(), "what was refused is still the next")
	next = 4
	r.await(r.c, "records", func() bool {
		_, err := r.c.Drain(4, take)
		require.True(t, err == nil || errors.Is(err, fabric.ErrEmpty), "%v", err)
		return next >= 8
	})
	n, err = r.c.Drain(0, take)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, r.c.Close())
	_, err = r.c.Drain(1, take)
	require.ErrorIs(t, err, fabric.ErrClosed)
}

// testDrainLends keeps what a drain lent: the ring does not mind, and in a build with fabricdebug the keeper finds out.
func testDrainLends(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	r.push(record(1, 100))
	r.flush()
	var kept []byte
	r.await(r.c, "the record", func() bool {
		n, _ := r.c.Drain(1, func(b []byte) error { kept = b; return nil })
		return n == 1
	})
	require.Len(t, kept, 100)
	if borrow.Poisons {
		require.Equal(t, bytes.Repeat([]byte{borrow.Poison}, 100), kept)
	}
}

// testDrainShare shows that a drain ends while the producer still has room.
func testDrainShare(t *testing.T, newPair Factory) {
	const n, records = 1000, 50
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	for i := range records {
		r.push(record(i, n))
	}
	r.flush()
	r.arrived(records)
	for read, most := 0, fabric.CapacityMin/8/n+1; read < records; {
		took, err := r.c.Drain(records, func([]byte) error { return nil })
		if errors.Is(err, fabric.ErrEmpty) {
			err = r.c.Wait(r.ctx)
		}
		require.NoError(t, err)
		require.LessOrEqual(t, took, most)
		read += took
	}
}
