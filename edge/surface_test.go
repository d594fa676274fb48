package edge_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric/layout"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// sample has a fixed layout.
type sample struct {
	At    int64
	Value [7]float64
}

func fixed(t testing.TB) edge.Option {
	c, err := edge.Fixed[sample]()
	require.NoError(t, err)
	return edge.UseCodec(c)
}

// TestPopInto uses the memory of the item before.
func TestPopInto(t *testing.T) {
	p, c := ends[[]byte](t, inprocRing)
	require.NoError(t, p.Push(t.Context(), at(1), []byte("a longer item")))
	require.NoError(t, p.Push(t.Context(), at(2), []byte("item")))
	var m edge.Msg[[]byte]
	require.NoError(t, c.PopInto(t.Context(), &m))
	require.Equal(t, "a longer item", string(m.Value))
	first := &m.Value[0]
	require.NoError(t, c.PopInto(t.Context(), &m))
	require.Equal(t, "item", string(m.Value))
	require.Equal(t, at(2), m.Pos)
	require.Same(t, first, &m.Value[0])
}

// TestBatches pushes and pops many at once; neither waits for more than there is.
func TestBatches(t *testing.T) {
	_, p, c := pair(t)
	var items []edge.Msg[string]
	for i := range 300 {
		items = append(items, edge.Msg[string]{Pos: at(i), Value: strconv.Itoa(i)})
	}
	n, err := p.PushBatch(t.Context(), items)
	require.NoError(t, err)
	require.Equal(t, len(items), n)
	require.NoError(t, p.End(t.Context(), 0))
	msgs := make([]edge.Msg[string], 77)
	for want := 0; ; {
		n, err := c.PopBatch(t.Context(), msgs)
		for _, m := range msgs[:n] {
			require.Equal(t, strconv.Itoa(want), m.Value)
			want++
		}
		if errors.Is(err, io.EOF) {
			require.Equal(t, len(items), want)
			break
		}
		require.NoError(t, err)
		require.Positive(t, n)
	}
	n, err = p.PushBatch(t.Context(), items[:1])
	require.ErrorIs(t, err, handoff.ErrOrder)
	require.Zero(t, n)
}

// TestView shows items of all sizes in place, and lets them be acknowledged from there.
func TestView(t *testing.T) {
	p, c := ends[[]byte](t, inprocRing)
	sizes := []int{0, 1, 64, 5000, 100, 100_000, 3}
	go func() {
		for i := range 200 {
			b := []byte(strings.Repeat(string(rune('a'+i%26)), sizes[i%len(sizes)]))
			if p.Push(t.Context(), at(i+1), b) != nil {
				return
			}
		}
	}()
	for i := range 200 {
		require.NoError(t, c.View(t.Context(), func(pos position.Position, kind handoff.Kind, b []byte) error {
			require.Equal(t, at(i+1), pos)
			require.Equal(t, handoff.Item, kind)
			require.Equal(t, strings.Repeat(string(rune('a'+i%26)), sizes[i%len(sizes)]), string(b))
			return c.Ack(pos)
		}))
	}
	require.NoError(t, p.Close(t.Context()))
}

// TestViewOutlivesItsRing has the ring lost under an item that is looked at.
func TestViewOutlivesItsRing(t *testing.T) {
	w := newWorld(inprocRing)
	defer w.Close()
	p, err := edge.Produce[[]byte](t.Context(), w.process("up"), "e")
	require.NoError(t, err)
	defer p.Close(canceled())
	c, err := edge.Consume[[]byte](t.Context(), w.process("down"), "e")
	require.NoError(t, err)
	defer c.Close(canceled())
	large := strings.Repeat("x", 10_000)
	for i := 1; i <= 2; i++ {
		require.NoError(t, p.Push(t.Context(), at(i), []byte(large)))
	}
	refused := errors.New("refused")
	require.ErrorIs(t, c.View(t.Context(), func(_ position.Position, _ handoff.Kind, b []byte) error {
		w.Revoke("e")
		require.Equal(t, large, string(b))
		return refused
	}), refused)
	require.NoError(t, c.View(t.Context(), func(pos position.Position, _ handoff.Kind, b []byte) error {
		require.Equal(t, at(2), pos, "what f refuses is popped all the same")
		require.Equal(t, large, string(b))
		return c.Ack(pos)
	}))
	require.NoError(t, p.Close(t.Context()))
}

