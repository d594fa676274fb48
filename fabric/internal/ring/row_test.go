package ring

import (
	"bytes"
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

// A record that turns out shorter has a row of its own, and what comes behind it begins where it ends.
func TestRecordsTurnOutShorter(t *testing.T) {
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	BindProducer(p, &r.consumer)
	c := NewConsumer(r.setup(), &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	b, err := p.Begin()
	require.NoError(t, err)
	lengths := []int{64, 64, 0, 24}
	for i, n := range lengths {
		record, err := b.ClaimMost(64)
		require.NoError(t, err)
		for k := range record {
			record[k] = byte(i)
		}
		require.Error(t, b.CommitFirst(65))
		require.NoError(t, b.CommitFirst(n))
	}
	require.Error(t, b.CommitFirst(0), "nothing is claimed")
	copy(b.Add(24), "of that length, too")
	_, err = b.ClaimMost(64)
	require.NoError(t, err)
	_, err = b.ClaimMost(64)
	require.Error(t, err, "one is open")
	b.Abort()
	require.NoError(t, b.End())
	for i, n := range lengths {
		got, err := c.Next()
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat([]byte{byte(i)}, n), append([]byte{}, got...))
	}
	got, err := c.Next()
	require.NoError(t, err)
	require.Len(t, got, 24)
	_, err = c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
}

// errClaimIn is what a batch says to who wants it shown with a claim open.
func errClaimIn(b *fabric.Batch) error { return b.Settle() }
