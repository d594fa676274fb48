package fabrictest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// Benchmarks runs one-way traffic from one goroutine to another: records of several sizes, flushed and acked in batches.
func Benchmarks(b *testing.B, newPair Factory) {
	for _, n := range []int{64, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("oneway/%dB", n), func(b *testing.B) { benchOneWay(b, newPair, n) })
	}
}

func benchOneWay(b *testing.B, newPair Factory, n int) {
	const capacity = 1 << 20
	batch := min(64, capacity/8/n) // unacked records must leave room for the next
	r := newRig(b, newPair, Config(capacity))
	b.SetBytes(int64(n))
	b.ReportAllocs()
	b.ResetTimer()
	sent := make(chan error, 1)
	go func() { sent <- r.produce(b.N, n, batch) }()
	for i := 1; i <= b.N; i++ {
		for {
			_, err := r.c.Next()
			if err == nil {
				break
			}
			require.ErrorIs(b, err, fabric.ErrEmpty)
			require.NoError(b, r.c.Wait(r.ctx))
		}
		if i%batch == 0 || i == b.N {
			require.NoError(b, r.c.Ack(uint64(i), nil))
		}
	}
	require.NoError(b, <-sent)
}

// produce sends records of n bytes.
func (r *rig) produce(records, n, batch int) error {
	for i := 0; i < records; {
		p, err := r.p.Claim(n)
		switch {
		case errors.Is(err, fabric.ErrFull):
			if err := r.p.Wait(r.ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		p[0] = byte(i)
		if err := r.p.Commit(); err != nil {
			return err
		}
		if i++; i%batch == 0 {
			if err := r.p.Flush(); err != nil {
				return err
			}
		}
	}
	return r.p.Flush()
}
