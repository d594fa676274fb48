package tcp_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
)

const benchCapacity = 8 << 20

// One way, batched: records over the ring with one side remote, beside raw TCP with writes of the same size, whose receiver checks a
// checksum and copies into a ring that a third goroutine reads. MB/s is of the records' bytes. `grafnode bench wire` does the
// same between processes.
func BenchmarkOneWay(b *testing.B) {
	for _, c := range []struct{ size, batch int }{{64, 64}, {64, 1024}, {1 << 10, 64}, {16 << 10, 4}} {
		name := fmt.Sprintf("%dx%dB", c.batch, c.size)
		b.Run(name+"/raw-tcp", func(b *testing.B) { rawOneWay(b, c.size, c.batch) })
		b.Run(name+"/producer-remote", func(b *testing.B) { ringOneWay(b, c.size, c.batch, fabric.RoleProducer) })
		b.Run(name+"/consumer-remote", func(b *testing.B) { ringOneWay(b, c.size, c.batch, fabric.RoleConsumer) })
	}
}

// meter starts the clock, and returns what stops it and reports processor time too, of both ends and the kernel: other work on
// the machine leaves that nearly alone.
func meter(b *testing.B, size int) (stop func()) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	return func() {
		b.StopTimer()
		b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
	}
}

// rawRing is the least that is a ring: bytes and two cursors.
type rawRing struct {
	data       []byte
	head, tail atomic.Uint64
	room, news chan struct{}
}

func (r *rawRing) write(b []byte) {
	tail := r.tail.Load()
	for tail+uint64(len(b))-r.head.Load() > uint64(len(r.data)) {
		<-r.room
	}
	copy(r.data[tail%uint64(len(r.data)):], b)
	r.tail.Store(tail + uint64(len(b)))
	wake(r.news)
}

func (r *rawRing) read(total uint64, size int) (sum byte) {
	for head := uint64(0); head < total; wake(r.room) {
		tail := r.tail.Load()
		if head == tail {
			<-r.news
		}
		for ; head < tail; head += uint64(size) {
			sum += r.data[head%uint64(len(r.data))]
		}
		r.head.Store(head)
	}
	return sum
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func rawOneWay(b *testing.B, size, batch int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	writes := max(1, b.N/batch)
	r := &rawRing{data: make([]byte, benchCapacity), room: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	read := make(chan byte, 1)
	go func() { read <- r.read(uint64(writes*batch*size), size) }()
	arrived := make(chan error, 1)
	go func() { arrived <- rawReceive(l, writes, size*batch, r) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(b, err)
	defer conn.Close()
	buf, record := make([]byte, 4+batch*size), make([]byte, size)
	stop := meter(b, size)
	for range writes {
		for at := 4; at < len(buf); at += size {
			copy(buf[at:at+size], record)
		}
		binary.LittleEndian.PutUint32(buf, crc32.Checksum(buf[4:], castagnoli))
		if _, err := conn.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, <-arrived)
	<-read
	stop()
}

func rawReceive(l net.Listener, writes, size int, r *rawRing) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	in, buf := bufio.NewReaderSize(conn, 64<<10), make([]byte, 4+size)
	for range writes {
		if _, err := io.ReadFull(in, buf); err != nil {
			return err
		}
		if crc32.Checksum(buf[4:], castagnoli) != binary.LittleEndian.Uint32(buf) {
			return errors.New("damaged")
		}
		r.write(buf[4:])
	}
	return conn.Close()
}

func ringOneWay(b *testing.B, size, batch int, remote fabric.Role) {
	pair := over(benchArena, remote)(b, fabrictest.Config(benchCapacity))
	p, err := pair.Producer()
	require.NoError(b, err)
	c, err := pair.Consumer()
	require.NoError(b, err)
	drained := make(chan error, 1)
	go func() { drained <- drain(b, c) }()
	record := make([]byte, size)
	stop := meter(b, size)
	require.NoError(b, push(b, p, record, batch))
	require.NoError(b, <-drained)
	stop()
	require.NoError(b, errors.Join(p.Close(), c.Close()))
}

// push writes b.N records and flushes each batch.
func push(b *testing.B, p fabric.Producer, record []byte, size int) error {
	batch, err := p.Begin()
	if err != nil {
		return err
	}
	for n := 0; n < b.N; {
		room, err := batch.Claim(len(record))
		if errors.Is(err, fabric.ErrFull) {
			if err := p.Wait(b.Context()); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		copy(room, record)
		err = batch.Commit()
		if n++; n%size == 0 {
			err = errors.Join(err, batch.Flush())
		}
		if err != nil {
			return err
		}
	}
	return batch.End()
}

// drain reads b.N records, and acks every 256 and whenever there is nothing to read.
func drain(b *testing.B, c fabric.Consumer) error {
	var sum byte
	for n := 0; n < b.N; {
		took, err := c.Drain(256, func(record []byte) error { sum += record[0]; return nil })
		if n += took; took > 0 {
			err = errors.Join(err, c.Ack(uint64(n), nil))
		}
		if errors.Is(err, fabric.ErrEmpty) {
			err = c.Wait(b.Context())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
