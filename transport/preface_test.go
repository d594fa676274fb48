package transport

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// Whatever comes, in whatever pieces: the use is what the first bytes say, and no byte is lost.
func FuzzPreface(f *testing.F) {
	for _, seed := range []string{"", "G", "GET / HTTP/1.1\r\n", api.PrefaceRaft, api.PrefaceData + "x", "GRAFNODE-RAFT/2\n", "\x00\xff"} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, bytewise bool) {
		var r io.Reader = bytes.NewReader(in)
		if bytewise {
			r = iotest.OneByteReader(r)
		}
		u, read, err := readPreface(r, make([]byte, prefaceMax))
		rest, _ := io.ReadAll(r)
		require.Equal(t, in, append(bytes.Clone(read), rest...))
		switch {
		case err != nil:
			require.Empty(t, rest, "gave up although more had come")
		case u == useHTTP:
			require.False(t, bytes.HasPrefix(in, []byte(api.PrefaceRaft)) || bytes.HasPrefix(in, []byte(api.PrefaceData)))
		default:
			require.Equal(t, prefaces[u], string(read))
		}
	})
}
