package position_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/position"
)

func draw(t *rapid.T) position.Position {
	p := position.Position{
		Lane:   position.Lane(rapid.Uint32Range(0, 3).Draw(t, "lane")),
		Offset: rapid.Uint64Range(0, 5).Draw(t, "offset"),
	}
	for range rapid.IntRange(0, position.DepthMax).Draw(t, "depth") {
		p, _ = p.Child(rapid.IntRange(0, position.ChildrenMax-1).Draw(t, "child"))
	}
	return p
}

func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		require.GreaterOrEqual(t, p.End().Compare(p), 0)
		require.Equal(t, p.End(), p.End().End(), "the end of a mark is itself")
		a, err := p.Child(3)
		if err != nil {
			require.ErrorIs(t, err, position.ErrSubOverflow)
			require.Equal(t, p, p.End(), "a full path has nothing below it")
			return
		}
		b, err := p.Child(4)
		require.NoError(t, err)
		require.Equal(t, -1, p.Compare(a))
		require.Equal(t, -1, a.End().Compare(b), "a sibling comes after everything below its elder")
		require.Equal(t, -1, b.End().Compare(p.End()), "the parent's end comes after its children's")
		next := position.Position{Lane: p.Lane, Offset: p.Offset + 1}
		require.Equal(t, -1, p.End().Compare(next))
		require.Equal(t, -1, next.Compare(position.EndOfLane(p.Lane)))
	})
}

func TestChildOverflow(t *testing.T) {
	_, err := position.Position{}.Child(position.ChildrenMax)
	require.ErrorIs(t, err, position.ErrSubOverflow)
	_, err = position.Position{Offset: 1}.End().Child(0)
	require.ErrorIs(t, err, position.ErrSubOverflow, "a mark has no children")
}

func TestCompareAcrossLanesPanics(t *testing.T) {
	require.Panics(t, func() { position.Position{Lane: 1}.Compare(position.Position{Lane: 2}) })
}

func TestVectorKeepsTheHighestOfEachLane(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOf(rapid.Custom(draw)).Draw(t, "positions")
		v := position.VectorOf(ps...)
		for _, p := range ps {
			require.True(t, v.Covers(p))
			require.True(t, v.With(p).Equal(v))
		}
		decoded, err := position.DecodeVector(v.Append(nil))
		require.NoError(t, err)
		require.True(t, decoded.Equal(v))
	})
}

// TestTableIsAVector compares a table with the vector that it stands for.
func TestTableIsAVector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := position.VectorOf(rapid.SliceOf(rapid.Custom(draw)).Draw(t, "before")...)
		table := position.TableOf(v)
		for _, p := range rapid.SliceOf(rapid.Custom(draw)).Draw(t, "positions") {
			require.Equal(t, v.Covers(p), table.Covers(p))
			before := table.Clone()
			raised := v.With(p)
			require.Equal(t, !raised.Equal(v), table.Raise(p))
			require.True(t, before.Vector().Equal(v), "a clone stays as it was")
			v = raised
			at, ok := table.At(p.Lane)
			want, _ := v.At(p.Lane)
			require.True(t, ok)
			require.Equal(t, want, at)
		}
		require.Equal(t, v.Len(), table.Len())
		require.True(t, table.Vector().Equal(v))
		require.Equal(t, v.Append(nil), table.Append(nil))
	})
}

func TestString(t *testing.T) {
	p, err := position.Position{Lane: 1, Offset: 7}.Child(2)
	require.NoError(t, err)
	require.Equal(t, "1:7.2", p.String())
	require.Equal(t, "1:7.2+", p.End().String())
	require.Equal(t, "0:end", position.EndOfLane(0).String())
}

func FuzzDecodeVector(f *testing.F) {
	f.Add(position.VectorOf(position.Position{Lane: 1, Offset: 2}, position.EndOfLane(4)).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := position.DecodeVector(b)
		if err == nil {
			require.Equal(t, len(b), len(v.Append(nil)))
			require.Equal(t, string(b), string(v.Append(nil)))
		}
	})
}
