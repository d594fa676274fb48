package fabrictest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
)

// model is the ring as a slice: what was committed and not acked yet, oldest first.
type model struct {
	*rig
	unacked [][]byte
	flushed int // records ever flushed
	read    int // records ever read
	acked   int
	sent    int
}

// bytes is the least or the most that the ring may hold now, as overhead says.
func (m *model) bytes(overhead int) (sum int) {
	for _, b := range m.unacked {
		sum += len(b) + overhead
	}
	return sum
}

// testModel holds random histories of calls against the model.
func testModel(t *testing.T, newPair Factory) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{rig: newRig(t, newPair, Config(fabric.CapacityMin))}
		defer m.close()
		rt.Repeat(map[string]func(*rapid.T){
			"push":  m.drawPush,
			"abort": m.drawAbort,
			"flush": func(*rapid.T) { m.flushAll() },
			"next":  func(*rapid.T) { m.next() },
			"ack":   m.drawAck,
		})
	})
}

func drawLength(rt *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, fabric.RecordMax(fabric.CapacityMin))).Draw(rt, "length")
}

// room says whether the ring must, or must not, take n bytes more. Neither is possible.
func (m *model) room(n int) (must, never bool) {
	capacity := m.pair.Arena.Config().Capacity
	return m.bytes(fabric.RecordOverhead)+n+fabric.RecordOverhead <= capacity, m.bytes(0)+n > capacity
}

// claimed claims n bytes if the ring takes them.
func (m *model) claimed(n int) (b []byte, ok bool) {
	must, never := m.room(n)
	if must {
		return m.claim(n), true
	}
	b, err := m.p.Claim(n)
	if err != nil {
		require.ErrorIs(m.t, err, fabric.ErrFull)
		return nil, false
	}
	require.False(m.t, never, "%d bytes fit beside %d", n, m.bytes(0))
	return b, true
}

func (m *model) drawPush(rt *rapid.T) {
	n := drawLength(rt)
	b, ok := m.claimed(n)
	if !ok {
		return
	}
	want := record(m.sent, n)
	copy(b, want)
	require.NoError(m.t, m.p.Commit())
	m.unacked = append(m.unacked, want)
	m.sent++
}

func (m *model) drawAbort(rt *rapid.T) {
	if b, ok := m.claimed(drawLength(rt)); ok {
		for i := range b {
			b[i] = 0xAB
		}
		m.p.Abort()
	}
}

func (m *model) flushAll() {
	m.flush()
	m.flushed = m.sent
}

// next reads a record: one that was flushed must come; one that was only committed may.
func (m *model) next() {
	var b []byte
	if m.read < m.flushed {
		b = m.pop()
	} else {
		var err error
		if b, err = m.c.Next(); errors.Is(err, fabric.ErrEmpty) {
			return
		}
		require.NoError(m.t, err)
		require.Less(m.t, m.read, m.sent, "a record that nobody sent")
	}
	require.Equal(m.t, m.unacked[m.read-m.acked], append([]byte{}, b...), "record %d", m.read)
	m.read++
}

func (m *model) drawAck(rt *rapid.T) {
	n := rapid.IntRange(m.acked, m.read).Draw(rt, "acked")
	require.NoError(m.t, m.c.Ack(uint64(n), nil))
	m.unacked = m.unacked[n-m.acked:]
	m.acked = n
}
