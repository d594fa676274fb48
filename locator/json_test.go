package locator

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fence"
)

// The quick way writes byte for byte what package json would.
func TestPlainJSONIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[ -~]{0,12}`), rapid.String())
		l := Locator{
			Kind: Kind(rapid.IntRange(0, 4).Draw(t, "kind")), Node: NodeID(text.Draw(t, "node")), Zone: text.Draw(t, "zone"), Address: text.Draw(t, "address"),
			Arena: ArenaID(text.Draw(t, "arena")), Generation: fence.Epoch(rapid.Uint64().Draw(t, "generation")),
			Offset: rapid.Uint64().Draw(t, "offset"), Bytes: rapid.Uint64().Draw(t, "bytes"),
		}
		quick, ok := l.appendPlain(nil)
		slow, err := json.Marshal(wire{Version, l.Kind.String(), l.Node, l.Zone, l.Address, l.Arena, l.Generation, l.Offset, l.Bytes, l.checksum()})
		require.NoError(t, err)
		var read wire
		if ok {
			require.Equal(t, string(slow), string(quick))
			require.True(t, read.parsePlain(quick))
		}
	})
	_, ok := Locator{Node: "n", Zone: "a zone", Address: "[::1]:7400", Arena: "x"}.appendPlain(nil)
	require.True(t, ok)
}

// What the quick way takes, package json takes, and reads the same from it.
func FuzzPlain(f *testing.F) {
	good, _ := Locator{Kind: 1, Node: "n", Zone: "z", Address: "127.0.0.1:7400", Arena: "a", Generation: 7, Bytes: 65536}.appendPlain(nil)
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"generation":7`), []byte(`"generation":07`), 1))
	f.Add(bytes.Replace(good, []byte(`"version":1`), []byte(`"version":257`), 1))
	f.Add([]byte(`{"version":`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var quick, slow wire
		if quick.parsePlain(b) {
			require.NoError(t, json.Unmarshal(b, &slow))
			require.Equal(t, slow, quick)
		}
	})
}
