package locator_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/locator"
)

var sample = locator.Locator{
	Kind: locator.Queue, Node: "n1", Zone: "z", Address: "127.0.0.1:7000", Arena: "a1", Generation: 7, Bytes: 1 << 20,
}

func TestRoundTrip(t *testing.T) {
	for _, kind := range []locator.Kind{locator.Queue, locator.Memory, locator.Block} {
		l := sample
		l.Kind = kind
		b, err := l.MarshalBinary()
		require.NoError(t, err)
		var got locator.Locator
		require.NoError(t, got.UnmarshalBinary(b))
		require.Equal(t, l, got)

		j, err := json.Marshal(l)
		require.NoError(t, err)
		got = locator.Locator{}
		require.NoError(t, json.Unmarshal(j, &got))
		require.Equal(t, l, got)
	}
}

// Every single damaged bit is noticed, and leaves the target as it was.
func TestEveryDamagedBitIsAnError(t *testing.T) {
	b, err := sample.MarshalBinary()
	require.NoError(t, err)
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		var got locator.Locator
		require.Error(t, got.UnmarshalBinary(b), "bit %d", i)
		require.True(t, got.IsZero())
		b[i/8] ^= 1 << (i % 8)
	}
	for n := range b {
		require.Error(t, new(locator.Locator).UnmarshalBinary(b[:n]))
	}
}

func TestNewerVersionIsNamed(t *testing.T) {
	b, err := sample.MarshalBinary()
	require.NoError(t, err)
	b[0]++
	require.ErrorIs(t, new(locator.Locator).UnmarshalBinary(b), locator.ErrVersion)
}

func TestJSONDamage(t *testing.T) {
	j, err := json.Marshal(sample)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(j, &m))
	for field, value := range map[string]any{"node": "n2", "generation": 8, "kind": "memory", "checksum": "", "address": "x"} {
		was := m[field]
		m[field] = value
		bad, err := json.Marshal(m)
		require.NoError(t, err)
		require.ErrorIs(t, json.Unmarshal(bad, new(locator.Locator)), locator.ErrCorrupt, field)
		m[field] = was
	}
}

func FuzzUnmarshalBinary(f *testing.F) {
	b, _ := sample.MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var l locator.Locator
		if l.UnmarshalBinary(b) == nil {
			again, err := l.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
	})
}
