package server

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestPlainIsWhatOurClientsWrite(t *testing.T) {
	require.True(t, plain([]byte(`{"op_id":"x","session":"s","reason":"requested","edges":[{"name":"a","expect":7},{"name":"b","expect":8}]}`)))
	require.True(t, plain([]byte(` {"a":{"a":[1,"a",{"a":"\"a\",{"}]},"b":null} `)))
	for _, b := range []string{``, `{`, `{} {}`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"\u0061":1}`, `{"é":1}`, `[{"x":[{"a":1,"b":{},"a":1}]}]`,
		strings.Repeat("[", depthMax+1) + strings.Repeat("]", depthMax+1)} {
		require.False(t, plain([]byte(b)), b)
	}
}

// The quick look may send what is good to the slow one, never let through what that would refuse.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{"a":"\\"},2]}`, `{"a":1,"A":2}`, `{"k":1,"\u212a":2}`, `[[[[]]]]`, `{"a":"}","b":"{"}`, `"a" "b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) && plain([]byte(s)) {
			require.NoError(t, checkTokens([]byte(s)), "%q", s)
		}
	})
}
