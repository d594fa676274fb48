package accesslog_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/examples/accesslog"
)

func readAll(t *testing.T, in string) (lines []string) {
	t.Helper()
	r := accesslog.NewLineReader(strings.NewReader(in))
	for {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		require.NoError(t, err)
		lines = append(lines, string(l.Text))
		require.EqualValues(t, len(lines), l.Number)
	}
}

func TestLineReader(t *testing.T) {
	for in, want := range map[string][]string{
		"":                nil,
		"\n":              {""},
		"a":               {"a"},
		"a\n":             {"a"},
		"a\nb":            {"a", "b"},
		"\n\na\n\n":       {"", "", "a", ""},
		"a\r\nb\r\r\nc\r": {"a", "b\r", "c\r"},
		"a\rb\n":          {"a\rb"},
	} {
		require.Equal(t, want, readAll(t, in), "%q", in)
		n, err := accesslog.CountLines(strings.NewReader(in))
		require.NoError(t, err)
		require.EqualValues(t, len(want), n, "%q", in)
	}
}

func TestLineReaderLimit(t *testing.T) {
	longest := strings.Repeat("x", accesslog.LineBytesMax)
	require.Equal(t, []string{longest, longest, longest}, readAll(t, longest+"\r\n"+longest+"\n"+longest))
	for _, in := range []string{"a\nx" + longest, "a\nx" + longest + "\n", "a\n" + longest + longest} {
		_, err := accesslog.CountLines(strings.NewReader(in))
		require.ErrorIs(t, err, accesslog.ErrLineTooLong)
		require.ErrorContains(t, err, "line 2: ")
	}
}

func TestLineReaderSkip(t *testing.T) {
	r := accesslog.NewLineReader(strings.NewReader("a\nb\nc\nd"))
	require.NoError(t, r.Skip(2))
	require.NoError(t, r.Skip(1))
	l, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, accesslog.Line{Number: 3, Text: []byte("c")}, l)
	require.ErrorIs(t, r.Skip(5), io.ErrUnexpectedEOF)
}

func TestGenerate(t *testing.T) {
	generate := func(seed uint64, n int) string {
		var b bytes.Buffer
		require.NoError(t, accesslog.Generate(&b, seed, n))
		return b.String()
	}
	for _, n := range []int{0, 1, 2, 5000} {
		require.Len(t, readAll(t, generate(1, n)), n)
	}
	require.Equal(t, generate(1, 500), generate(1, 500))
	require.NotEqual(t, generate(1, 500), generate(2, 500))
	bad := 0
	for _, l := range readAll(t, generate(3, 5000)) {
		if _, err := accesslog.Parse(1, []byte(l)); err != nil {
			bad++
		}
	}
	require.Greater(t, bad, 10)
	require.Less(t, bad, 200)
}
