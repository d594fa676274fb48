package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/internal/borrow"
)

// TestNoAllocationPerRecord sends and reads records one by one, and in batches.
func TestNoAllocationPerRecord(t *testing.T) {
	if borrow.Poisons {
		t.Skip("each record is lent as a copy in this build")
	}
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	BindProducer(p, &r.consumer)
	c := NewConsumer(r.setup(), &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	read, see := uint64(0), func([]byte) error { return nil }
	one := func() {
		_, err := p.Claim(64)
		require.NoError(t, err)
		require.NoError(t, p.Commit())
		require.NoError(t, p.Flush())
		_, err = c.Next()
		require.NoError(t, err)
		read++
		require.NoError(t, c.Ack(read, nil))
	}
	many := func() {
		b, err := p.Begin()
		require.NoError(t, err)
		for range 50 {
			_, err := b.Claim(64)
			require.NoError(t, err)
			require.NoError(t, b.Commit())
		}
		require.NoError(t, b.End())
		n, err := c.Drain(50, see)
		require.NoError(t, err)
		read += uint64(n)
		require.NoError(t, c.Ack(read, nil))
	}
	require.Zero(t, testing.AllocsPerRun(1000, one))
	require.Zero(t, testing.AllocsPerRun(100, many))
}
