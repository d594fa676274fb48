package membership

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var sampleMeta = meta{
	hasState: true, free: 1 << 40, expect: 3, name: "alpha", zone: "z1", address: "127.0.0.1:7000",
	cluster: "0123456789abcdef0123456789abcdef", version: "v0.1.0", level: 200, needs: 1, direct: "10.1.2.3/24",
}

func TestMetaRoundTrip(t *testing.T) {
	long := strings.Repeat("x", metaTextMax)
	for _, m := range []meta{
		sampleMeta,
		{address: "[::1]:1", level: 1, needs: 1},
		{level: math.MaxUint64, needs: math.MaxUint64, leaving: true, free: math.MaxUint64, expect: expectMax, address: "1.2.3.4:5", name: long, zone: long, cluster: long, version: long, direct: "fd00:1111:2222:3333:4444:5555:6666:7777/128"},
	} {
		require.NoError(t, m.validate())
		b := m.encode()
		require.LessOrEqual(t, len(b), metaBytesMax)
		got, err := decodeMeta(b)
		require.NoError(t, err)
		require.Equal(t, m, got)
		got, err = decodeMeta(append(b, "a later version's"...))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
}

// 0.1.0 neither sends nor reads the levels.
func TestMetadataOfTheFirstVersion(t *testing.T) {
	want := sampleMeta
	want.direct = ""
	old := want.encode()
	old = old[:len(old)-1]
	got, err := decodeMeta(old)
	require.NoError(t, err)
	require.Equal(t, want, got, "nor does 0.2.0 know of adapters")
	got, err = decodeMeta(old[:len(old)-3])
	require.NoError(t, err)
	want.level, want.needs = 1, 1
	require.Equal(t, want, got)
	got, err = decodeMeta(append(old[:len(old)-3], 0, 0))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestHostileMetaIsAnError(t *testing.T) {
	good := sampleMeta.encode()
	for n := range good {
		if end := len(good) - 1 - len(sampleMeta.direct); n == end || n == end-1 || n == end-3 {
			continue // before what may be missing
		}
		_, err := decodeMeta(good[:n])
		require.ErrorIs(t, err, errMeta, "cut off at %d", n)
	}
	for name, change := range map[string]func(m *meta){
		"no address":      func(m *meta) { m.address = "" },
		"a name":          func(m *meta) { m.address = "example.org:1" },
		"terminal escape": func(m *meta) { m.name = "\x1b[2J" },
		"two lines":       func(m *meta) { m.zone = "a\nb" },
		"not ASCII":       func(m *meta) { m.version = "ü" },
		"too long":        func(m *meta) { m.cluster = strings.Repeat("x", metaTextMax+1) },
		"no network":      func(m *meta) { m.direct = "10.1.2.3" },
		"too many":        func(m *meta) { m.expect = expectMax + 1 },
	} {
		m := sampleMeta
		change(&m)
		_, err := decodeMeta(m.encode())
		require.ErrorIs(t, err, errMeta, name)
	}
	good[0]++
	_, err := decodeMeta(good)
	require.ErrorContains(t, err, "version 2, this node knows 1")
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add(sampleMeta.encode())
	f.Add(meta{address: "[::1]:1"}.encode())
	f.Add([]byte{1, 0, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			require.ErrorIs(t, err, errMeta)
			return
		}
		require.NoError(t, m.validate())
		again, err := decodeMeta(m.encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
