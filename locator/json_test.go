package locator

import (
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
		if ok {
			require.Equal(t, string(slow), string(quick))
		}
	})
	_, ok := Locator{Node: "n", Zone: "a zone", Address: "[::1]:7400", Arena: "x"}.appendPlain(nil)
	require.True(t, ok)
}