func TestFixed(t *testing.T) {
	p, c := ends[sample](t, inprocRing, fixed(t))
	want := sample{At: 7, Value: [7]float64{1, 2}}
	for i := range 3 {
		require.NoError(t, p.Push(t.Context(), at(i), want))
	}
	m, err := c.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, m.Value)
	require.NoError(t, c.PopInto(t.Context(), &m))
	require.Equal(t, want, m.Value)
	require.NoError(t, c.View(t.Context(), func(_ position.Position, _ handoff.Kind, b []byte) error {
		var got sample
		require.True(t, layout.Copy(&got, b))
		require.Equal(t, want, got)
		return nil
	}))
	_, err = edge.Fixed[struct{ Name string }]()
	require.ErrorIs(t, err, layout.ErrNotFixed)
}

// seconds is a codec in two methods.
type seconds struct{}

func (seconds) Append(b []byte, v time.Duration) ([]byte, error) {
	return binary.AppendVarint(b, int64(v/time.Second)), nil
}

func (seconds) Decode(b []byte) (time.Duration, error) {
	n, read := binary.Varint(b)
	if read != len(b) {
		return 0, fmt.Errorf("%d bytes are no duration", len(b))
	}
	return time.Duration(n) * time.Second, nil
}

func TestCodecInTwoMethods(t *testing.T) {
	use := edge.UseCodec[time.Duration](seconds{})
	p, c := ends[time.Duration](t, inprocRing, use)
	require.NoError(t, p.Push(t.Context(), at(1), 90*time.Second))
	m, err := c.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, 90*time.Second, m.Value)

	cl := edgetest.New()
	defer cl.Close()
	other, err := edge.Produce[time.Duration](t.Context(), cl.Client("up"), "e", use)
	require.NoError(t, err)
	defer other.Close(canceled())
	_, err = edge.Consume[time.Duration](t.Context(), cl.Client("down"), "e")
	require.ErrorIs(t, err, api.ErrCodec, "its ID comes from its type")
}

// word encodes itself.
type word [64]byte

func (w word) AppendBinary(b []byte) ([]byte, error) { return append(b, w[:]...), nil }

func (w *word) UnmarshalBinary(b []byte) error {
	if copy(w[:], b) != len(w) {
		return fmt.Errorf("%d bytes are no word", len(b))
	}
	return nil
}

// TestNoAllocations is a push and a pop without garbage, once the window's memory is there.
func TestNoAllocations(t *testing.T) {
	t.Run("bytes", func(t *testing.T) { noAllocations(t, make([]byte, 64)) })
	t.Run("large", func(t *testing.T) { noAllocations(t, make([]byte, 4<<10)) })
	t.Run("unchecked", func(t *testing.T) { noAllocations(t, make([]byte, 64), edge.Unchecked()) })
	t.Run("binary", func(t *testing.T) { noAllocations(t, word{1}) })
	t.Run("fixed", func(t *testing.T) { noAllocations(t, sample{At: 1}, fixed(t)) })
}

func noAllocations[T any](t *testing.T, v T, opts ...edge.Option) {
	p, c := ends[T](t, inprocRing, opts...)
	ctx, i := context.Background(), 0
	var m edge.Msg[T]
	round := func() {
		for range 100 {
			i++
			if err := p.Push(ctx, at(i), v); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := c.PopInto(ctx, &m); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Ack(m.Pos); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		round()
	}
	if allocates {
		t.Skip("this build allocates")
	}
	// Acknowledgements allocate, once for many items.
	require.Less(t, testing.AllocsPerRun(100, round), 100*0.2)
}

// TestBurstsArriveWithoutFlush pushes bursts of every size and waits for each: nothing stays behind unpublished.
func TestBurstsArriveWithoutFlush(t *testing.T) {
	p, c := ends[[]byte](t, inprocRing)
	go func() {
		var m edge.Msg[[]byte]
		for c.PopInto(t.Context(), &m) == nil {
			if c.Ack(m.Pos) != nil {
				return
			}
		}
	}()
	next, item := 0, make([]byte, 64)
	for burst := range 500 {
		for range burst%120 + 1 {
			next++
			require.NoError(t, p.Push(t.Context(), at(next), item))
		}
		var seen position.Vector
		for !seen.Covers(at(next)) {
			var err error
			seen, err = p.WaitAcked(t.Context(), seen)
			require.NoError(t, err)
		}
	}
}
