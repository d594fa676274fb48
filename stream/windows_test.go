package stream

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/position"
)

func TestWindowsAreStoredAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := windows{n: rapid.Uint64Range(2, 100).Draw(t, "n")}
		lanes := rapid.SliceOfDistinct(rapid.Uint32(), rapid.ID[uint32]).Draw(t, "lanes")
		slices.Sort(lanes)
		for _, lane := range lanes[:min(len(lanes), position.LanesMax)] {
			at := position.Position{Lane: position.Lane(lane), Offset: rapid.Uint64Range(1, position.OffsetMax).Draw(t, "at")}
			l := laneWindow{at: at, items: rapid.Uint64Range(0, c.n-1).Draw(t, "items")}
			if l.items > 0 {
				l.last = position.Position{Lane: at.Lane, Offset: at.Offset - 1}
				l.state = rapid.SliceOf(rapid.Byte()).Draw(t, "state")
			}
			c.lanes = append(c.lanes, l)
		}
		b := c.append(nil)
		got, err := decodeWindows(b)
		require.NoError(t, err)
		require.Equal(t, b, got.append(nil))
		require.Len(t, got.lanes, len(c.lanes))
		for n := range b {
			_, err := decodeWindows(b[:n])
			require.ErrorIs(t, err, api.ErrCorrupt)
		}
	})
}

func FuzzDecodeWindows(f *testing.F) {
	lane := laneWindow{at: position.Position{Lane: 1, Offset: 9}, items: 2, last: position.Position{Lane: 1, Offset: 8}, state: []byte("state")}
	f.Add(windows{n: 3, lanes: []laneWindow{{at: position.EndOfLane(0)}, lane}}.append(nil))
	f.Add(windows{n: 1}.append(nil))
	f.Add([]byte{windowsVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeWindows(b)
		if err != nil {
			require.ErrorIs(t, err, api.ErrCorrupt)
			return
		}
		again, err := decodeWindows(c.append(nil))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func FuzzDecodeList(f *testing.F) {
	list := listCodec[string]{edge.DefaultCodec[string]()}
	for _, l := range [][]string{nil, {""}, {"a", "", "bcd"}} {
		b, err := list.Append(nil, l)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := list.Decode(b)
		if err != nil {
			return
		}
		enc, err := list.Append(nil, l)
		require.NoError(t, err)
		again, err := list.Decode(enc)
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}

func FuzzDecodeLogged(f *testing.F) {
	at := position.Position{Lane: 2, Offset: 7}
	f.Add(logged{}.append(nil))
	f.Add(logged{upto: position.VectorOf(at), outs: []loggedOutput{{at, []byte("output")}, {at.End(), nil}}}.append(nil))
	f.Add([]byte{loggedVersion, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLogged(b)
		if err != nil {
			require.ErrorIs(t, err, api.ErrCorrupt)
			return
		}
		again, err := decodeLogged(l.append(nil))
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}
