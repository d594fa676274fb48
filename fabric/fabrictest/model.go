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
			"batch": m.drawBatch,
			"flush": func(*rapid.T) { m.flushAll() },
			"next":  func(*rapid.T) { m.next() },
			"drain": m.drawDrain,
			"row":   m.drawRow,
			"peek":  m.drawPeek,
			"ack":   m.drawAck,
		})
	})
}

func drawLength(rt *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, fabric.RecordMax(fabric.CapacityMin))).Draw(rt, "length")
}

// room says whether the ring must, or must not, take n bytes more. Neither is possible: acks for less than an eighth may be under
// way for a while.
func (m *model) room(n int) (must, never bool) {
	capacity := m.pair.Arena.Config().Capacity
	return m.bytes(fabric.RecordOverhead)+n+fabric.RecordOverhead <= capacity-capacity/8, m.bytes(0)+n > capacity
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

// drawBatch sends records in a batch, as far as there is room, gives some claims back, and may leave one open.
func (m *model) drawBatch(rt *rapid.T) {
	batch := m.begin()
	for range rapid.IntRange(0, 20).Draw(rt, "records") {
		n := drawLength(rt)
		if free := batch.Free(); n <= free && free > 0 && rapid.Bool().Draw(rt, "shortened") {
			m.shortened(batch, n, rapid.IntRange(n, free).Draw(rt, "at most"))
			continue
		}
		must, never := m.room(n)
		b, err := batch.Claim(n)
		for must && errors.Is(err, fabric.ErrFull) { // the ack may be on its way
			require.NoError(m.t, m.p.Wait(m.ctx))
			b, err = batch.Claim(n)
		}
		if errors.Is(err, fabric.ErrFull) {
			break
		}
		require.NoError(m.t, err)
		require.False(m.t, never, "%d bytes fit beside %d", n, m.bytes(0))
		want := record(m.sent, n)
		copy(b, want)
		if rapid.IntRange(0, 9).Draw(rt, "given back") == 0 {
			batch.Abort()
			continue
		}
		require.NoError(m.t, batch.Commit())
		m.unacked = append(m.unacked, want)
		m.sent++
	}
	if b, err := batch.Claim(1); err == nil {
		b[0] = 1
	}
	require.NoError(m.t, batch.End())
	m.flushed = m.sent
}

// shortened sends a record of n bytes, of which that is said once it is written.
func (m *model) shortened(batch *fabric.Batch, n, most int) {
	b, err := batch.ClaimMost(most)
	require.NoError(m.t, err)
	require.Len(m.t, b, most)
	want := record(m.sent, n)
	copy(b, want)
	require.Error(m.t, batch.CommitFirst(most+1))
	require.NoError(m.t, batch.CommitFirst(n))
	m.unacked = append(m.unacked, want)
	m.sent++
}

// drawDrain reads some records, of which the last may be refused.
func (m *model) drawDrain(rt *rapid.T) {
	limit, refuse := rapid.IntRange(0, 20).Draw(rt, "limit"), rapid.IntRange(0, 20).Draw(rt, "refused")
	refused := errors.New("refused")
	n, err := m.c.Drain(limit, func(b []byte) error {
		if refuse--; refuse < 0 {
			return refused
		}
		require.Less(m.t, m.read, m.sent, "a record that nobody sent")
		require.Equal(m.t, m.unacked[m.read-m.acked], append([]byte{}, b...), "record %d", m.read)
		m.read++
		return nil
	})
	require.LessOrEqual(m.t, n, limit)
	require.True(m.t, err == nil || errors.Is(err, refused) || n == 0 && errors.Is(err, fabric.ErrEmpty), "%v", err)
}

// drawPeek looks at records where they lie, and takes some of them.
func (m *model) drawPeek(rt *rapid.T) {
	p, ok := m.c.(fabric.Peeker)
	require.True(m.t, ok)
	r, err := p.Peek()
	if errors.Is(err, fabric.ErrEmpty) {
		return
	}
	require.NoError(m.t, err)
	require.Positive(m.t, r.N)
	require.LessOrEqual(m.t, m.read+r.N, m.sent, "records that nobody sent")
	for i := range r.N {
		require.Equal(m.t, m.unacked[m.read-m.acked+i], append([]byte{}, r.At(i)...), "record %d", m.read+i)
	}
	n := rapid.IntRange(0, r.N).Draw(rt, "taken")
	p.Skip(n)
	m.read += n
}

// drawRow sends rows of records, some of which are not committed, in a batch that goes on after them.
func (m *model) drawRow(rt *rapid.T) {
	batch, n := m.begin(), drawLength(rt)
	for range rapid.IntRange(1, 4).Draw(rt, "rows") {
		if rapid.IntRange(0, 3).Draw(rt, "another length") == 0 {
			n = drawLength(rt)
		}
		r, err := batch.ClaimRow(n, rapid.IntRange(1, 300).Draw(rt, "claimed"))
		if errors.Is(err, fabric.ErrFull) {
			break
		}
		require.NoError(m.t, err)
		require.Equal(m.t, n, r.Bytes)
		require.Error(m.t, batch.CommitRow(r.N+1), "more than was claimed")
		count := rapid.IntRange(0, r.N).Draw(rt, "committed")
		for i := range r.N {
			copy(r.At(i), record(m.sent+i, n))
		}
		for i := range count {
			m.unacked = append(m.unacked, record(m.sent+i, n))
		}
		require.NoError(m.t, batch.CommitRow(count))
		m.sent += count
		_, never := m.room(0)
		require.False(m.t, never, "%d bytes in the ring", m.bytes(0))
	}
	require.NoError(m.t, batch.End())
	m.flushed = m.sent
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
