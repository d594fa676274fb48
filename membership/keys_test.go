package membership

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/locator"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, KeyBytes) }

func TestGossipUnderKeys(t *testing.T) {
	keyed := func(keys ...[]byte) func(*Config) { return func(c *Config) { c.Keys = keys } }
	a, b, c := three(t, keyed(key(1)))
	all := seesAll("a", "b", "c")
	for _, g := range []*Gossip{a, b, c} {
		await(t, g, "all", all)
	}
	steps := [][][]byte{{key(1), key(2)}, {key(2), key(1)}, {key(2)}}
	for _, keys := range steps {
		for _, g := range []*Gossip{a, b, c} {
			require.NoError(t, g.Rekey(keys))
			require.Equal(t, keys, g.keyring.GetKeys())
		}
		require.NoError(t, a.Update(Self{Free: uint64(keys[0][0]) + uint64(len(keys))<<8}))
		await(t, c, "news under the keys", func(m map[locator.NodeID]Member) bool { return m["a"].Free == uint64(keys[0][0])+uint64(len(keys))<<8 })
	}

	for name, keys := range map[string][][]byte{"d": nil, "e": {key(1)}} { // no key, and one taken out long ago
		warnings := make(chan string, 100)
		cfg := config(name, "127.0.0."+map[string]string{"d": "4", "e": "5"}[name], a.Address())
		cfg.Keys, cfg.Logger = keys, slog.New(heard{slog.NewTextHandler(nil, nil), warnings})
		stranger := start(t, cfg)
		for text := range warnings {
			if strings.Contains(text, "no other node is found") {
				break
			}
		}
		require.Len(t, stranger.Members(), 1)
		require.Len(t, a.Members(), 3)
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	cfg := config("a", "127.0.0.1")
	cfg.Keys = [][]byte{key(1), key(2)[:16]}
	_, err := New(cfg)
	require.ErrorContains(t, err, "gossip key 2 of 2 has 16 bytes, must have 32")

	cfg.Keys = nil
	plain, err := New(cfg)
	require.NoError(t, err)
	require.ErrorIs(t, plain.Rekey([][]byte{key(1)}), ErrPlain)
	require.NoError(t, plain.Close())
	cfg.Keys = [][]byte{key(1)}
	g, err := New(cfg)
	require.NoError(t, err)
	require.ErrorIs(t, g.Rekey(nil), ErrPlain)
	require.Equal(t, cfg.Keys, g.keyring.GetKeys())
	require.NoError(t, g.Close())
}
