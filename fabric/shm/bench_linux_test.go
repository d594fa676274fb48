package shm_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/shm"
)

// BenchmarkProcesses has records go from one process to another, in batches and in place. The other process is timed too:
// ns/op counts until the last record is acked.
func BenchmarkProcesses(b *testing.B) {
	for _, capacity := range []int{64 << 10, 1 << 20} {
		for _, n := range []int{64, 1 << 10, 16 << 10} {
			for _, mode := range []fabric.Mode{fabric.Balanced, fabric.LowLatency} {
				if n <= fabric.RecordMax(capacity) {
					b.Run(fmt.Sprintf("%dKiB/%dB/%v", capacity>>10, n, mode), func(b *testing.B) { benchProcesses(b, capacity, n, mode) })
				}
			}
		}
	}
}

func benchProcesses(b *testing.B, capacity, n int, mode fabric.Mode) {
	a, err := shm.New(fabrictest.Config(capacity))
	require.NoError(b, err)
	defer a.Close()
	c := startChild(b)
	c.attach(a, fabric.RoleConsumer, "drain/"+mode.String(), uint64(b.N))
	p, err := a.Producer()
	require.NoError(b, err)
	defer p.Close()
	p.SetMode(mode)
	c.bind(a, fabric.RoleConsumer)
	c.receive() // it is ready
	b.SetBytes(int64(n))
	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, flood(p, n, b.N))
	c.receive()
}

// flood writes records of n bytes, of which it sets the first.
func flood(p fabric.Producer, n, records int) error {
	batch, err := p.Begin()
	if err != nil {
		return err
	}
	for i := 0; i < records; {
		room, err := batch.Claim(n)
		if errors.Is(err, fabric.ErrFull) {
			err = p.Wait(context.Background())
			if err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		copy(room, source[:n])
		room[0] = byte(i)
		if err := batch.Commit(); err != nil {
			return err
		}
		i++
	}
	return batch.End()
}

var source [16 << 10]byte

// drain reads that many records in place, a byte of each.
func drain(c fabric.Consumer, records uint64) error {
	var sum, read uint64
	look := func(b []byte) error { sum += uint64(b[0]); return nil }
	for read < records {
		n, err := c.Drain(1<<10, look)
		read += uint64(n)
		switch {
		case errors.Is(err, fabric.ErrEmpty):
			err = c.Wait(context.Background())
		case err == nil:
			err = c.Ack(read, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkRoundTrip has a record of 64 bytes go to another process and come back.
func BenchmarkRoundTrip(b *testing.B) {
	for _, mode := range []fabric.Mode{fabric.LowLatency, fabric.Balanced, fabric.Thrifty} {
		b.Run(mode.String(), func(b *testing.B) { benchRoundTrip(b, mode) })
	}
}

func benchRoundTrip(b *testing.B, mode fabric.Mode) {
	there, err := shm.New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(b, err)
	defer there.Close()
	back, err := shm.New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(b, err)
	defer back.Close()
	echo := startChild(b)
	echo.attach(there, fabric.RoleConsumer, "echo/"+mode.String(), uint64(b.N))
	p, err := there.Producer()
	require.NoError(b, err)
	defer p.Close()
	echo.bind(there, fabric.RoleConsumer)
	echo.attach(back, fabric.RoleProducer, "", 0)
	c, err := back.Consumer()
	require.NoError(b, err)
	defer c.Close()
	echo.bind(back, fabric.RoleProducer)
	echo.receive() // it is ready
	p.SetMode(mode)
	c.SetMode(mode)
	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, pingPong(p, c, b.N, true))
}

// pingPong sends and takes records of 64 bytes in turns; first says who begins.
func pingPong(p fabric.Producer, c fabric.Consumer, n int, first bool) error {
	batch, err := p.Begin()
	if err != nil {
		return err
	}
	for i := range n {
		if read := uint64(i); !first || i > 0 {
			if !first {
				read++
			}
			if err := take(c, read); err != nil {
				return err
			}
		}
		room, err := batch.Claim(64)
		if err != nil {
			return err
		}
		copy(room, source[:64])
		if err := batch.Commit(); err != nil {
			return err
		}
		if err := batch.Flush(); err != nil {
			return err
		}
	}
	if first {
		if err := take(c, uint64(n)); err != nil {
			return err
		}
	}
	return batch.End()
}

// take reads the next record, the i-th, and acks it.
func take(c fabric.Consumer, i uint64) error {
	look := func(b []byte) error { copy(source[:], b); return nil }
	for {
		n, err := c.Drain(1, look)
		switch {
		case n == 1:
			return c.Ack(i, nil)
		case !errors.Is(err, fabric.ErrEmpty):
			return err
		}
		if err := c.Wait(context.Background()); err != nil {
			return err
		}
	}
}
