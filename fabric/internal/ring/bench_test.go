package ring

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// pair is both sides of a ring on one goroutine: what the instructions cost, without a line that travels.
func pair() (fabric.Producer, fabric.Consumer) {
	r := newParts()
	p := NewProducer(r.setup(), &r.producer, r.data)
	BindProducer(p, &r.consumer)
	c := NewConsumer(r.setup(), &r.consumer)
	BindConsumer(c, &r.producer, r.data)
	return p, c
}

var payload [64]byte

// BenchmarkHop sends, reads and acknowledges records one by one.
func BenchmarkHop(b *testing.B) {
	p, c := pair()
	for n := uint64(1); b.Loop(); n++ {
		room, err := p.Claim(len(payload))
		if err != nil {
			b.Fatal(err)
		}
		copy(room, payload[:])
		binary.LittleEndian.PutUint64(room, n)
		if err := p.Commit(); err != nil {
			b.Fatal(err)
		}
		if err := p.Flush(); err != nil {
			b.Fatal(err)
		}
		record, err := c.Next()
		if err != nil || binary.LittleEndian.Uint64(record) != n {
			b.Fatal(err)
		}
		if err := c.Ack(n, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch sends and drains 64 records at a time.
func BenchmarkBatch(b *testing.B) {
	p, c := pair()
	read, sent := uint64(0), uint64(0)
	see := func(record []byte) error {
		if binary.LittleEndian.Uint64(record) != read {
			return fabric.ErrCorrupt
		}
		read++
		return nil
	}
	for b.Loop() {
		batch, err := p.Begin()
		require.NoError(b, err)
		for range 64 {
			room, err := batch.Claim(len(payload))
			if err != nil {
				b.Fatal(err)
			}
			copy(room, payload[:])
			binary.LittleEndian.PutUint64(room, sent)
			sent++
			if err := batch.Commit(); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, batch.End())
		for read < sent {
			_, err := c.Drain(64, see)
			require.NoError(b, err)
		}
		require.NoError(b, c.Ack(read, nil))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/record")
}

// BenchmarkRow sends and reads 64 records at a time, as a row.
func BenchmarkRow(b *testing.B) {
	p, c := pair()
	sent, read := uint64(0), uint64(0)
	for b.Loop() {
		batch, err := p.Begin()
		require.NoError(b, err)
		for left := 64; left > 0; {
			row, err := batch.ClaimRow(len(payload), left)
			if err != nil {
				b.Fatal(err)
			}
			for i := range row.N {
				room := row.At(i)
				copy(room, payload[:])
				binary.LittleEndian.PutUint64(room, sent)
				sent++
			}
			if err := batch.CommitRow(row.N); err != nil {
				b.Fatal(err)
			}
			left -= row.N
		}
		require.NoError(b, batch.End())
		for rows := c.(fabric.Peeker); read < sent; {
			row, err := rows.Peek()
			require.NoError(b, err)
			for i := range row.N {
				if binary.LittleEndian.Uint64(row.At(i)) != read {
					b.Fatal("another record than was sent")
				}
				read++
			}
			rows.Skip(row.N)
		}
		require.NoError(b, c.Ack(read, nil))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/record")
}
