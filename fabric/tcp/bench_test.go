package tcp_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
)

// One way, batched as the producer likes: records over the ring with one side remote, beside the least that TCP could do,
// which is records of the same length written through a buffer of a frame's size and only counted at the other end. MB/s
// is of the records' bytes.
func BenchmarkOneWay(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 16 << 10} {
		name := fmt.Sprintf("%dB", size)
		b.Run(name+"/raw-tcp", func(b *testing.B) { rawOneWay(b, size) })
		b.Run(name+"/producer-remote", func(b *testing.B) { ringOneWay(b, size, fabric.RoleProducer) })
		b.Run(name+"/consumer-remote", func(b *testing.B) { ringOneWay(b, size, fabric.RoleConsumer) })
	}
}

func rawOneWay(b *testing.B, size int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	arrived := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			arrived <- err
			return
		}
		_, err = io.CopyN(io.Discard, bufio.NewReaderSize(conn, 64<<10), int64(b.N)*int64(size))
		arrived <- errors.Join(err, conn.Close())
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(b, err)
	defer conn.Close()
	w := bufio.NewWriterSize(conn, 64<<10)
	record := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := w.Write(record); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, w.Flush())
	require.NoError(b, <-arrived)
}

func ringOneWay(b *testing.B, size int, remote fabric.Role) {
	cfg := fabrictest.Config(8 << 20)
	pair := over(newInproc, remote)(b, cfg)
	p, err := pair.Producer()
	require.NoError(b, err)
	c, err := pair.Consumer()
	require.NoError(b, err)
	drained := make(chan error, 1)
	go func() { drained <- drain(b, c) }()
	record := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := push(b, p, record); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, p.Flush())
	require.NoError(b, <-drained)
	b.StopTimer()
	require.NoError(b, errors.Join(p.Close(), c.Close()))
}

func push(b *testing.B, p fabric.Producer, record []byte) error {
	room, err := p.Claim(len(record))
	for errors.Is(err, fabric.ErrFull) {
		if err := p.Flush(); err != nil {
			return err
		}
		if err := p.Wait(b.Context()); err != nil {
			return err
		}
		room, err = p.Claim(len(record))
	}
	if err != nil {
		return err
	}
	copy(room, record)
	return p.Commit()
}

// drain reads b.N records, and acks every 256 and whenever there is nothing to read.
func drain(b *testing.B, c fabric.Consumer) error {
	for n, acked := uint64(0), uint64(0); acked < uint64(b.N); {
		_, err := c.Next()
		if err == nil {
			n++
		}
		if n-acked >= 256 || n == uint64(b.N) || errors.Is(err, fabric.ErrEmpty) && n > acked {
			acked = n
			if err := c.Ack(n, nil); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, fabric.ErrEmpty):
			if err := c.Wait(b.Context()); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return nil
}
