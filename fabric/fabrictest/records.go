package fabrictest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

func testOrder(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	require.Equal(t, r.pair.Arena.Config().Generation, r.p.Generation())
	require.Equal(t, r.pair.Arena.Config().Generation, r.c.Generation())
	const records, batch = 5000, 50
	for i := 0; i < records; i += batch {
		for j := i; j < i+batch; j++ {
			r.push(record(j, 64))
		}
		r.flush()
		for j := i; j < i+batch; j++ {
			require.Equal(t, record(j, 64), r.pop(), "record %d", j)
		}
		require.NoError(t, r.c.Ack(uint64(i+batch), nil))
	}
	_, err := r.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
}

func testClaim(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	r.push([]byte("first"))
	copy(r.claim(100), "given back")
	r.p.Abort()
	r.push([]byte("second"))
	r.claim(1)
	r.p.Abort()
	r.flush()
	require.Equal(t, "first", string(r.pop()))
	require.Equal(t, "second", string(r.pop()))
	_, err := r.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	require.NoError(t, r.p.Flush(), "a flush of nothing")
}

// testTorn lets a producer die within a record.
func testTorn(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	r.push([]byte("whole"))
	r.flush()
	copy(r.claim(64), "half of a rec")
	require.Equal(t, "whole", string(r.pop()))
	_, err := r.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	require.NoError(t, r.p.Close())
	r.p.Abort() // the caller's hold on the claimed bytes ends here, not with Close
	_, err = r.c.Next()
	require.Error(t, err)
	require.NotErrorIs(t, err, fabric.ErrCorrupt)
}

func testLengths(t *testing.T, newPair Factory) {
	cfg := Config(fabric.CapacityMin)
	r := newRig(t, newPair, cfg)
	lengths := []int{0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 4095, 4096, 4097, fabric.RecordMax(cfg.Capacity)}
	for round := range 10 {
		for i, n := range lengths {
			want := record(round*len(lengths)+i, n)
			r.push(want)
			r.flush()
			got := r.pop()
			require.NotNil(t, got)
			require.Equal(t, want, append([]byte{}, got...), "length %d", n)
			require.NoError(t, r.c.Ack(uint64(round*len(lengths)+i+1), nil))
		}
	}
}

func testTooLarge(t *testing.T, newPair Factory) {
	cfg := Config(fabric.CapacityMin)
	r := newRig(t, newPair, cfg)
	for _, n := range []int{fabric.RecordMax(cfg.Capacity) + 1, cfg.Capacity, 1 << 40} {
		_, err := r.p.Claim(n)
		require.ErrorIs(t, err, fabric.ErrTooLarge, "%d bytes", n)
	}
	_, err := r.p.Claim(-1)
	require.Error(t, err)
	require.False(t, fabric.Lost(err))
	r.push([]byte("still works"))
	r.flush()
	require.Equal(t, "still works", string(r.pop()))
}

// testFull fills a ring and shows that only acks make room, and only for what was acked.
func testFull(t *testing.T, newPair Factory) {
	cfg := Config(fabric.CapacityMin)
	r := newRig(t, newPair, cfg)
	n := fabric.RecordMax(cfg.Capacity)
	for i := range 4 { // four of the largest records fill a ring to the brim
		r.push(record(i, n))
	}
	r.flush()
	full := func() {
		t.Helper()
		_, err := r.p.Claim(n)
		require.ErrorIs(t, err, fabric.ErrFull)
	}
	full()
	var got [][]byte
	for range 4 {
		got = append(got, r.pop())
	}
	full() // reading frees nothing
	for i, b := range got {
		require.Equal(t, record(i, n), b, "record %d changed before its ack", i)
	}
	require.NoError(t, r.c.Ack(1, nil))
	r.push(record(4, n))
	r.flush()
	full()
	for i, b := range got[1:] {
		require.Equal(t, record(i+1, n), b, "record %d changed before its ack", i+1)
	}
	require.Equal(t, record(4, n), r.pop())
	require.NoError(t, r.c.Ack(5, nil))
	r.push(record(5, n))
	r.flush()
	require.Equal(t, record(5, n), r.pop())
}

// testWrap sends many rings' worth of odd lengths, from one goroutine to another.
func testWrap(t *testing.T, newPair Factory) {
	const records = 20000
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	length := func(i int) int { return i * 37 % 611 }
	sent := make(chan error, 1)
	go func() {
		sent <- func() error {
			for i := 0; i < records; {
				b, err := r.p.Claim(length(i))
				if errors.Is(err, fabric.ErrFull) || i%64 == 0 {
					if err := r.p.Flush(); err != nil && b == nil {
						return err
					}
				}
				switch {
				case errors.Is(err, fabric.ErrFull):
					if err := r.p.Wait(r.ctx); err != nil {
						return err
					}
				case err != nil:
					return err
				default:
					copy(b, record(i, length(i)))
					if err := r.p.Commit(); err != nil {
						return err
					}
					i++
				}
			}
			return r.p.Flush()
		}()
	}()
	for i := range records {
		require.Equal(t, record(i, length(i)), r.pop(), "record %d", i)
		if i%50 == 49 {
			require.NoError(t, r.c.Ack(uint64(i+1), nil))
		}
	}
	require.NoError(t, <-sent)
}

func testUsage(t *testing.T, newPair Factory) {
	cfg := Config(fabric.CapacityMin)
	r := newRig(t, newPair, cfg)
	require.Equal(t, cfg, r.pair.Arena.Config())
	require.Equal(t, fabric.Usage{}, r.pair.Arena.Usage())
	for i := range 3 {
		r.push(record(i, 100))
	}
	r.flush()
	r.arrived(3)
	for range 3 {
		r.pop()
	}
	u := r.pair.Arena.Usage()
	require.Zero(t, u.Acked)
	require.GreaterOrEqual(t, u.Bytes, 3*100)
	require.LessOrEqual(t, u.Bytes, 3*(100+fabric.RecordOverhead))
	require.NoError(t, r.c.Ack(2, []byte("two")))
	r.await(r.p, "the ack", func() bool {
		_, ok, err := r.p.Stable()
		require.NoError(t, err)
		return ok
	})
	u = r.pair.Arena.Usage()
	require.EqualValues(t, 2, u.Acked)
	require.EqualValues(t, 3, u.Committed)
	require.Less(t, u.Bytes, 2*100)
}
