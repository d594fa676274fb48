package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// Records of one length that are published together have one header, however they are claimed.
func TestRowsShareAHeader(t *testing.T) {
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	BindProducer(p, &r.consumer)
	c := NewConsumer(r.setup(), &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	b, err := p.Begin()
	require.NoError(t, err)
	for range 10 {
		_, err := b.Claim(60)
		require.NoError(t, err)
		require.NoError(t, b.Commit())
	}
	claimed, err := b.ClaimRow(60, 20)
	require.NoError(t, err)
	require.Equal(t, 20, claimed.N)
	require.ErrorIs(t, b.Flush(), errClaimIn(b), "what is claimed goes on with a row that is not published yet")
	require.NoError(t, b.CommitRow(19))
	require.NoError(t, b.Flush())
	require.EqualValues(t, fabric.HeaderBytes+29*64, r.producer.Tail.Load())

	row, err := c.Peek()
	require.NoError(t, err)
	require.Equal(t, 29, row.N)
	c.Skip(1)
	_, err = c.Stretch(1 << 10)
	require.ErrorIs(t, err, errRowBegun)
	c.Skip(28)
	require.NoError(t, c.Ack(28, nil))
	require.EqualValues(t, 28*64, r.consumer.Acked.Load(), "of a row in part, all but its header")
	require.NoError(t, c.Ack(29, nil))
	require.Equal(t, r.producer.Tail.Load(), r.consumer.Acked.Load())
	require.NoError(t, b.End())
}

// errClaimIn is what a batch says to who wants it shown with a claim open.
func errClaimIn(b *fabric.Batch) error { return b.Settle() }
